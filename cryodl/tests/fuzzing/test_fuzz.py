"""Files damaged at random, and files that are none: every reader reads, or refuses in one line."""

import os
import subprocess
import sys

import pytest

from cryodl.tests.fuzzing.fuzz import Child, odd_words, run, told, write_input
from cryodl.tests.fuzzing.fuzz_readers import FAULTS, HELD, READERS

SEED = 1
MAIN = {  # a command that takes the file of a reader, as words; {} is the file
    "map": ["mask", "{}", "-o", "out"],
    "map, gzip": ["localres", "{}", "-o", "out"],
    "half maps": ["fsc", "{}", "{}", "-o", "out"],
    "resolution map": ["import", "{}", "-o", "out"],
    "model, PDB": ["simulate", "{}", "--resolution", "5", "-o", "out.mrc"],
    "table of maps": ["classify", "--table", "{}"],
    "parameters": ["localres", "--params", "{}"],
    "ingredients": ["experiments", "none", "-o", "out", "--count", "1", "--config", "{}"],
}


@pytest.fixture(scope="module")
def child():
    with Child() as process:
        yield process


def failures(child, name, count):
    found = run(child, name, SEED, range(count))
    return [told(name, SEED, each) for each in found if each["outcome"] == "failed"]


@pytest.mark.parametrize("name", HELD)
def test_a_hundred_damaged_files_of_each_kind(child, name):
    assert failures(child, name, 100) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD)
def test_a_thousand_damaged_files_of_each_kind(child, name):
    assert failures(child, name, 1000) == []


@pytest.mark.parametrize("name", HELD)
def test_what_is_not_damaged_is_read(child, name, tmp_path):
    for place, data in READERS[name].files().items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(data)
    found = child.ask(reader=name, folder=str(tmp_path))
    assert found["outcome"] == "read", found["why"]


def test_an_input_is_repeated_by_its_seed(tmp_path):
    written = []
    for number, folder in ((5, "a"), (5, "b"), (6, "c")):
        write_input(tmp_path / folder, READERS["map"], SEED, number)
        written.append((tmp_path / folder / "map.mrc").read_bytes())
    assert written[0] == written[1] != written[2]


def odd_files(path):
    """Files that are none, in the place of `path`; each with a name."""

    def sparse(size):
        with open(path, "wb") as file:
            file.truncate(size)

    text = path.read_bytes().decode("latin-1")
    return {
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
        "endless zeros": lambda: path.symlink_to("/dev/zero"),
        "a terminal": lambda: path.symlink_to("/dev/tty"),
        "a loop of links": lambda: path.symlink_to(path.name),
        "a link to nothing": lambda: path.symlink_to("nothing"),
        "nothing": lambda: None,
        "10 GB of nothing": lambda: sparse(10**10),
        "UTF-16": lambda: path.write_text(text, "utf-16"),
        "with a mark": lambda: path.write_bytes(b"\xef\xbb\xbf" + text.encode("latin-1")),
        "of Windows": lambda: path.write_bytes(text.replace("\n", "\r\n").encode("latin-1")),
        "a field of 1 MB": lambda: path.write_bytes(b"A" * 2**20 + text.encode("latin-1")),
        "a hundred thousand brackets": lambda: path.write_bytes(b"[" * 10**5 + b"]" * 10**5),
    }


@pytest.mark.parametrize("name", HELD)
def test_files_that_are_none(child, name, tmp_path):
    reader, found = READERS[name], {}
    for number in range(13):
        folder = tmp_path / str(number)
        for place, data in reader.files().items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(data)
        path = folder / next(p for p in reader.files() if p.endswith(reader.damaged))
        kind, make = list(odd_files(path).items())[number]
        path.unlink()
        make()
        found[kind] = child.ask(reader=name, folder=str(folder))
        if path.is_file() and not path.is_symlink():
            path.unlink()
    assert {kind: each["why"] for kind, each in found.items() if each["outcome"] == "failed"} == {}


@pytest.mark.parametrize("name", MAIN)
def test_commands_say_one_line(name, tmp_path):
    """The real command, of a few damaged files: exit code 0 or 2, and no traceback."""
    code = (
        "import sys; from cryodl.cli.main import main\n"
        "for line in sys.stdin:\n"
        "    print(main(line.split('\\t')[:-1]), file=sys.stderr)\n"
    )
    lines = []
    for number in range(3):
        folder = tmp_path / str(number)
        damaged = write_input(folder, READERS[name], SEED, 1000 + number)
        # what is read in whole takes a network, and is not what is tested here
        (folder / damaged).write_bytes((folder / damaged).read_bytes()[:900])
        lines.append("\t".join(word.replace("{}", str(folder / damaged)) for word in MAIN[name]))
    done = subprocess.run(
        [sys.executable, "-c", code], input="".join(f"{line}\t\n" for line in lines), text=True,
        capture_output=True, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert "Traceback" not in done.stderr and set(said[1::2]) == {"2"}, done.stderr
    assert all(line.startswith("cryodl: ") and odd_words(line) is None for line in said[::2])
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.mrc").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", HELD)
def test_a_file_that_may_not_be_read(child, name, tmp_path):
    write_input(tmp_path, READERS[name], SEED, 0)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.chmod(0)
    found = child.ask(reader=name, folder=str(tmp_path))
    assert found["outcome"] != "failed", found["why"]


@pytest.mark.parametrize(
    "fault, why",
    {
        "another error": "KeyError", "control characters": "letter", "senseless": "Assertion",
        "endless": "more than", "greedy": " MB", "dead": "ended (-6)", "warning": "divide by zero",
        "unclosed": "unclosed file",
    }.items(),
)  # fmt: skip
def test_faults_would_be_found(child, fault, why, tmp_path):
    assert fault in FAULTS
    whys = [why]
    if fault == "endless":  # a thread of a library that was loaded may be what the alarm ends
        whys.append("the process ended (-11)")
    (tmp_path / "x.json").write_text("{}")
    found = child.ask(reader=f"fault: {fault}", folder=str(tmp_path), limit=0.2)
    assert found["outcome"] == "failed" and any(why in found["why"] for why in whys)
    assert child.ask(reader="table of maps", seed=SEED, number=0)["outcome"] != "failed"
