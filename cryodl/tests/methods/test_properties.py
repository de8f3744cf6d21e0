"""What holds for every method of one map, those that are added to the registry among them."""

import json
from pathlib import Path

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import CryodlError
from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume
from cryodl.methods import registry

pytest.importorskip("openvino")

LINES = {**registry.COMMANDS, **{f"localres {k}": v for k, v in registry.LOCALRES.items()}}


def of_one_map(line) -> bool:
    """Whether a map is all that it needs, and its results are maps."""
    options = {one.name: one for one in line.load_options()}
    needed = {name for name, one in options.items() if one.required}
    return "volume" in options and "overwrite" in options and needed <= {"volume", "output"}


# of half maps; of a resolution map; a file; of many methods
OTHERS = "localres localfsc", "oversharpening", "mask", "report"
METHODS = [name for name, line in LINES.items() if of_one_map(line) and name not in OTHERS]


def run(name, volume, **options):
    line = LINES[name]
    return line.load()(volume=volume, **line.sets, **options)


@pytest.fixture(scope="module")
def volume():
    """A molecule-like ball of texture in noise; no cube, and not at the origin."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    shape = 44, 48, 52
    z, y, x = (np.arange(n) - n / 2 for n in shape)
    ball = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < 15**2
    texture = np.abs(gaussian_filter(rng.normal(size=shape), 1.2)) * ball
    data = texture / texture.std() + rng.normal(0, 0.2, shape)
    return Volume(data, 1.5, (3.0, 4.0, 5.0))


@pytest.fixture(scope="module")
def results(volume):
    """The result of each method, made when it is first asked for."""

    class Made(dict):
        def __missing__(self, name):
            self[name] = run(name, volume)
            return self[name]

    return Made()


@pytest.mark.parametrize(
    "name", ["localres deepres", "localres cryores", "localres unet-resmap", "classify", "mask"]
)
def test_voxels_that_hold_nothing_a_network_knows_are_refused(name):
    tomogram = Volume(np.random.default_rng(0).normal(size=(24, 24, 24)), 10.5)
    line = LINES[name]
    with pytest.raises(CryodlError, match=r"hold nothing finer than 21 Å"):
        line.load()([tomogram] if name == "classify" else tomogram, **line.sets)


def test_there_are_methods_to_test():
    assert METHODS


@pytest.mark.parametrize("name", METHODS)
def test_results_lie_on_the_map_s_grid(name, volume, results):
    for made in results[name].volumes.values():
        assert (made.shape, made.voxel_size) == (volume.shape, volume.voxel_size)
        assert made.origin == pytest.approx(volume.origin) and np.isfinite(made.data).all()
    assert results[name].stats["voxel_size"] == volume.voxel_size


@pytest.mark.parametrize("name", METHODS)
def test_scale_and_offset_of_the_map_change_nothing(name, volume, results):
    again = run(name, volume.with_data(volume.data * 50 + 20))
    for key, made in again.volumes.items():
        before = results[name].volumes[key].data
        spread = max(float(before.std()), 1e-6)
        assert np.abs(made.data - before).mean() < 0.02 * spread, key


@pytest.mark.parametrize("name", METHODS)
def test_the_command_says_what_it_needs_and_writes_all_or_nothing(name, volume, tmp_path, capsys):
    write_map(tmp_path / "map.mrc", volume)
    command, *method = name.split()
    words = [command, *(["--method", *method] if method else []), str(tmp_path / "map.mrc")]
    assert main([*words, "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "map of 52 x 48 x 44 voxels of 1.5 Å" in said and f"wrote {tmp_path / 'out'}" in said
    stats = json.loads((tmp_path / "out" / "stats.json").read_text("utf-8"))
    assert stats["seconds"]["total"] > 0
    assert all((tmp_path / "out" / file).is_file() for file in stats["files"])
    assert main([*words, "-o", str(tmp_path / "out")]) == 2  # not over an earlier run
    (tmp_path / "empty.mrc").write_bytes(b"")
    assert main([*words[:-1], str(tmp_path / "empty.mrc"), "-o", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 2
    assert {p.name for p in Path(tmp_path).iterdir()} == {"map.mrc", "out", "empty.mrc"}


@pytest.mark.parametrize("name", METHODS)
def test_a_map_that_shows_nothing_is_refused(name):
    with pytest.raises(CryodlError, match="constant"):
        run(name, Volume(np.ones((40, 40, 40)), 1.5))
