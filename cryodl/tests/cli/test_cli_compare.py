"""`cryodl compare`: what it writes, and one clear line for everything that can be wrong."""

import csv
import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.methods.compare import default_names

SHAPE = (28, 30, 32)
OUTPUTS = {
    "consensus.mrc", "disagreement.mrc", "mask.mrc", "comparison.csv", "stats.json",
    "histograms.png", "histograms.svg", "slices.png",
}  # fmt: skip


def write(path, data, voxel_size=1.1, origin=(0, 0, 0)):
    path.parent.mkdir(exist_ok=True)
    with mrcfile.new(path, data.astype(np.float32), overwrite=True) as file:
        file.voxel_size = voxel_size
        file.header.origin = origin
    return path


def read(path):
    with mrcfile.open(path) as file:
        return file.data.copy(), file.header.origin.tolist()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    z, y, x = (i - n / 2 for i, n in zip(np.indices(SHAPE), SHAPE))
    inside = z**2 + y**2 + x**2 < 9**2
    rng = np.random.default_rng(0)
    resolution = rng.uniform(3, 6, SHAPE)
    write(folder / "map.mrc", inside * (2 + rng.normal(size=SHAPE)), origin=(5, 6, 7))
    write(folder / "monores.mrc", np.where(inside, resolution, 0))
    write(folder / "resmap.mrc", np.where(inside, np.round(resolution * 2) / 2, 100))
    write(folder / "ours" / "resolution.mrc", np.where(inside, resolution + 0.5, 0))
    write(folder / "other.mrc", rng.uniform(3, 6, (9, 9, 9)))
    return folder, resolution, inside


def test_all_is_written_on_the_maps_grid(inputs, tmp_path, capsys):
    folder, resolution, inside = inputs
    out = tmp_path / "out"
    maps = [folder / name for name in ("monores.mrc", "resmap.mrc", "ours")]
    more = ["--map", folder / "map.mrc", "--claimed", "4"]
    assert main(["compare", *maps, "-o", out, *more]) == 0
    assert {path.name for path in out.iterdir()} == OUTPUTS | {"view.cxc"}
    consensus, origin = read(out / "consensus.mrc")
    assert origin == (5, 6, 7)
    stepped = np.round(resolution * 2) / 2
    expected = np.where(inside, np.median([resolution, stepped, resolution + 0.5], axis=0), 0)
    np.testing.assert_allclose(consensus, expected, atol=1e-5)
    span = np.ptp([resolution, stepped, resolution + 0.5], axis=0)
    np.testing.assert_allclose(read(out / "disagreement.mrc")[0], span * inside, atol=1e-5)
    np.testing.assert_array_equal(read(out / "mask.mrc")[0] > 0, inside)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in stats["maps"]] == ["monores", "resmap", "ours"]
    assert len(stats["pairs"]) == 3 and stats["method"] == "compare"
    with open(out / "comparison.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["map"] for row in rows[::2]] == ["monores", "resmap", "ours"]
    ours = rows[5]
    assert ours["region"] == "common mask" and int(ours["voxels"]) == inside.sum()
    assert float(ours["median"]) == pytest.approx(np.median(resolution[inside]) + 0.5, abs=1e-3)
    assert float(ours["p97.5"]) > float(ours["p50"]) > float(ours["p2.5"])
    share = 100 * (resolution[inside] + 0.5 < 4).mean()
    assert float(ours["claimed_percentile"]) == pytest.approx(share, abs=0.2)
    printed = capsys.readouterr().out
    assert "ours - monores: +0.50 Å, rank correlation 1.00" in printed


def test_without_a_map_the_first_gives_the_grid(inputs, tmp_path):
    folder, out = inputs[0], tmp_path / "out"
    maps = [folder / "resmap.mrc", folder / "monores.mrc"]
    names = ["--name", "ResMap", "--name", "MonoRes"]
    assert main(["compare", *maps, *names, "--voxel-size", "1.3", "-o", out]) == 0
    assert {path.name for path in out.iterdir()} == OUTPUTS
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in stats["maps"]] == ["ResMap", "MonoRes"]
    assert stats["voxel_size"] == pytest.approx(1.3)


def test_parameters_can_come_from_a_file(inputs, tmp_path):
    folder = inputs[0]
    given = {"res": [str(folder / "monores.mrc"), str(folder / "ours")], "name": ["a", "b"]}
    params = tmp_path / "run.json"
    params.write_text(json.dumps({**given, "output": str(tmp_path / "out"), "claimed": None}))
    assert main(["compare", "--params", params]) == 0
    stats = json.loads((tmp_path / "out" / "stats.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in stats["maps"]] == ["a", "b"]


def test_chains_of_a_model_have_their_own_lines(inputs, tmp_path):
    folder, resolution, inside = inputs
    line = "ATOM  {:5d}  CA  ALA {}{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00 20.00           C\n"
    model = tmp_path / "model.pdb"
    middle = [5 + 17.6, 6 + 16.5, 7 + 15.4]  # of the ball, where the map's origin puts it
    atoms = [
        line.format(1, chain, 1, middle[0] + shift, *middle[1:])
        for chain, shift in (("A", -4), ("B", 4))
    ]
    model.write_text("".join(atoms) + "END\n")
    maps = [folder / "monores.mrc", folder / "ours", "--map", folder / "map.mrc"]
    assert main(["compare", *maps, "--model", model, "-o", tmp_path / "out"]) == 0
    with open(tmp_path / "out" / "comparison.csv", encoding="utf-8") as file:
        rows = {(r["map"], r["region"]): r for r in csv.DictReader(file)}
    voxels = 4 / 3 * np.pi * (3 / 1.1) ** 3
    for chain in ("chain A", "chain B"):
        assert int(rows["ours", chain]["voxels"]) == pytest.approx(voxels, rel=0.2)
        medians = [float(rows[name, chain]["median"]) for name in ("ours", "monores")]
        assert medians[0] - medians[1] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["monores.mrc"], "two or more"),
        (["monores.mrc", "map.mrc"], "looks like a density"),
        (["monores.mrc", "absent.mrc"], "no such file"),
        (["monores.mrc", "other.mrc"], "boxes differ"),
        (["monores.mrc", "resmap.mrc", "--name", "a"], "different names"),
        (["monores.mrc", "resmap.mrc", "--claimed", "-3"], "claimed"),
        (["monores.mrc", "resmap.mrc", "--model", "absent.pdb"], "no such file"),
        (["monores.mrc", "resmap.mrc", "--palette", "grey"], "palette"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(inputs, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(inputs[0])
    assert main(["compare", *arguments, "-o", tmp_path / "out"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("cryodl: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_names_are_short_and_different():
    paths = [Path("a/mono.mrc.gz"), Path("b/mono.map"), "run1/resolution.mrc", "run2", "x.mrc"]
    assert default_names(paths) == ["a/mono", "b/mono", "run1", "run2", "x"]
    assert default_names(["x.mrc", "x.mrc"])[0] != default_names(["x.mrc", "x.mrc"])[1]
