"""`cryodl filter`: what it writes, and one clear line for everything that can be wrong."""

import json

import mrcfile
import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.maps.volume import Volume
from cryodl.resolution_maps.local_filter import low_pass

SHAPE = (28, 30, 32)


def write(path, data, voxel_size=1.1, origin=(0, 0, 0)):
    with mrcfile.new(path, data.astype(np.float32), overwrite=True) as file:
        file.voxel_size = voxel_size
        file.header.origin = origin
    return path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    z, y, x = (i - n / 2 for i, n in zip(np.indices(SHAPE), SHAPE))
    inside = z**2 + y**2 + x**2 < 9**2
    data = inside * 2 + np.random.default_rng(0).normal(size=SHAPE)
    write(folder / "map.mrc", data, origin=(5, 6, 7))
    resolution = np.where(z < 0, 4.0, 8.0)
    write(folder / "resmap.mrc", np.where(inside, resolution, 100))
    write(folder / "half.mrc", np.where(inside, resolution, 0)[::2, ::2, ::2], voxel_size=2.2)
    write(folder / "small.mrc", np.where(inside, resolution, 0)[:19, :19, :19])
    write(folder / "mask.mrc", inside & (z < 0))
    return folder, data, resolution, inside


def test_the_filtered_map_lies_on_the_maps_grid(inputs, tmp_path, capsys):
    folder, data, resolution, inside = inputs
    out = tmp_path / "out"
    resolved = ["--resolution", folder / "resmap.mrc"]
    assert main(["filter", folder / "map.mrc", *resolved, "-o", out]) == 0
    written = {path.name for path in out.iterdir()}
    assert written == {"filtered.mrc", "resolution.mrc", "stats.json", "slices.png", "view.cxc"}
    with mrcfile.open(out / "filtered.mrc") as file:
        filtered = file.data.copy()
        assert file.voxel_size.x == pytest.approx(1.1)
        assert file.header.origin.tolist() == (5, 6, 7)
    for cutoff in (4.0, 8.0):
        part = inside & (resolution == cutoff)
        expected = low_pass(Volume(data, 1.1), cutoff).data
        np.testing.assert_allclose(filtered[part], expected[part], atol=1e-4)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats["method"] == "filter" and stats["voxels"] == inside.sum()
    assert stats["outside"] == pytest.approx(8) and stats["cutoffs"][-1] == pytest.approx(4)
    assert '"filtered.mrc"' in (out / "view.cxc").read_text(encoding="utf-8")
    assert "solvent to 8.00 Å" in capsys.readouterr().out


def test_a_resolution_on_another_grid_and_a_mask_are_understood(inputs, tmp_path):
    folder, data, resolution, inside = inputs
    more = ["--resolution", folder / "half.mrc", "--mask", folder / "mask.mrc"]
    assert main(["filter", folder / "map.mrc", *more, "-o", tmp_path / "out"]) == 0
    stats = json.loads((tmp_path / "out" / "stats.json").read_text(encoding="utf-8"))
    assert any("interpolated" in line for line in stats["warnings"])
    assert stats["voxels"] <= (inside & (resolution == 4)).sum()
    assert stats["median"] == pytest.approx(4)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["absent.mrc", "--resolution", "resmap.mrc"], "no such file"),
        (["map.mrc", "--resolution", "absent.mrc"], "no such file"),
        (["map.mrc", "--resolution", "map.mrc"], "looks like a density"),
        (["map.mrc", "--resolution", "small.mrc"], "boxes differ"),
        (["map.mrc", "--resolution", "resmap.mrc", "--background", "grey"], "neither auto"),
        (["map.mrc", "--resolution", "resmap.mrc", "--palette", "grey"], "palette"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(inputs, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(inputs[0])
    assert main(["filter", *arguments, "-o", tmp_path / "out"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("cryodl: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
