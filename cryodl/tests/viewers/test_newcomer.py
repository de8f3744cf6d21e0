"""A newcomer's path through the real window: no dead end, and less than three minutes.

Run it with -m slow; CRYODL_TEST_PICTURES keeps the pictures of its stations.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from cryodl.tests.viewers.newcomer import take_the_path

SECONDS = 180
NEEDED = ("Xvfb", "xdotool")
STATIONS = ("import", "form", "summary", "results", "colours", "export", "again")


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)), reason=f"{' or '.join(NEEDED)} is not installed"
)
@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)])
def test_from_import_to_the_workflow_that_runs_again(tmp_path, size):
    done = take_the_path(tmp_path, size)
    kept = os.environ.get("CRYODL_TEST_PICTURES")
    for picture in tmp_path.glob("*.png") if kept else ():
        shutil.copy(picture, Path(kept) / f"newcomer_{size[0]}_{picture.name}")
    assert done.returncode == 0, done.stderr[-2000:]
    times = json.loads((tmp_path / "times.json").read_text())
    assert tuple(times) == (*STATIONS, "all")
    assert times["all"] < SECONDS, times
    script = Path((tmp_path / "chimerax.txt").read_text().strip())
    said = script.read_text()
    assert "color sample" in said and "#0d0887" in said  # plasma, which was chosen
