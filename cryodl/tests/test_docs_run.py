"""The documentation runs: every block of code in the pages, in order, or it says why not.

The files that the pages name are those of a simulated experiment on a protein of 71 residues.
"""

import contextlib
import glob
import importlib.util
import inspect
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cryodl
from cryodl.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "cryodl" / "tests" / "data" / "1c75.pdb"
# seconds rather than minutes; the others are slow
FAST = {"README.rst"}


def load_blocks():
    spec = importlib.util.spec_from_file_location("docs_blocks", ROOT / "docs" / "blocks.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


READER = load_blocks()
PAGES = [ROOT / "README.rst", ROOT / "examples/README.rst", *sorted((ROOT / "docs").glob("*.rst"))]
BLOCKS = {page: list(READER.blocks(page)) for page in PAGES}
RUN = [
    pytest.param(
        page,
        id=str(page.relative_to(ROOT)),
        marks=() if page.relative_to(ROOT).name in FAST else pytest.mark.slow,
    )
    for page in PAGES
    if any(not block.not_run and not block.caption for block in BLOCKS[page])
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with what the pages call map.mrc, half1.mrc, model.cif and so on."""
    folder = tmp_path_factory.mktemp("files")
    cryodl.run_simulated_experiment(
        MODEL, 4.5, 1.5, output=folder / "made", seed=1, config={"box": 44}
    )
    halves = [cryodl.read_map(folder / "made" / f"half{n}.mrc") for n in (1, 2)]
    mean = halves[0].with_data((halves[0].data + halves[1].data) / 2)
    (folder / "maps").mkdir()
    for name in ("map", "a", "b", "final", "maps/first", "maps/second"):
        cryodl.write_map(folder / f"{name}.mrc", mean)
    for name, source in {
        "half1": "half1", "half2": "half2", "mask": "mask", "ligand_mask": "mask",
        "monoresResolutionMap": "snr", "resmap": "snr",
    }.items():  # fmt: skip
        shutil.copy(folder / "made" / f"{source}.mrc", folder / f"{name}.mrc")
    shutil.rmtree(folder / "made")
    for name in ("model.pdb", "models/1c75.pdb", "structures/1c75.pdb"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(MODEL, folder / name)
    (folder / "maps.tsv").write_text("file\tresolution_A\nmap.mrc\t4.0\na.mrc\t4.5\n", "utf-8")
    run = {"map": "map.mrc", "output": "out", "sharpen": "auto"}
    (folder / "run.json").write_text(json.dumps(run), "utf-8")
    (folder / "examples").mkdir()
    for path in (ROOT / "examples").glob("*.gz"):
        shutil.copy(path, folder / "examples")
    return folder


def make_room(name):
    if Path(name).is_dir():
        shutil.rmtree(name)
    else:
        Path(name).unlink(missing_ok=True)


def run_command(command):
    """Run `cryodl ...` here; what an alternative shown before has written makes room for it."""
    words = [
        found
        for word in READER.words(command)
        for found in (sorted(glob.glob(word)) if "*" in word else [word])
    ]
    if "-o" in words and "--overwrite" not in words:
        make_room(words[words.index("-o") + 1])
    if "--params" in words:
        params = Path(words[words.index("--params") + 1])
        make_room(json.loads(params.read_text("utf-8"))["output"])
    if "--json" in words:
        make_room(words[words.index("--json") + 1])
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(words)
    assert code == 0, f"{command}\n{said.getvalue()}"


@pytest.mark.parametrize("page", RUN)
def test_blocks_run(page, files, tmp_path, monkeypatch):
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for block in BLOCKS[page]:
        if block.not_run or block.caption:
            continue
        if block.language == "python":
            for name in re.findall(r'output="(.+?)"', block.text):
                make_room(name)
            exec(compile(block.text, f"{page.name}:{block.line}", "exec"), {})
            continue
        for command in block.commands:
            run_command(command)


def test_what_is_not_run_says_why_and_nothing_else_is_left_out():
    for page, found in BLOCKS.items():
        for block in found:
            where = f"{page.name}:{block.line}"
            if block.caption:
                assert page.name == "add_a_method.rst", f"{where}: who is to write this file?"
            elif block.not_run:
                assert len(block.not_run) > 10, f"{where}: say why it is not run"
                for path in re.findall(r"[\w.-]+(?:/[\w.-]+)+", block.not_run):
                    assert (ROOT / path).exists(), f"{where}: {path} is not there"
            elif block.language == "shell":
                for command in block.commands:
                    assert command.startswith("cryodl "), f"{where}: say why `{command}` is not run"
            else:
                assert block.language == "python", f"{where}: who is to run {block.language}?"


def steps(page=ROOT / "docs" / "command_to_file.rst"):
    """(module's file, function or class) of each row of the page's table."""
    return re.findall(r"^``(cryodl/\S+)`` +``(\w+)``", page.read_text("utf-8"), re.M)


@pytest.mark.slow
def test_from_the_command_to_the_file(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(files / "map.mrc", tmp_path)
    wanted = {(str(ROOT / module), name): (module, name) for module, name in steps()}
    met = []

    def note(frame, event, _):
        code = frame.f_code
        name = type(frame.f_locals["self"]).__name__ if "self" in frame.f_locals else code.co_name
        step = wanted.get((code.co_filename, name))
        of_a_class = not code.co_flags & inspect.CO_NEWLOCALS  # its body, which an import runs
        if event == "call" and step and step not in met and not of_a_class:
            met.append(step)

    sys.setprofile(note)
    try:
        run_command("cryodl localres map.mrc -o out")
    finally:
        sys.setprofile(None)
    assert met == steps() and len(met) == len({module for module, _ in met}) <= 8


@pytest.mark.slow
def test_pages_build_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    words = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(ROOT / "docs")]
    done = subprocess.run([sys.executable, *words, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
