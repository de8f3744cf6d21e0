"""What is written is never what is read, nor what is no file, nor what no map can hold."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from cryodl.cli import classify
from cryodl.cli.main import main
from cryodl.errors import OutputError
from cryodl.files.places import check_file
from cryodl.maps.mrc import read_map, write_map
from cryodl.maps.volume import Volume

MODEL = Path(__file__).parents[1] / "data" / "1c75.pdb"
SIMULATE = ["simulate", str(MODEL), "--resolution", "8", "--voxel-size", "3"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = np.random.default_rng(0).normal(size=(24, 24, 24)).astype(np.float32)
    write_map("map.mrc", Volume(data, 2.0))
    os.link("map.mrc", "link.mrc")
    Path("t.tsv").write_text("file\tclaimed\nmap.mrc\t7.0\n")
    Path("p.json").write_text(json.dumps({"overwrite": True}))
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["classify", "map.mrc", "--json", "map.mrc", "--overwrite"],
        ["classify", "map.mrc", "--json", "link.mrc", "--overwrite"],
        ["classify", "--table", "t.tsv", "--json", "t.tsv", "--overwrite"],
        ["classify", "map.mrc", "--params", "p.json", "--json", "p.json", "--overwrite"],
        ["mask", "map.mrc", "--params", "p.json", "-o", "p.json", "--overwrite"],
        [*SIMULATE, "--params", "p.json", "-o", "p.json", "--overwrite"],
        [*SIMULATE, "--params", "p.json", "-o", "m.mrc", "--truth", "p.json", "--overwrite"],
    ],
)
def test_what_is_read_is_not_written_over(here, capsys, words):
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    assert main(words) == 2
    assert "is what is read: give another name" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ("out/quality/model.cif", ["report", "map.mrc", "--model", "READ"]),
        ("out/cryores/resolution.mrc", ["report", "map.mrc", "--resolution-map", "READ"]),
        ("out/model.cif", ["quality", "map.mrc", "READ"]),
        ("out/fixed/a.mrc", ["preflight", "READ", "--half1", "a", "--half2", "b", "--fix"]),
    ],
)
def test_that_is_said_before_anything_is_read_or_computed(here, capsys, read, words):
    Path(read).parent.mkdir(parents=True)
    Path(read).write_text("what cannot be read as anything")
    words = [read if word == "READ" else word for word in words]
    assert main([*words, "-o", "out", "--overwrite"]) == 2
    said = f"{read} is what is read: give another folder for what is written"
    assert capsys.readouterr().err == f"cryodl: {said}\n"


@pytest.mark.parametrize("command", [["classify", "map.mrc", "--json"], ["mask", "map.mrc", "-o"]])
def test_a_pipe_is_not_replaced_by_a_file(here, capsys, command):
    os.mkfifo("pipe")
    assert main([*command, "pipe", "--overwrite"]) == 2
    assert "pipe is a pipe or a device: give the name of a file" in capsys.readouterr().err
    assert not Path("pipe").is_file()


def test_a_verdict_is_told_though_its_file_cannot_be_written(here, capsys, monkeypatch):
    answer = {"map": "map.mrc", "probabilities": {"high": 1.0}, "class": "high", "resolution": 3.0,
              "interval": [2.5, 4.0], "verdict": None}  # fmt: skip

    def classify_maps(*_, judged, **__):
        judged(answer)
        return [answer]

    monkeypatch.setattr("cryodl.methods.resolution_class.run.classify_maps", classify_maps)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cryodl.files.record.write_json", full)
    assert classify  # which looks both up when it runs
    assert main(["classify", "map.mrc", "--json", "x.json"]) == 2
    told = capsys.readouterr()
    assert "map.mrc: high (high 100 %); 3.0 Å" in told.out
    assert "cannot write x.json: No space left on device" in told.err


@pytest.mark.parametrize(
    "words, said",
    [
        (["--blur", "nan"], "--blur=nan is not finite"),
        (["--blur=-1e4"], "beyond what a map can hold"),
        (["--noise", "1e39"], "beyond what a map can hold"),
        (["--b-factor", "1e308"], "is not between 0 and 100000 Å²"),
        (["--seed=-1"], "--seed=-1 is not a whole number from 0 up"),
    ],
)
def test_a_simulated_map_holds_numbers(here, capsys, words, said):
    assert main([*SIMULATE, "-o", "m.mrc", *words]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
    assert not Path("m.mrc").exists()


def test_a_large_b_factor_is_still_a_map(here):
    assert main([*SIMULATE, "-o", "m.mrc", "--b-factor", "1000"]) == 0
    assert np.isfinite(read_map("m.mrc").data).all()


@pytest.mark.parametrize("name", ["new/", "there"])
def test_a_file_is_not_written_where_a_folder_is_named(tmp_path, name):
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match=f"{name} is a folder: give the name of a file"):
        check_file(f"{tmp_path}/{name}", False)


def test_a_link_to_nothing_is_refused_at_the_start(here, capsys):
    os.symlink("nowhere.mrc", "dangling.mrc")
    for more in ([], ["--overwrite"]):
        assert main(["mask", "map.mrc", "-o", "dangling.mrc", *more]) == 2
        assert "dangling.mrc is a link to nowhere.mrc, which is not" in capsys.readouterr().err
    with pytest.raises(OutputError, match="is a link to nowhere.mrc"):
        write_map("dangling.mrc", read_map("map.mrc"))
    assert not Path("nowhere.mrc").exists() and os.path.islink("dangling.mrc")


def test_the_target_of_a_link_is_what_is_replaced(here):
    (here / "disk").mkdir()
    Path("disk/old.mrc").write_text("old")
    os.symlink("disk/old.mrc", "out.mrc")
    write_map("out.mrc", read_map("map.mrc"), overwrite=True)
    assert os.path.islink("out.mrc") and os.listdir("disk") == ["old.mrc"]
    assert np.array_equal(read_map("disk/old.mrc").data, read_map("map.mrc").data)
