"""Maps of resolutions compared voxel by voxel, and a map filtered to its local resolution."""

import numpy as np
import pytest

from cryodl.errors import InputError, SettingError
from cryodl.maps.volume import Volume
from cryodl.resolution_maps.agreement import compare_resolutions
from cryodl.resolution_maps.load import to_grid
from cryodl.resolution_maps.local_filter import filter_locally, low_pass
from cryodl.resolution_maps.resolution_map import ResolutionMap, read_resolution
from cryodl.resolution_maps.statistics import chain_regions

SHAPE = (18, 20, 22)


def ball(shape=SHAPE, radius=7.0):
    z, y, x = (i - n / 2 for i, n in zip(np.indices(shape), shape))
    return z**2 + y**2 + x**2 < radius**2


def resolution_map(data, mask=None, voxel_size=1.5, origin=(0, 0, 0)):
    mask = ball(np.shape(data)) if mask is None else mask
    data = np.where(mask, data, 0)
    return ResolutionMap(Volume(data, voxel_size, origin), mask, 0.0, "")


def random(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).uniform(4, 8, shape).astype(np.float32)


# ------------------------------------------------------------- comparison


def test_a_constant_shift_is_seen_as_such():
    a = random()
    found = compare_resolutions([resolution_map(a), resolution_map(a + 0.5)], ["a", "b"])
    (pair,) = found.stats["pairs"]
    assert pair["median_difference"] == pytest.approx(0.5, abs=1e-4)
    assert pair["rank_correlation"] == pytest.approx(1)
    inside = ball()
    np.testing.assert_allclose(found.consensus.data[inside], a[inside] + 0.25, rtol=1e-5)
    np.testing.assert_allclose(found.disagreement.data[inside], 0.5, rtol=1e-4)
    assert not found.consensus.data[~inside].any() and not found.disagreement.data[~inside].any()


def test_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    a, b = random(0), random(0) + random(1)
    maps = [resolution_map(a), resolution_map(b), resolution_map(12 - a)]
    pairs = compare_resolutions(maps, "abc").stats["pairs"]
    expected = spearmanr(a[ball()], b[ball()])[0]
    assert pairs[0]["rank_correlation"] == pytest.approx(expected, abs=1e-4)
    assert pairs[1]["rank_correlation"] == pytest.approx(-1)
    constant = compare_resolutions([resolution_map(a), resolution_map(a * 0 + 5)], "ab")
    assert constant.stats["pairs"][0]["rank_correlation"] is None
    assert not constant.stats["warnings"]
    twice = compare_resolutions([resolution_map(a), resolution_map(a)], "ab")
    assert "the same in every voxel" in twice.stats["warnings"][0]


def test_common_and_own_voxels_are_told_apart():
    a, half = random(), ball().copy()
    half[:, :10] = False
    found = compare_resolutions([resolution_map(a), resolution_map(a, half)], ["all", "half"])
    np.testing.assert_array_equal(found.mask, half)
    whole, part = found.stats["maps"]
    assert whole["own"]["voxels"] == ball().sum() and part["own"]["voxels"] == half.sum()
    assert whole["common"] == part["common"] == part["own"]
    assert whole["common"]["median"] == pytest.approx(np.median(a[half]), abs=1e-4)


def test_the_claimed_resolution_is_ranked():
    a = random()
    maps = [resolution_map(a), resolution_map(np.full(SHAPE, 5.0))]
    table = compare_resolutions(maps, "ab", claimed=5.0).stats["maps"]
    expected = 100 * (a[ball()] < 5).mean()
    assert table[0]["common"]["claimed_percentile"] == pytest.approx(expected, abs=0.01)
    assert table[1]["common"]["claimed_percentile"] == 50  # ties count half


def test_what_cannot_be_compared_is_said():
    one = resolution_map(random())
    with pytest.raises(SettingError, match="two or more"):
        compare_resolutions([one], ["a"])
    with pytest.raises(SettingError, match="different names"):
        compare_resolutions([one, one], ["a", "a"])
    with pytest.raises(InputError, match="no voxel in common"):
        compare_resolutions([one, resolution_map(random(), ~ball())], "ab")


# ------------------------------------------------------------- grids


def test_merged_voxels_keep_the_half_voxel_by_which_they_lie_off():
    like = Volume(np.zeros((24, 24, 24), np.float32), 1.0)
    along = np.broadcast_to(4 + 0.1 * np.arange(12.0) * 2 + 0.05, (12, 12, 12)).astype(np.float32)
    merged = resolution_map(along, voxel_size=2.0, origin=(0.5, 0.5, 0.5))
    found = to_grid(merged, like).resolution.data[12, 12, 4:20]
    assert np.abs(found - (4 + 0.1 * np.arange(4, 20))).max() < 0.01


def test_another_grid_of_the_same_box_is_interpolated_between_known_values():
    fine = (27, 30, 33)
    z, _, _ = np.indices(fine)
    ramp = 4 + 0.1 * z
    like = Volume(random(), 1.5, (9.0, 8.0, 7.0))  # the other's header has lost its origin
    found = to_grid(resolution_map(ramp, ball(fine, 10.5), 1.0), like)
    assert found.resolution.shape == SHAPE and found.resolution.origin == like.origin
    expected = 4 + 0.15 * np.indices(SHAPE)[0]
    # at the border the known neighbours alone count: half a voxel off at most, never background
    np.testing.assert_allclose(found.resolution.data[found.mask], expected[found.mask], atol=0.051)
    assert abs(found.mask.sum() / ball().sum() - 1) < 0.05
    assert "interpolated" in found.warnings[0]


def test_headers_are_not_believed_where_sizes_agree():
    like = Volume(random(), 1.5, (10.0, 0.0, 0.0))
    found = to_grid(resolution_map(random(), voxel_size=1.0, origin=(-30, 0, 0)), like)
    np.testing.assert_array_equal(found.resolution.data, np.where(ball(), random(), 0))
    assert found.resolution.voxel_size == 1.5 and found.resolution.origin == (10.0, 0.0, 0.0)
    assert len(found.warnings) == 2


def test_other_boxes_are_refused():
    like = Volume(random(), 1.5, (10.0, 0.0, 0.0))
    with pytest.raises(InputError, match="boxes differ"):
        to_grid(resolution_map(np.full((9, 9, 9), 5.0), ball((9, 9, 9), 3.0)), like)
    half = (9, 10, 11)
    small = resolution_map(np.full(half, 5.0), ball(half, 3.0), 3.0, (99.0, 0.0, 0.0))
    with pytest.raises(InputError, match="lies elsewhere"):
        to_grid(small, like)


# ------------------------------------------------------------- chains

ATOM = "ATOM  {:5d}  {:<3} {:>3} {}{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00 20.00           {}\n"


def write_model(path, shift=0.0):
    lines = [
        ATOM.format(1, "CA", "ALA", "A", 1, 10.2 + shift, 15.1, 13.6, "C"),
        ATOM.format(2, "CA", "ALA", "B", 1, 20.2 + shift, 15.1, 13.6, "C"),
        ATOM.format(3, "O", "HOH", "W", 1, 15 + shift, 15, 13.5, "O"),
    ]
    path.write_text("".join(lines) + "END\n")
    return path


def test_voxels_belong_to_the_nearest_chain(tmp_path):
    like = Volume(random(), 1.5, (1.0, 2.0, 0.5))
    everywhere = np.ones(SHAPE, bool)
    names, chain = chain_regions(write_model(tmp_path / "m.pdb"), like, everywhere)
    assert names == ["A", "B"]  # water is no chain
    z, y, x = np.indices(SHAPE) * 1.5
    for number, place in enumerate((10.2, 20.2)):
        near = (x + 1 - place) ** 2 + (y + 2 - 15.1) ** 2 + (z + 0.5 - 13.6) ** 2 <= 9
        np.testing.assert_array_equal(chain == number, near)
    a = resolution_map(random(), everywhere)
    b = resolution_map(random() + chain.clip(0), everywhere)
    table = compare_resolutions([a, b], "ab", chains=(names, chain)).stats["maps"]
    for number, name in enumerate(names):
        expected = np.median(random()[chain == number]) + number
        assert table[1]["chains"][name]["median"] == pytest.approx(expected, abs=1e-3)


def test_a_model_that_does_not_fit_is_refused(tmp_path):
    like = Volume(random(), 1.5)
    with pytest.raises(InputError, match="lies elsewhere"):
        chain_regions(write_model(tmp_path / "m.pdb", 500), like, ball())
    with pytest.raises(InputError, match="no such file"):
        chain_regions(tmp_path / "absent.pdb", like, ball())
    (tmp_path / "empty.pdb").write_text("END\n")
    with pytest.raises(InputError, match="no atoms"):
        chain_regions(tmp_path / "empty.pdb", like, ball())


# ------------------------------------------------------------- local filter


def noise(seed=0, offset=3.0):
    data = offset + np.random.default_rng(seed).normal(size=SHAPE)
    return Volume(data, 1.5, (5.0, 6.0, 7.0))


def test_low_pass_keeps_below_and_removes_above_its_cutoff():
    n, voxel_size = 40, 1.5
    x = np.arange(n)
    for waves, gain in ((5, 1), (9, 1), (10, 0.5), (11, 0), (14, 0)):  # cycles in 60 Å
        wave = np.cos(2 * np.pi * waves * x / n)
        data = 2 + np.broadcast_to(wave, (4, 4, n))
        out = low_pass(Volume(data, voxel_size), 6.0).data
        np.testing.assert_allclose(out, 2 + gain * (data - 2), atol=1e-4)


@pytest.mark.parametrize("resolution", [4.0, 7.3, 20.0])
def test_one_resolution_everywhere_is_the_global_low_pass(resolution):
    volume = noise()
    found = filter_locally(volume, resolution_map(np.full(SHAPE, resolution)))
    expected = low_pass(volume, resolution).data
    np.testing.assert_allclose(found.volume.data, expected, atol=1e-5)
    assert found.cutoffs == (pytest.approx(resolution),)
    assert np.std(found.volume.data) < 0.8 * np.std(volume.data)


def test_every_part_is_filtered_to_its_own_resolution():
    volume, data = noise(), np.full(SHAPE, 5.0)
    data[:, :, 11:] = 9.0
    found = filter_locally(volume, resolution_map(data, np.ones(SHAPE, bool)))
    for part, resolution in ((np.s_[:, :, :11], 5.0), (np.s_[:, :, 11:], 9.0)):
        expected = low_pass(volume, resolution).data[part]
        np.testing.assert_allclose(found.volume.data[part], expected, atol=1e-4)


def test_between_two_cutoffs_the_filtered_maps_are_interpolated():
    volume = noise()
    found = filter_locally(volume, resolution_map(random(), np.ones(SHAPE, bool)))
    steps = 1 / np.array(found.cutoffs)
    assert (steps[1:] / steps[:-1] < 1.07).all()
    ladder = np.array([low_pass(volume, c).data for c in found.cutoffs])
    above = np.searchsorted(steps, 1 / random()).clip(1, len(ladder) - 1)
    low, high = (np.take_along_axis(ladder, p[None], 0)[0] for p in (above - 1, above))
    way = (1 / random() - steps[above - 1]) / (steps[above] - steps[above - 1])
    np.testing.assert_allclose(found.volume.data, low + way * (high - low), atol=2e-3)


def test_a_resolution_finer_than_nyquist_leaves_the_map_as_it_is():
    volume = noise()
    data = np.full(SHAPE, 2.0)
    found = filter_locally(volume, resolution_map(data))
    np.testing.assert_array_equal(found.volume.data, volume.data)
    assert found.unchanged == 1
    data[:, :, 11:] = 9.0
    found = filter_locally(volume, resolution_map(data))
    fine = ball() & (data == 2)
    np.testing.assert_allclose(found.volume.data[fine], volume.data[fine], rtol=1e-6)
    assert found.unchanged == pytest.approx(fine.sum() / ball().sum())


def test_scale_offset_grid_and_mean_are_kept():
    volume, local = noise(), resolution_map(random())
    found = filter_locally(volume, local).volume
    scaled = filter_locally(volume.with_data(50 * volume.data + 7), local).volume
    np.testing.assert_allclose(scaled.data, 50 * found.data + 7, rtol=1e-3)
    assert (found.shape, found.voxel_size, found.origin) == (SHAPE, 1.5, (5.0, 6.0, 7.0))


def test_solvent_far_from_the_mask_is_filtered_to_the_coarsest():
    shape = (48, 22, 22)
    volume = Volume(np.random.default_rng(0).normal(size=shape), 1.5)
    data, mask = np.full(shape, 4.0), np.zeros(shape, bool)
    mask[2:16, 3:19, 3:19] = True
    data[2:4] = 12.0
    found = filter_locally(volume, resolution_map(data, mask))
    assert found.outside == pytest.approx(12)
    coarse = low_pass(volume, 12.0).data
    np.testing.assert_allclose(found.volume.data[30:40], coarse[30:40], atol=1e-3)
    # next to the mask it is still as fine as the mask's border
    fine = low_pass(volume, 4.0).data
    beside = np.s_[16, 8:14, 8:14]
    off = np.abs(found.volume.data[beside] - fine[beside]).mean()
    assert off < 0.5 * np.abs(coarse[beside] - fine[beside]).mean()


def test_the_grids_must_agree():
    with pytest.raises(InputError, match="differ"):
        filter_locally(noise(), resolution_map(np.full((9, 9, 9), 5.0), ball((9, 9, 9), 3.0)))


def test_a_filtered_map_can_be_made_of_any_packages_map():
    data = np.where(ball(), random(), 100)
    found = filter_locally(noise(), read_resolution(Volume(data, 1.5)))
    expected = filter_locally(noise(), resolution_map(random()))
    np.testing.assert_array_equal(found.volume.data, expected.volume.data)
