"""Background processes end with the one that began them, and what was finished is told and kept."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cryodl.compute.parallel import Workers
from cryodl.simulation.structure import Structure, pack_structures

PARENT = """
import sys
from cryodl.compute.parallel import Workers
from cryodl.tests.compute.test_workers import sleep
if __name__ == "__main__":
    workers = Workers(2)
    jobs = [workers.submit(sleep, folder) for folder in (sys.argv[1], sys.argv[1])]
    print(len([job.result() for job in jobs]))
"""


def sleep(folder):
    """Leave one's number in a folder, and work on."""
    open(os.path.join(folder, str(os.getpid())), "w").close()
    time.sleep(600)


def double(number):
    return 2 * number


def wait_for(what, seconds=300):
    """Until something is so; nothing is measured."""
    for _ in range(20 * seconds):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


def runs(process):
    """Whether a process is there and is no zombie."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_workers_end_with_their_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    (tmp_path / "pids").mkdir()
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path / "pids"], stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        wait_for(lambda: len(os.listdir(tmp_path / "pids")) == 2)
        workers = [int(name) for name in os.listdir(tmp_path / "pids")]
        assert all(map(runs, workers))
        parent.send_signal(signal.SIGKILL)
        parent.wait(60)
        wait_for(lambda: not any(map(runs, workers)))
    finally:
        parent.kill()


def test_workers_answer_and_close_in_the_middle_of_work(tmp_path):
    with Workers(2) as workers:
        assert list(workers.map(double, range(5))) == [0, 2, 4, 6, 8]
        workers.submit(sleep, str(tmp_path))
        wait_for(lambda: os.listdir(tmp_path))
    (worker,) = os.listdir(tmp_path)
    wait_for(lambda: not runs(worker))


BUSY = """
import signal
from cryodl.compute.parallel import Workers
from cryodl.tests.compute.test_workers import double
if __name__ == "__main__":
    with Workers(3) as workers:
        numbers = workers.map(double, range(9))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("begun", flush=True)
        print(list(numbers))
"""


def test_ctrl_c_while_workers_begin_is_for_their_parent_alone(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(BUSY)
    run = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert run.stdout.readline() == "begun\n"
    for _ in range(20):  # a terminal sends it to all processes of the command
        time.sleep(0.01)
        os.killpg(run.pid, signal.SIGINT)
    said, error = run.communicate(timeout=300)
    assert (said, error) == (f"{[2 * i for i in range(9)]}\n", "")


def large(number):
    return bytes(3 * 10**7)


CLOSING = """
from cryodl.compute.parallel import Workers
from cryodl.tests.compute.test_workers import large
if __name__ == "__main__":
    workers = Workers(2)
    jobs = [workers.submit(large, i) for i in range(100)]
    jobs[0].result()
    workers.close()
"""


def test_workers_that_are_closed_while_they_answer_hold_up_nobody(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(CLOSING)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, script], env=environment, check=True, timeout=300)


def structure(seed):
    rng = np.random.default_rng(seed)
    atoms = 1200
    positions = rng.normal(size=(atoms, 3))
    positions *= 10 * rng.random((atoms, 1)) ** (1 / 3) / np.linalg.norm(positions, axis=1)[:, None]
    return Structure(positions.astype(np.float32), np.full(atoms, 6, np.uint8),
                     np.zeros(atoms, np.int32), f"ball{seed}")  # fmt: skip


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupted_set_says_what_it_keeps(tmp_path, workers):
    pack_structures([structure(0)], tmp_path / "models.npz")
    out = tmp_path / "set"
    words = [tmp_path / "models.npz", "-o", out, "--count", "40", "--workers", workers]
    run = subprocess.Popen(
        [sys.executable, "-m", "cryodl", "experiments", *words], text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # deaf in the background
    )  # fmt: skip
    # one that is finished: what is still being written has a hidden name
    wait_for(lambda: list(out.glob("[!.]*/experiment.json")))
    run.send_signal(signal.SIGINT)
    error = run.communicate(timeout=300)[1]
    kept = len(list(out.glob("*/experiment.json")))
    assert run.returncode == 130 and 1 <= kept < 40
    assert f"interrupted; {kept} of 40 experiments are kept in {out}" in error


def test_streams_close_their_workers(tmp_path):
    pytest.importorskip("keras")
    from cryodl.methods.deepres.samples import BoxStream
    from cryodl.training.stream import SampleStream

    for stream in (BoxStream([], {"atoms": 1}, 0), SampleStream(double, [1], 0)):
        stream._pool.submit(sleep, str(tmp_path))
        wait_for(lambda: os.listdir(tmp_path))
        stream.close()
        (worker,) = os.listdir(tmp_path)
        wait_for(lambda number=worker: not runs(number))
        os.remove(tmp_path / worker)
