"""Whatever is killed in a batch, the next call ends it as if nothing had been."""

import csv
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("distributed", reason="the extra [batch] is not installed")

import psutil

from cryodl.batch.cluster import cluster_client
from cryodl.batch.rows import read_rows
from cryodl.batch.run import outcomes
from cryodl.batch.worker import Job
from cryodl.tests.batch.half_map_table import write_pairs

pytestmark = pytest.mark.slow
PAIRS, KILLS = 16, 10


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of half maps of a ball, of which one pair is damaged."""
    folder = tmp_path_factory.mktemp("maps")
    place, paths = write_pairs(folder, PAIRS, "table.csv")
    paths[0].write_bytes(paths[0].read_bytes()[:5000])
    return place


def begin(table, output, *more):
    call = ["batch", table, "-o", output, "--workers", "2", *more, "fsc"]
    return subprocess.Popen([sys.executable, "-m", "cryodl", *map(str, call)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            start_new_session=True, preexec_fn=_heed_ctrl_c)  # fmt: skip


def _heed_ctrl_c():
    """Also where the tests run in the background of a shell, which has its children ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def rows(output):
    """Lines of a batch's table, without what differs from one run to the next."""
    with open(output / "table.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return [{k: re.sub(r"[\d.]+ s$", "", v) for k, v in x.items() if k != "seconds"} for x in lines]


@pytest.fixture(scope="module")
def undisturbed(table, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed")
    with begin(table, output) as run:
        said = run.communicate()[0]
    assert run.returncode == 3, said
    found = rows(output)
    assert sum(line["status"] == "done" for line in found) == PAIRS - 1
    return found


def in_the_middle(run, output, rng):
    """Wait until some row is judged, and then until some moment while others are."""
    while run.poll() is None and not any((output / "rows").glob("*.json")):
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 1.5))


def worker_of(run):
    """A process that judges rows for a coordinator."""
    own = [p for p in psutil.Process(run.pid).children() if "spawn_main" in " ".join(p.cmdline())]
    return random.choice(own)


@pytest.mark.parametrize("victim", ["worker", "coordinator"])
def test_killed_at_any_moment(table, undisturbed, tmp_path, victim):
    rng, hits = random.Random(0), 0
    for number in range(KILLS):
        output = tmp_path / str(number)
        with begin(table, output) as run:
            in_the_middle(run, output, rng)
            if run.poll() is None:
                os.kill(run.pid if victim == "coordinator" else worker_of(run).pid, signal.SIGKILL)
                hits += 1
            first = run.communicate()[0]
        assert run.returncode == {"worker": 3, "coordinator": -signal.SIGKILL}[victim], first
        done_before = {path: path.stat().st_mtime for path in output.glob("rows/*.json")}
        with begin(table, output) as run:
            said = run.communicate()[0]
        assert run.returncode == 3, said
        assert rows(output) == undisturbed
        again = [p for p, when in done_before.items() if p.stat().st_mtime != when]
        assert len(again) <= 1, f"only the row that fails is judged again; first: {first}"
    assert hits == KILLS


@contextmanager
def dask(*call):
    program = [sys.executable, "-m", "dask", *map(str, call)]
    run = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield run
    finally:
        run.kill()
        run.wait()


@contextmanager
def running(folder):
    """A Dask of this machine: its scheduler's process and address."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    local = ("--host", "127.0.0.1", "--no-dashboard")
    with dask("scheduler", *local, "--port", 0, "--scheduler-file", file) as scheduler:
        workers = ("--nworkers", 2, "--nthreads", 1, "--death-timeout", 20)
        with dask("worker", *local, *workers, "--scheduler-file", file):
            while not (file.exists() and "tcp://" in file.read_text("utf-8")):
                time.sleep(0.05)
            yield scheduler, re.search(r"tcp://[\d.:]+", file.read_text("utf-8"))[0]


def test_scheduler_killed_at_any_moment(table, undisturbed, tmp_path):
    rng, hits = random.Random(0), 0
    for number in range(KILLS):
        output = tmp_path / str(number)
        with running(tmp_path) as (scheduler, address):
            with begin(table, output, "--scheduler", address) as run:
                in_the_middle(run, output, rng)
                if run.poll() is None:
                    scheduler.kill()
                    hits += 1
                said = run.communicate()[0]
            assert run.returncode == 2 and said.count("the same command goes on") == 1, said
        with running(tmp_path) as (_, address):
            with begin(table, output, "--scheduler", address) as run:
                said = run.communicate()[0]
        assert run.returncode == 3, said
        assert rows(output) == undisturbed
    assert hits == KILLS


def deadly(job):
    """Ends its worker at the third row, as a system does where memory runs out."""
    if job.row.name == "m2_1":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.3)  # so that others wait behind it
    return {"name": job.row.name, "status": "done", "error": None}


def test_a_row_that_kills_its_workers_is_tried_twice_and_has_its_line(table, tmp_path):
    words = {"gpus": None, "cores": 1, "memory": "", "queue": None, "jobqueue": None}
    (tmp_path / "rows").mkdir()
    jobs = [Job(row, str(tmp_path), "", "", {}) for row in read_rows(table, ["fsc"])]
    with cluster_client("local", tmp_path, workers=2, **words) as (client, _):
        found = {one["name"]: one for one in outcomes(client, deadly, jobs, 24)}
    assert len(found) == PAIRS
    assert [name for name, one in found.items() if one["status"] == "failed"] == ["m2_1"]
    assert "its worker was killed, twice" in found["m2_1"]["error"]
    assert (tmp_path / "rows" / "m2_1.json").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_told_to_stop_at_any_moment(table, undisturbed, tmp_path, number, code):
    """While workers begin, rows are judged or tables written; as a terminal tells all processes of
    a command, or `kill` one."""
    rng, output, seconds, stopped = random.Random(number), tmp_path / "out", 10.0, 0
    for moment in range(KILLS):
        start, run = time.monotonic(), begin(table, output)
        first = run.stdout.readline()  # it has read the command by now
        time.sleep(rng.uniform(0, seconds * (KILLS - moment) / KILLS))
        own = psutil.Process(run.pid).children(recursive=True)
        (os.killpg if moment % 2 else os.kill)(run.pid, number)
        said = first + run.communicate(timeout=100)[0]
        assert "Traceback" not in said and not psutil.wait_procs(own, timeout=20)[1], said
        assert not list(output.rglob("*.part"))
        if run.returncode == code:
            last = r"ed; (\d+ of 16 rows are done.*: the same command goes on|nothing was written)"
            early = said == first and number == signal.SIGTERM  # while it reads the table
            assert early or re.search(last, said.splitlines()[-1]), said
            stopped += 1
        else:  # it had ended before
            assert run.returncode in (3, -number) and "wrote " in said, said
            seconds = time.monotonic() - start
        if (output / "table.csv").exists() and moment % 3 == 2:
            shutil.rmtree(output)
    assert stopped > KILLS // 2
    with begin(table, output) as run:
        run.communicate()
    assert rows(output) == undisturbed
