"""Answers averaged over the 24 rotations of the cube: a turned map gives the turned answer."""

import json
import tracemalloc

import numpy as np
import pytest

import cryodl
from cryodl.cli.main import main
from cryodl.maps.mrc import read_values, write_map
from cryodl.maps.resample import resample
from cryodl.maps.rotations import ALL, ONE, Rotation, agreed, mean_over, rotations
from cryodl.maps.volume import Volume

TURNS = [
    Rotation((1, 0, 2), (False, True, False)),  # about x
    Rotation((2, 1, 0), (False, False, True)),  # about y
    Rotation((0, 2, 1), (False, True, False)),  # about z
]


def made(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# The group


def test_these_are_the_24_rotations_and_no_mirrors():
    corner = np.array([[[1.0, 2], [3, 0]], [[4, 0], [0, 0]]])  # three neighbours, told apart
    seen = {rotation.turn(corner).tobytes() for rotation in ALL}
    assert len(seen) == len(ALL) == 24
    mirrored = {rotation.turn(corner[::-1]).tobytes() for rotation in ALL}
    assert not seen & mirrored
    for first in ALL:  # closed, so that the sum over all is the same from wherever one begins
        assert {rotation.turn(first.turn(corner)).tobytes() for rotation in ALL} == seen
    assert ALL[0] == ONE[0] and np.array_equal(ONE[0].turn(corner), corner)


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 5, 2)])
def test_back_undoes_turn(shape):
    data = made(shape)
    for rotation in ALL:
        turned = rotation.turn(data)
        assert sorted(turned.shape[:3]) == [3, 4, 5] and turned.shape[3:] == shape[3:]
        assert np.array_equal(rotation.back(turned), data)


# The mean


def lopsided(this, volume, mask=None):
    """As unlike an equivariant function as any: it depends on direction and place."""
    data = np.cumsum(volume.data, axis=0) * np.arange(volume.shape[2]) + volume.data[0, 0, 0] ** 2
    yield data if mask is None else data * mask
    yield np.array([data[1, 0, 0], 7.0])


@pytest.mark.parametrize("turn", TURNS)
def test_the_mean_of_anything_turns_with_the_map(turn):
    volume, mask = Volume(made((4, 5, 6)), 1.0, (1, 2, 3)), made((4, 5, 6), 1) > 0
    turned = Volume(turn.turn(volume.data).copy(), 1.0, (9, 9, 9)), turn.turn(mask)
    values, numbers = mean_over(ALL, lopsided, volume, mask)
    values_turned, numbers_turned = mean_over(ALL, lopsided, *turned)
    np.testing.assert_allclose(turn.back(values_turned), values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numbers_turned, numbers, rtol=1e-5)
    assert numbers[1] == pytest.approx(7)
    alone = [next(iter(mean_over(ONE, lopsided, *given))) for given in ((volume, mask), turned)]
    assert np.abs(turn.back(alone[1]) - alone[0]).max() > 1


def test_the_mean_is_of_what_is_said_of_every_orientation():
    data = made((3, 4, 5))
    [mean] = mean_over(ALL, lambda this, x: [x * (this.number == 5)], data)
    np.testing.assert_allclose(mean, data / 24, rtol=1e-6)
    volume, seen = Volume(data, 1.3, (4, 5, 6)), []

    def look(this, turned, nothing):
        seen.append((turned.origin, turned.voxel_size, nothing, this.number, this.count))
        return [turned.data]

    [mean] = mean_over(ALL, look, volume, None)
    np.testing.assert_allclose(mean, data, rtol=1e-5)
    assert seen == [((0, 0, 0), 1.3, None, n, 24) for n in range(24)]


def test_one_rotation_changes_nothing():
    data = made((3, 4, 5))
    answer = mean_over(rotations(False), lambda this, x: iter([x]), data)
    assert next(answer) is data  # as it is given, and only when it is asked for
    assert rotations(True) == ALL


def test_means_take_the_memory_of_one_map_each():
    data, size = made((40, 50, 60)), 40 * 50 * 60 * 4

    def look(this, turned):
        yield turned * 2
        yield turned * 3

    tracemalloc.start()
    mean_over(ALL, look, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * size  # two means, the turned map, an answer and its share


def test_progress_counts_all_passes():
    told = []

    def look(this, x):
        this.progress(1, 2)
        this.progress(2, 2)
        return [x]

    mean_over(ALL, look, made((2, 3, 4)), progress=lambda *done: told.append(done))
    assert told == [(n, 48) for n in range(1, 49)]


@pytest.mark.parametrize("turn", TURNS)
def test_masks_are_what_most_orientations_agree_on(turn):
    volume = Volume(made((6, 7, 8)), 1.0)

    def find(volume):
        return volume.data + np.arange(volume.shape[2]) > 4

    mask = agreed(ALL, find, volume)
    turned = agreed(ALL, find, Volume(turn.turn(volume.data), 1.0))
    assert np.array_equal(turn.back(turned), mask) and 0 < mask.mean() < 1
    assert np.array_equal(agreed(ONE, find, volume), find(volume))


def test_half_of_the_orientations_are_not_most():
    def without_first_plane(volume):
        return np.broadcast_to(np.arange(volume.shape[2]) > 0, volume.shape)

    # a face is the first plane in 4 of 24 orientations, an edge in 8, a corner in 12
    mask = agreed(ALL, without_first_plane, Volume(made((4, 5, 6)), 1.0))
    corners = np.ix_(*([0, -1] for _ in range(3)))
    assert not mask[corners].any() and np.count_nonzero(~mask) == 8


# The grid


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("wanted", [1.0, 2.1])
def test_a_turned_map_is_resampled_to_the_turned_grid(turn, wanted):
    volume = Volume(made((21, 30, 25)), 1.4, (5, 6, 7))
    grid = resample(volume, wanted, centred=True)
    turned = resample(Volume(turn.turn(volume.data), 1.4), wanted, centred=True)
    np.testing.assert_allclose(turn.back(turned.data), grid.data, atol=2e-4)
    middles = [
        [o + (n - 1) / 2 * v.voxel_size for o, n in zip(v.origin, v.shape[::-1])]
        for v in (volume, grid)
    ]
    np.testing.assert_allclose(*middles, atol=1e-6)
    plain = resample(volume, wanted)
    assert plain.origin == volume.origin and plain.shape == grid.shape


def test_a_centred_grid_holds_the_same_density():
    z, y, x = np.indices((40, 45, 50)) * 1.4
    wave = np.cos(z / 5) + np.sin(y / 6 + 1) * np.cos(x / 7)
    grid = resample(Volume(wave, 1.4), 1.0, centred=True)
    z, y, x = (
        o + np.arange(n).reshape([-1 if a == b else 1 for b in range(3)]) * grid.voxel_size
        for a, (o, n) in enumerate(zip(grid.origin[::-1], grid.shape))
    )
    true = np.cos(z / 5) + np.sin(y / 6 + 1) * np.cos(x / 7)
    inner = (slice(12, -12),) * 3
    np.testing.assert_allclose(grid.data[inner], true[inner], atol=0.01)
    assert min(grid.origin) < -0.05


# The methods


@pytest.fixture(scope="module")
def given():
    """A small map of uneven sizes away from the origin, on no network's grid; and its molecule."""
    from scipy.ndimage import gaussian_filter

    shape = (18, 21, 16)
    z, y, x = np.indices(shape)
    inside = ((z - 9) / 6) ** 2 + ((y - 10) / 7) ** 2 + ((x - 8) / 5) ** 2 < 1
    data = 20 * gaussian_filter(made(shape) * inside, 1.0) + 0.2 * made(shape, 1)
    return Volume(data, 1.3, (-20, 30, 7)), inside


METHODS = {
    "deepres": (["localres"], lambda v, m, **k: cryodl.run_local_resolution(v, mask=m, **k)),
    "flattened": (
        ["localres", "--sharpen=auto"],
        lambda v, m, **k: cryodl.run_local_resolution(v, mask=m, sharpen="auto", **k),
    ),
    "cryores": (
        ["localres", "--method=cryores"],
        lambda v, m, **k: cryodl.run_single_map_resolution(v, mask=m, **k),
    ),
    "unet-resmap": (
        ["localres", "--method=unet-resmap", "--probabilities"],
        lambda v, m, **k: cryodl.run_local_classes(
            v, "unet-resmap", mask=m, probabilities=True, **k
        ),
    ),
    "enhance": (
        ["enhance", "--model", "tight"],
        lambda v, m, **k: cryodl.run_enhance(v, model="tight", **k),
    ),  # finds its noise
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "flattened" else n for n in METHODS]
)
def test_a_turned_map_gives_the_turned_answer(name, given, tmp_path, capsys):
    turn = TURNS[list(METHODS).index(name) % 3]
    volume, inside = given
    write_map(tmp_path / "map.mrc", volume)
    write_map(tmp_path / "mask.mrc", volume.with_data(inside))
    command, run = METHODS[name]
    words = [command[0], tmp_path / "map.mrc", *command[1:], "-o", tmp_path / "out", "--thorough",
             "--device", "cpu"]  # fmt: skip
    words += ["--mask", tmp_path / "mask.mrc"] if name != "enhance" else []
    assert main([str(word) for word in words]) == 0
    told = capsys.readouterr().out
    assert "in 24 rotations; about" in told
    stats = json.loads((tmp_path / "out" / "stats.json").read_text())
    assert stats["rotations"] == 24
    turned = Volume(turn.turn(volume.data), 1.3), turn.turn(inside)
    result = run(*turned, thorough=True, device="cpu")
    for label, found in result.volumes.items():
        if label in ("classes", "audit"):  # where classes are equally likely either will do
            continue
        there = read_values(tmp_path / "out" / f"{label}.mrc").data
        np.testing.assert_allclose(turn.back(found.data), there, atol=1e-3, err_msg=label)
    first = "enhanced" if name == "enhance" else "resolution"
    plain = [run(*one, device="cpu").volumes[first].data for one in ((volume, inside), turned)]
    assert np.abs(turn.back(plain[1]) - plain[0]).max() > 5e-3


def test_the_noise_of_a_map_turns_with_it():
    from cryodl.methods.enhance.estimate import Enhancer

    shape = (35, 42, 38)  # not of whole blocks on any axis
    z, y, x = np.indices(shape)
    ball = ((z - 17) ** 2 + (y - 21) ** 2 + (x - 17) ** 2 < 7**2) * made(shape, 1) ** 2
    volume, turn = Volume(4 * ball + 0.3 * made(shape) + 1, 1.3), TURNS[1]
    turned = Volume(turn.turn(volume.data), 1.3)
    differ = {}
    for thorough in (True, False):
        enhancer = Enhancer("tight", thorough=thorough)
        there, here = (enhancer.find_noise(one) for one in (turned, volume))
        differ[thorough] = np.count_nonzero(turn.back(there.region) != here.region)
        if thorough:
            assert (there.mean, there.sd) == pytest.approx((here.mean, here.sd), abs=1e-5)
            assert here.sd == pytest.approx(0.3, rel=0.15) and 0.2 < here.region.mean() < 1
    assert differ[True] == 0 < differ[False]


@pytest.mark.parametrize("model", ["cnn", pytest.param("dnn", marks=pytest.mark.slow)])
def test_a_turned_map_has_the_same_class(model, given, tmp_path, capsys):
    volume, inside = given
    write_map(tmp_path / "map.mrc", volume)
    write_map(tmp_path / "mask.mrc", volume.with_data(inside))
    words = ["classify", tmp_path / "map.mrc", "--model", model, "--mask", tmp_path / "mask.mrc",
             "--json", tmp_path / "found.json", "--thorough", "--device", "cpu"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    assert "24 rotations" in capsys.readouterr().out
    [found] = json.loads((tmp_path / "found.json").read_text())
    assert found["rotations"] == 24
    turn = TURNS[1]
    turned = Volume(turn.turn(volume.data), 1.3)
    mask = turned.with_data(turn.turn(inside))
    [again] = cryodl.classify_maps(turned, model, mask=mask, thorough=True, device="cpu")
    np.testing.assert_allclose(again["resolution"], found["resolution"], atol=1e-3)
    np.testing.assert_allclose(again["interval"], found["interval"], atol=1e-3)
    assert again["probabilities"] == pytest.approx(found["probabilities"], abs=1e-3)


@pytest.mark.slow
def test_masks_turn_with_the_map(given, tmp_path):
    volume, _ = given
    write_map(tmp_path / "map.mrc", volume)
    words = ["mask", tmp_path / "map.mrc", "-o", tmp_path / "mask.mrc", "--thorough"]
    assert main([str(word) for word in words]) == 0
    turn = TURNS[0]
    result = cryodl.run_mask(Volume(turn.turn(volume.data), 1.3), thorough=True, device="cpu")
    assert result.stats["rotations"] == 24
    mask = read_values(tmp_path / "mask.mrc").data
    assert np.array_equal(turn.back(result.volumes["mask"].data), mask) and 0 < mask.mean() < 1
