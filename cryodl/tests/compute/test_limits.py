"""Little memory, few threads: one line that names the limit, exit code 2, and an end."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cryodl.compute import parallel as threads
from cryodl.errors import CryodlError, SettingError, is_shortage

EXAMPLE = Path(__file__).parents[3] / "examples" / "emd_3186.map.gz"
COMMANDS = {
    "localres": ["localres", "{map}", "-o", "{out}"],
    "classify": ["classify", "{map}"],
    "enhance": ["enhance", "{map}", "-o", "{out}", "--model", "tight"],
    "fsc": ["fsc", "{map}", "{map}", "-o", "{out}"],
}
# As a user whose processes are counted; those of root are not.
AS_NOBODY = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=+dac_override",
             "--ambient-caps=+dac_override"]  # fmt: skip

pytestmark = pytest.mark.skipif(
    not shutil.which("prlimit"), reason="prlimit, which sets limits, is not installed"
)


def run(before, name, out, *more):
    words = [word.format(map=EXAMPLE, out=out) for word in COMMANDS[name]]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    for variable in ("KERAS_BACKEND", "OMP_NUM_THREADS"):
        environment.pop(variable, None)
    done = subprocess.run(
        [*before, sys.executable, "-m", "cryodl", *words, *more],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.strip().splitlines()


@pytest.mark.parametrize("name", COMMANDS)
def test_without_room_for_the_libraries(name, tmp_path):
    code, lines = run(["prlimit", "--as=300000000"], name, tmp_path / "out")
    assert code == 2 and len(lines) == 1, lines
    assert lines[0].startswith("cryodl: not enough memory") and "ulimit -v" in lines[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "megabytes"),
    [("localres", 600), ("classify", 1200), ("fsc", 450)]
    + [pytest.param(name, limit, marks=pytest.mark.slow)
       for name in COMMANDS for limit in (350, 400, 500, 600, 700, 800, 900, 1100, 1200, 1400,
                                          1600, 2000, 4000)],
)  # fmt: skip
def test_with_little_memory(name, megabytes, tmp_path):
    """It ends well where the limit is wide enough, and else in one line that names it."""
    code, lines = run(["prlimit", f"--as={megabytes}000000"], name, tmp_path / "out")
    if code == 0:
        assert megabytes > (400 if name == "fsc" else 1200)
        return
    assert code == 2 and len(lines) == 1, lines
    assert "memory" in lines[0] and "ulimit -v" in lines[0]
    assert megabytes < 4000 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["localres", "fsc"])
@pytest.mark.parametrize("most", [4, 8])
def test_without_threads(most, name, tmp_path):
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("limits of root's processes are not kept, and setpriv is not installed")
    before = ["prlimit", f"--nproc={most}", *(AS_NOBODY if os.getuid() == 0 else [])]
    code, lines = run(before, name, tmp_path / "out")
    assert code == 2 and len(lines) == 1, lines
    assert lines[0].startswith("cryodl: not enough threads") and "ulimit -u" in lines[0]


def test_threads_are_tried_where_there_is_a_limit_alone(tmp_path, monkeypatch):
    started = []

    class Refused(threads.threading.Thread):
        def start(self):
            if len(started) == 3:
                raise RuntimeError("can't start new thread")
            started.append(self)
            super().start()

    monkeypatch.setattr(threads.threading, "Thread", Refused)
    monkeypatch.setattr(threads, "_most_threads", lambda: float("inf"))
    threads.check_threads(2)
    assert not started
    (tmp_path / "pids.max").write_text("20\n")
    monkeypatch.undo()
    monkeypatch.setattr(threads, "PIDS", tmp_path / "pids.max")
    assert threads._most_threads() <= 20
    monkeypatch.setattr(threads.threading, "Thread", Refused)
    with pytest.raises(SettingError, match="may start 3 more, and needs 11 on 2 processor cores"):
        threads.check_threads(2)
    assert not any(thread.is_alive() for thread in started)


def test_many_more_threads_than_cores_are_refused_before_any_is_started(monkeypatch, capsys):
    from cryodl.cli.main import main

    def refused(*given, **named):
        raise AssertionError("a thread was made")

    monkeypatch.setattr(threads, "_most_threads", lambda: 1)
    monkeypatch.setattr(threads.threading, "Thread", refused)
    assert main(["localres", "map.mrc", "-o", "out", "--threads", "100000"]) == 2
    assert "100000 threads are asked for, and this machine has" in capsys.readouterr().err
    monkeypatch.setenv("CRYODL_THREADS", "100000")
    with pytest.raises(SettingError, match="100000 threads are asked for"):
        threads.check_threads()
    monkeypatch.undo()
    threads.check_threads(64)


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("Check 'ptr' failed\nFailed to allocate 27955200 bytes of memory\n"), True),
        (ImportError("libopenblas.so: failed to map segment from shared object"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("a bug"), False),
        (CryodlError("failed to allocate"), False),
    ],
)
def test_what_libraries_say_of_it(error, is_one, tmp_path, monkeypatch, capsys):
    from cryodl.cli.main import main
    from cryodl.methods import fsc

    assert is_shortage(error) == is_one

    def fails(half1, half2, **options):
        raise error

    monkeypatch.setattr(fsc, "run_fsc", fails)
    words = ["fsc", "a.mrc", "b.mrc", "-o", str(tmp_path / "out")]
    if isinstance(error, CryodlError) or is_one:
        assert main(words) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    else:
        with pytest.raises(RuntimeError, match="a bug"):
            main(words)
