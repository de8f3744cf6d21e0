"""`cryodl import`: what it writes for maps of other packages, and what it refuses."""

import json
import warnings

import mrcfile
import numpy as np
import pytest

from cryodl.cli.main import main

ORIGIN = (5.0, 6.0, 7.0)


def write(path, data, voxel_size=1.1, origin=(0, 0, 0)):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mrcfile warns of NaN
        with mrcfile.new(path, data.astype(np.float32), overwrite=True) as file:
            file.voxel_size = voxel_size
            file.header.origin = origin
    return path


def read(path):
    with mrcfile.open(path) as file:
        return file.data.copy(), float(file.voxel_size.x), file.header.origin.tolist()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    shape = (28, 30, 32)
    z, y, x = (i - n / 2 for i, n in zip(np.indices(shape), shape))
    inside = z**2 + y**2 + x**2 < 9**2
    rng = np.random.default_rng(0)
    resolution = rng.uniform(3, 6, shape)
    write(folder / "map.mrc", inside * (2 + rng.normal(size=shape)), origin=ORIGIN)
    for name, fill in (("monores", 0), ("resmap", 100), ("nan", np.nan)):
        write(folder / f"{name}.mrc", np.where(inside, resolution, fill))
    write(folder / "blocres.mrc", np.where(inside, resolution, 4.5), voxel_size=0)
    write(folder / "everywhere.mrc", resolution)
    write(folder / "mask.mrc", inside)
    return folder, np.where(inside, resolution, 0).astype(np.float32), inside


@pytest.mark.parametrize("name", ["monores", "resmap", "blocres", "nan"])
def test_every_package_gives_the_same_folder(inputs, tmp_path, name, capsys):
    folder, resolution, inside = inputs
    out = tmp_path / "out"
    assert main(["import", folder / f"{name}.mrc", "--map", folder / "map.mrc", "-o", out]) == 0
    data, voxel_size, origin = read(out / "resolution.mrc")
    np.testing.assert_array_equal(data, resolution)
    assert voxel_size == pytest.approx(1.1) and tuple(origin) == ORIGIN
    np.testing.assert_array_equal(read(out / "mask.mrc")[0] > 0, inside)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats["median"] == pytest.approx(np.median(resolution[inside]), abs=1e-3)
    assert stats["method"] == "import" and stats["voxels"] == inside.sum()
    assert stats["voxel_size"] == pytest.approx(1.1) and stats["warnings"] == []
    assert stats["seconds"]["total"] > 0
    written = {path.name for path in out.iterdir()}
    assert written == {
        "resolution.mrc", "mask.mrc", "stats.json", "histogram.png", "histogram.svg",
        "slices.png", "view.cxc",
    }  # fmt: skip
    assert "background" in capsys.readouterr().out


def test_without_a_map_only_what_needs_no_density_is_drawn(inputs, tmp_path):
    out = tmp_path / "out"
    more = ["--voxel-size", "1.3", "--claimed", "3.5"]
    assert main(["import", inputs[0] / "resmap.mrc", "-o", out, *more]) == 0
    written = {path.name for path in out.iterdir()}
    assert written == {
        "resolution.mrc", "mask.mrc", "stats.json", "histogram.png", "histogram.svg"
    }  # fmt: skip
    assert read(out / "resolution.mrc")[1] == pytest.approx(1.3)
    assert json.loads((out / "stats.json").read_text(encoding="utf-8"))["claimed"] == 3.5


def test_resolutions_told_of_solvent_too_are_kept_to_the_molecule(inputs, tmp_path):
    folder, resolution, inside = inputs
    map_file = ["--map", folder / "map.mrc"]
    assert main(["import", folder / "everywhere.mrc", *map_file, "-o", tmp_path / "a"]) == 0
    stats = json.loads((tmp_path / "a" / "stats.json").read_text(encoding="utf-8"))
    assert any("solvent" in line for line in stats["warnings"])
    found = read(tmp_path / "a" / "mask.mrc")[0] > 0
    assert (found & inside).sum() > 0.8 * (found | inside).sum()
    given = [*map_file, "--mask", folder / "mask.mrc"]
    assert main(["import", folder / "everywhere.mrc", *given, "-o", tmp_path / "b"]) == 0
    np.testing.assert_array_equal(read(tmp_path / "b" / "resolution.mrc")[0], resolution)


def test_a_voxel_size_unlike_the_headers_is_written_with_the_density(inputs, tmp_path):
    folder = inputs[0]
    common = ["import", folder / "blocres.mrc", "--map", folder / "map.mrc"]
    assert main([*common, "--voxel-size", "1.1", "-o", tmp_path / "same"]) == 0
    assert not (tmp_path / "same" / "density.mrc").exists()
    assert main([*common, "--voxel-size", "1.4", "-o", tmp_path / "other"]) == 0
    assert read(tmp_path / "other" / "density.mrc")[1] == pytest.approx(1.4)
    assert read(tmp_path / "other" / "resolution.mrc")[1] == pytest.approx(1.4)


@pytest.mark.parametrize(
    "name, more, said",
    [
        ("map.mrc", [], "looks like a density"),
        ("mask.mrc", [], "looks like a mask"),
        ("blocres.mrc", [], "no voxel size"),
        ("absent.mrc", [], "no such file"),
        ("monores.mrc", ["--background", "grey"], "neither auto nor a finite number"),
        ("monores.mrc", ["--map", "small.mrc"], "6 x 6 x 6"),
        ("monores.mrc", ["--claimed", "0"], "claimed"),
        ("monores.mrc", ["--palette", "grey"], "palette"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(inputs, tmp_path, monkeypatch, capsys, name, more, said):
    monkeypatch.chdir(inputs[0])
    write(inputs[0] / "small.mrc", np.random.default_rng(0).normal(size=(6, 6, 6)))
    assert main(["import", name, "-o", tmp_path / "out", *more]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("cryodl: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
