"""A batch on a real SLURM, which the test starts on this machine: one node, two jobs at a time."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("dask_jobqueue", reason="the extra [batch] is not installed")

from cryodl.tests.batch.half_map_table import write_pairs

pytestmark = pytest.mark.slurm
SCRIPT = Path(__file__).with_name("slurm.sh")
MAPS = 50


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    missing = [name for name in ("slurmctld", "slurmd", "sbatch", "munged")
               if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]  # fmt: skip
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: apt-get install slurm-wlm munge")
    if os.getuid():
        pytest.skip("SLURM is started by root alone")
    # its sockets have short names, and munge reads its folder as another user
    folder = Path(f"/run/cryodl-slurm-{os.getpid()}")
    try:
        subprocess.run(["bash", SCRIPT, "start", folder], check=True)
        monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        yield folder
    finally:
        subprocess.run(["bash", SCRIPT, "stop", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_fifty_maps_in_two_jobs_of_which_one_is_cancelled(slurm, tmp_path):
    table, _ = write_pairs(tmp_path, MAPS, "maps.csv")
    output = tmp_path / "out"
    jobs = "--scheduler slurm --workers 2 --memory 2GB --queue all --jobqueue walltime=00:10:00"
    call = ["batch", table, "-o", output, *jobs.split(), "fsc"]
    with subprocess.Popen([sys.executable, "-m", "cryodl", *map(str, call)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:  # fmt: skip
        while run.poll() is None and len(list(output.glob("rows/*.json"))) < MAPS // 3:
            time.sleep(0.1)
        subprocess.run(["scancel", "1"], check=True)  # as at a job's time limit
        print(run.communicate(timeout=500)[0])
    assert run.returncode == 0
    with open(output / "table.csv", encoding="utf-8") as file:
        assert [line["status"] for line in csv.DictReader(file)] == ["done"] * MAPS
    records = [json.loads(path.read_text("utf-8")) for path in output.glob("rows/*.json")]
    by_worker = {}
    for record in records:
        by_worker[record["worker"]] = by_worker.get(record["worker"], 0) + 1
    print("rows by worker:", by_worker)
    assert len(by_worker) == 3, "two jobs, and one in the place of that cancelled"
    said = (slurm / "slurmctld.log").read_text("utf-8")
    print(*(line for line in said.splitlines() if "JobId=" in line), sep="\n")
    assert said.count("sched: Allocate JobId=") == 3
    assert not (output / "jobs").stat().st_mode & 0o077, "certificates are the user's alone"
    left = subprocess.run(["squeue", "--noheader"], text=True, capture_output=True, check=True)
    assert not left.stdout, "jobs are ended with the batch"
