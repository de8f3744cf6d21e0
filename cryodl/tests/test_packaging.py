"""What is distributed is complete: the sources with their tests, and the wheel with its data."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked():
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no repository, or git is not installed")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return set(listed.stdout.decode().split("\0")) - {"", ".gitignore"}


@pytest.mark.slow
def test_distributions_are_complete(tmp_path):
    pytest.importorskip("setuptools")
    pytest.importorskip("wheel")
    files = tracked()
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    make = [sys.executable, "-W", "ignore", "setup.py", "-q", "sdist", "bdist_wheel"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    [sdist] = (tmp_path / "dist").glob("*.tar.gz")
    [wheel] = (tmp_path / "dist").glob("*.whl")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert files <= held, f"not in the source distribution: {sorted(files - held)}"
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    used = {n for n in files if n.startswith("cryodl/") and not n.startswith("cryodl/tests/")}
    assert used <= held, f"not in the wheel: {sorted(used - held)}"
