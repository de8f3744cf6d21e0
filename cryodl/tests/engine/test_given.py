"""What users give and get, whatever the task: voxel sizes of Volumes, files of an earlier run."""

import json

import numpy as np
import pytest

from cryodl.api.compare import run_compare
from cryodl.api.filter import run_filter
from cryodl.api.fsc import run_fsc
from cryodl.api.half_map_resolution import run_half_map_resolution
from cryodl.api.import_resolution import run_import_resolution
from cryodl.engine.maps.given import given_map
from cryodl.engine.maps.mrc_io import write_map
from cryodl.engine.maps.volume import Volume

SHAPE = (28, 30, 32)


@pytest.fixture(scope="module")
def maps():
    """Two half maps, their local resolution and mask, as Volumes of 1 Å that are of 2 Å."""
    z, y, x = (i - n / 2 for i, n in zip(np.indices(SHAPE), SHAPE))
    inside = z**2 + y**2 + x**2 < 8**2
    rng = np.random.default_rng(0)
    from scipy.ndimage import gaussian_filter

    signal = 20 * gaussian_filter(rng.normal(size=SHAPE) * inside, 1.2)
    halves = [Volume(signal + rng.normal(size=SHAPE), 1.0, (1, 2, 3)) for _ in range(2)]
    return halves, Volume(np.where(inside, 6.0, 0.0), 1.0, (1, 2, 3)), inside


def results(maps):
    (half1, half2), resolution, inside = maps
    mask = inside.astype(np.float32)
    given = {"voxel_size": 2.0}
    yield run_fsc(half1, half2, mask=mask, **given)
    yield run_half_map_resolution(half1, half2, mask=mask, volume=half1, **given)
    yield run_filter(half1, resolution, mask=mask, **given)
    yield run_import_resolution(resolution, map=half1, mask=mask, **given)
    yield run_compare([resolution, resolution], names=["a", "b"], map=half1, mask=mask, **given)


def test_a_voxel_size_is_that_of_volumes_too(maps):
    for result in results(maps):
        assert result.density.voxel_size == 2.0
        for volume in result.volumes.values():
            assert volume.voxel_size == 2.0 and volume.origin == (1, 2, 3)


def test_a_volume_with_another_voxel_size_forgets_its_header():
    volume = Volume(np.zeros((4, 4, 4)), 1.0, header_spacing=(1.0, 1.0, 1.004))
    assert given_map(volume, None) is volume
    other = given_map(volume, 1.3)
    assert (other.voxel_size, other.header_spacing) == (1.3, None)


def test_what_an_earlier_run_wrote_does_not_stay(maps, tmp_path):
    (half1, half2), _, inside = maps
    out = tmp_path / "out"
    run_fsc(half1, half2, output=out)
    first = set(json.loads((out / "stats.json").read_text(encoding="utf-8"))["files"])
    assert first == {path.name for path in out.iterdir()} and "fsc.csv" in first
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    path = tmp_path / "resolution.mrc"
    write_map(path, half1.with_data(np.where(inside, 6.0, 0.0)))
    run_import_resolution(path, output=out, overwrite=True)
    second = set(json.loads((out / "stats.json").read_text(encoding="utf-8"))["files"])
    assert "fsc.csv" not in second and "resolution.mrc" in second
    assert {path.name for path in out.iterdir()} == {*second, "notes.txt"}


def test_a_list_of_files_reaches_nothing_outside_the_folder(maps, tmp_path):
    (half1, half2), _, _ = maps
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    stats = {"files": ["../precious", "stats.json"]}
    (out / "stats.json").write_text(json.dumps(stats), encoding="utf-8")
    run_fsc(half1, half2, output=out, overwrite=True)
    assert (tmp_path / "precious").exists()
