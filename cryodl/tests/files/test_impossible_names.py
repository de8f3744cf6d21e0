"""Links in a circle, names that no file can have, and numbers beyond all: one line each."""

import json
import os

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import OutputError
from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume
from cryodl.methods.fsc import run_fsc


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
