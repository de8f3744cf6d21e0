"""Links in a circle, names that no file can have, and numbers beyond all: one line each."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import OutputError
from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume
from cryodl.methods.fsc import run_fsc

MODEL = Path(__file__).parents[1] / "data" / "1c75.pdb"
AS_OTHERS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    values = np.random.default_rng(0).uniform(5, 8, size=(2, 16, 16, 16))
    for name, data in zip(("a.mrc", "b.mrc"), values):
        write_map(name, Volume(data, 2.0))
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "fsc a.mrc b.mrc -o loop",
        "fsc loop b.mrc -o out",
        "fsc a.mrc b.mrc --mask loop -o out",
        "compare a.mrc loop -o out",
        "import a.mrc --map loop -o out",
        "import loop --map a.mrc -o out",
        "mask loop -o m.mrc",
        "mask a.mrc -o loop",
        "experiments loop -o out",
        "experiments . -o loop",
    ],
)
def test_links_in_a_circle_lead_nowhere(here, capsys, words):
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert "loop" in said and said.count("\n") == 1
    assert not os.path.lexists("out") and os.path.islink("loop")


@pytest.mark.parametrize("name", ["x\0y", "\ud800"])
@pytest.mark.parametrize("key", ["output", "half1", "mask"])
def test_names_that_no_file_can_have(here, capsys, key, name):
    values = {"half1": "a.mrc", "half2": "b.mrc", "output": "out", key: name}
    (here / "p.json").write_text(json.dumps(values))
    assert main(["fsc", "--params", "p.json"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(OutputError, match="no file can be named"):
        run_fsc("a.mrc", "b.mrc", output=name)
    assert not os.path.lexists("out")


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "1.5"])
def test_numbers_that_are_not_whole(here, capsys, number):
    (here / "p.json").write_text(f'{{"threads": {number}}}')
    assert main(["fsc", "a.mrc", "b.mrc", "--params", "p.json", "-o", "out"]) == 2
    assert "give a whole number" in capsys.readouterr().err


@pytest.mark.skipif(bool(AS_OTHERS) and not shutil.which("setpriv"), reason="root enters all")
def test_folders_that_may_not_be_entered(here):
    closed = here / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        for words, said in [
            ("mask a.mrc -o closed/m.mrc", "folder closed may not be written to"),
            ("fsc closed/a.mrc b.mrc -o out", "cannot read 'closed/a.mrc': Permission denied"),
            ("fsc a.mrc b.mrc -o closed", "cannot write to closed: Permission denied"),
            ("localres a.mrc --bundle closed -o out", "bundle closed may not be read"),
            ("experiments closed -o out", "cannot read closed: Permission denied"),
            (
                "simulate closed/x.cif --resolution 8 --voxel-size 3 -o s",
                "cannot read closed/x.cif: Permission denied",
            ),
        ]:
            command = [*AS_OTHERS, sys.executable, "-m", "cryodl", *words.split()]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
            assert said in done.stderr
    finally:
        closed.chmod(0o700)


def test_an_empty_model_holds_no_atoms(here, capsys):
    (here / "empty.cif").touch()
    assert main(["quality", "a.mrc", "empty.cif", "-o", "out"]) == 2
    assert "'empty.cif' holds no atoms: give a PDB" in capsys.readouterr().err


def test_maps_of_a_model_are_written_all_or_none(here, capsys):
    words = ["simulate", str(MODEL), "--resolution", "8", "--voxel-size", "3"]
    assert main([*words, "-o", "s.mrc.gz", "--truth", "t.mrc"]) == 0
    small, large = (os.path.getsize(name) for name in ("s.mrc.gz", "t.mrc"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((small + large) // 2, before[1]))
    try:
        code = main([*words, "-o", "u.mrc.gz", "--truth", "v.mrc"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 2 and "cannot write v.mrc" in capsys.readouterr().err
    assert not [name for name in os.listdir() if name[0] in ".uv"]
