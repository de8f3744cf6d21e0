"""Deposited maps: what is done to them, where they lie, and that their truth follows."""

from __future__ import annotations

import numpy as np
import pytest

from cryodl.errors import SettingError
from cryodl.simulation.deposition import Source, deposit
from cryodl.simulation.deposition_config import CHANCES, FILTERS, GRIDS, MASKS, RANGES, STORED
from cryodl.simulation.particle_experiment import simulate_particles
from cryodl.tests.simulation.test_particles import PLAIN
from cryodl.tests.simulation.test_simulated_experiment import molecule  # noqa: F401

AS_IT_IS = {
    "filter": "none",
    "mask": "none",
    "grid": "kept",
    "stored": "float32",
    "log_scale": 0,
    **dict.fromkeys(CHANCES, 0),
}
VOXEL = 1.6


@pytest.fixture(scope="module")
def source(molecule):  # noqa: F811
    return Source.of(simulate_particles(molecule, {**PLAIN, "resolution": 5.0}, 0))


def made(source, seed=0, **changes):
    return deposit(source, {**AS_IT_IS, **changes}, seed)


def full_of(source):
    return (source.half1 + source.half2) / 2


def alike(first, second):
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def test_nothing_done_is_the_full_map_with_its_truth(source):
    found = made(source)
    assert alike(found.map.data, full_of(source)) > 0.99999
    assert found.map.voxel_size == VOXEL and found.words == ["raw"]
    inside = found.snr.data > 0
    assert np.array_equal(inside, source.mask)
    assert np.median(found.snr.data[inside]) == pytest.approx(5.0, rel=0.2)
    assert found.finest == pytest.approx(2 * VOXEL)


@pytest.mark.parametrize("name", sorted(set(FILTERS)))
def test_no_filter_moves_the_signal_to_noise_resolution_but_what_is_gone_is_gone(source, name):
    before, found = made(source), made(source, filter=name, low_pass=1.0, low_pass_width=0.05)
    inside = source.mask
    expected = np.maximum(before.snr.data[inside], found.finest)
    assert np.allclose(found.snr.data[inside], expected, atol=1e-3)
    assert 0.3 < alike(found.map.data, full_of(source)) < 1.0001


def test_a_low_pass_ends_what_can_be_told(source):
    found = made(source, filter="cosine", low_pass=2.0, low_pass_width=0.02)
    assert found.finest == pytest.approx(10.0, rel=0.06)
    assert found.snr.data[source.mask].min() >= 0.999 * found.finest
    k = np.fft.fftfreq(len(source.mask), VOXEL)
    radius = np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k**2)
    power = np.abs(np.fft.fftn(found.map.data)) ** 2
    assert power[radius > 1 / 9].sum() < 1e-4 * power.sum()


def test_sharpening_makes_the_aspect_finer_and_blurring_coarser(source):
    def aspect(**changes):
        found = made(source, **changes)
        return np.median(found.aspect.data[source.mask])

    blurred = aspect(filter="gaussian", low_pass=1.5)
    sharpened = aspect(filter="sharpened", sharpening=1.0)
    assert sharpened <= aspect() < blurred < aspect(filter="gaussian", low_pass=2.0)


@pytest.mark.parametrize("name", [name for name in sorted(set(GRIDS)) if name != "kept"])
@pytest.mark.parametrize("voxels", [0.7, 1.45, 2.0])
def test_a_new_grid_shows_the_molecule_where_its_truth_lies(source, name, voxels):
    found = made(source, filter="cosine", low_pass=1.6, grid=name, voxels=voxels, finest_voxel=0.1)
    density, inside = found.map.data, found.snr.data > 0
    assert found.finest >= 2 * max(VOXEL, found.map.voxel_size) * 0.999
    assert density[inside].mean() > density.mean() + density.std()
    # mass and centre of the molecule, in Å
    volume = inside.sum() * found.map.voxel_size**3
    assert volume == pytest.approx(source.mask.sum() * VOXEL**3, rel=0.1)
    positive = np.maximum(density, 0) ** 2
    at = [np.average(np.indices(density.shape)[a], weights=positive) for a in range(3)]
    middle = [np.indices(inside.shape)[a][inside].mean() for a in range(3)]
    assert np.allclose(np.subtract(at, middle) * found.map.voxel_size, 0, atol=1.5)


@pytest.mark.parametrize("name", sorted(set(MASKS) - {"none"}))
def test_masks_empty_the_outside_and_the_truth_with_it(source, name):
    found = made(source, mask=name, rim_radius=0.3, rim_edge=0, rim_left=0, mask_radius=4,
                 mask_edge=3, part_radius=8)  # fmt: skip
    empty = found.map.data == 0
    assert 0.2 < empty.mean() < 0.999
    assert not np.any(empty & (found.snr.data > 0))
    inside = ~empty & source.mask
    assert alike(found.map.data[inside], full_of(source)[inside]) > 0.9
    if name == "part":
        assert 0 < (found.snr.data > 0).sum() < 0.8 * source.mask.sum()


@pytest.mark.parametrize("name", ("none", "local", "relion"))
def test_a_low_pass_after_the_mask_leaves_nothing_beyond_it(source, name):
    changes = dict(filter=name, mask="tight", tight_radius=1.0)
    before = made(source, **changes)
    found = made(source, **changes, filtered_last=1, last_low_pass=1.6, last_width=0.02)
    assert found.finest == pytest.approx(8.0, rel=0.06)
    inside = found.snr.data > 0
    expected = np.maximum(before.snr.data[inside], found.finest)
    assert np.allclose(found.snr.data[inside], expected, atol=1e-3)
    assert np.all(found.aspect.data[inside] >= 0.999 * found.finest)
    k = np.fft.fftfreq(len(source.mask), VOXEL)
    radius = np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k**2)
    power = np.abs(np.fft.fftn(found.map.data)) ** 2
    assert power[radius > 1 / 7].sum() < 1e-9 * power.sum() < power.sum()


def test_a_rim_leaves_a_share_of_the_noise(source):
    found = made(source, mask="rim", rim_radius=0.3, rim_edge=0, rim_left=0.004)
    corner = (slice(0, 6),) * 3
    scale = found.map.data[source.mask].std() / full_of(source)[source.mask].std()
    left = found.map.data[corner].std() / full_of(source)[corner].std()
    assert left == pytest.approx(0.004 * scale, rel=0.05)


def test_thresholds_crops_pads_and_hands(source):
    assert made(source, negative_to_zero=1).map.data.min() == 0
    floored = made(source, thresholded=1, floor=1.0).map.data
    assert np.mean(floored == 0) > 0.5
    plain = made(source)
    mirrored = made(source, other_hand=1)
    assert np.array_equal(mirrored.map.data[:, :, ::-1], plain.map.data)
    assert np.array_equal(mirrored.snr.data[:, :, ::-1], plain.snr.data)
    cropped = made(source, cropped=1, crop_margin=3.0)
    assert cropped.map.data.size < plain.map.data.size
    assert (cropped.snr.data > 0).sum() == source.mask.sum()
    padded = made(source, padded=1, pad=0.2)
    assert padded.map.data.shape == (56, 56, 56)
    assert np.array_equal(padded.snr.data[8:-8, 8:-8, 8:-8], plain.snr.data)


@pytest.mark.parametrize("name", sorted(set(STORED)))
@pytest.mark.parametrize("scale", [-4, 3])
def test_rounding_keeps_the_map(source, name, scale):
    found = made(source, stored=name, log_scale=scale, lifted=1, offset=0.3)
    assert alike(found.map.data, full_of(source)) > 0.999
    if name == "bytes":
        assert np.all(found.map.data % 1 == 0) and found.map.data.max() == 255


def test_everything_drawn_is_possible_and_repeats(source):
    words = set()
    for seed in range(25):
        found = deposit(source, None, seed)
        again = deposit(source, found.drawn, seed)
        assert np.array_equal(found.map.data, again.map.data)
        assert found.map.data.shape == found.snr.data.shape == found.aspect.data.shape
        assert np.isfinite(found.map.data).all() and found.map.data.std() > 0
        inside = found.snr.data > 0
        assert found.snr.data[inside].min(initial=99) >= 0.999 * found.finest
        assert found.finest >= 2 * found.map.voxel_size * 0.999
        words |= set(found.words)
    assert {"raw", "sharpened", "masked", "zone", "binned"} <= words


def test_an_unknown_ingredient_is_refused(source):
    with pytest.raises(SettingError, match="no ingredient 'blur'"):
        deposit(source, {"blur": 1})
    assert all(isinstance(key, str) for key in RANGES)
