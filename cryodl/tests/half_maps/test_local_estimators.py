"""Local resolution from half maps: against the simulated truth, and what must not move it."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from cryodl.errors import InputError
from cryodl.filters.sharpen import apply_bfactor
from cryodl.half_maps import bands, monogenic, sinusoid
from cryodl.half_maps import pair as halves
from cryodl.half_maps.local_fsc import local_fsc
from cryodl.half_maps.threshold_sweep import Points, ThresholdSweep, taper
from cryodl.maps.volume import Volume
from cryodl.tests.half_maps.simulated_half_maps import packed_ball, simulate_half_maps

VOXEL = 1.6


@pytest.fixture(scope="module")
def made():
    """Half maps of a ball with 4 Å on one side and 7 Å on the other, in a box that is no cube."""
    positions, elements = packed_ball(26)
    regions = (positions[:, 0] > 0).astype(int)
    return simulate_half_maps(positions, elements, regions, [4.0, 7.0], VOXEL, (54, 56, 60))


def windowed(half1, half2, inside):
    return local_fsc(half1, half2, inside, global_resolution=4.5, window=22.0)


def from_halves(half1, half2, inside):
    full, apart = halves.half_sum(half1, half2), halves.half_difference(half1, half2)
    return monogenic.monogenic_resolution(full, inside, apart)


def from_one_map(half1, half2, inside):
    return monogenic.monogenic_resolution(halves.half_sum(half1, half2), inside)


def sinusoid_from_halves(half1, half2, inside):
    full, apart = halves.half_sum(half1, half2), halves.half_difference(half1, half2)
    return sinusoid.sinusoid_resolution(full, inside, apart)


def sinusoid_from_one_map(half1, half2, inside):
    return sinusoid.sinusoid_resolution(halves.half_sum(half1, half2), inside)


FROM_HALVES = [windowed, from_halves, sinusoid_from_halves]
ALL = [*FROM_HALVES, from_one_map, sinusoid_from_one_map]


@pytest.fixture(scope="module")
def found(made):
    half1, half2, inside, _ = made
    return {e: e(half1, half2, inside) for e in ALL}


@pytest.mark.parametrize("estimate", ALL)
def test_follows_the_truth(estimate, made, found):
    half1, half2, inside, truth = made
    resolution, unseen = found[estimate]
    assert resolution.shape == inside.shape and resolution.dtype == np.float32
    assert np.all(resolution[~inside] == 0) and np.all(resolution[inside] >= 2 * VOXEL)
    assert unseen < 0.01
    assert spearmanr(resolution[inside], truth[inside])[0] > 0.6
    # away from the border between both sides, where windows see both
    x = (np.arange(60) - 30) * VOXEL
    for side, wanted in ((x < -8, 4), (x > 8, 7)):
        median = np.median(resolution[inside & side])
        assert median == pytest.approx(wanted, abs=0.5 if wanted == 4 else 1.0)


@pytest.mark.parametrize("estimate", FROM_HALVES)
@pytest.mark.parametrize("bfactor", [-100, 100])
def test_a_bfactor_does_not_move_it(estimate, bfactor, made, found):
    half1, half2, inside, _ = made
    halves_now = (apply_bfactor(half, bfactor) for half in (half1, half2))
    moved, _ = estimate(*halves_now, inside)
    before = found[estimate][0][inside]
    assert abs(np.median(moved[inside]) - np.median(before)) < 0.1
    assert np.mean(np.abs(moved[inside] - before)) < 0.1


def test_scale_and_offset_do_not_matter(made, found):
    half1, half2, inside, _ = made
    scaled = [half.with_data(1e-6 * half.data + 3e-6) for half in (half1, half2)]
    resolution, _ = windowed(*scaled, inside)
    np.testing.assert_allclose(resolution, found[windowed][0], atol=0.02)


@pytest.mark.parametrize("estimate", FROM_HALVES)
def test_noise_is_not_seen(estimate):
    rng = np.random.default_rng(0)
    half1, half2 = (
        Volume(rng.standard_normal((40, 40, 40), dtype=np.float32), 2.0) for _ in range(2)
    )
    inside = np.zeros((40, 40, 40), bool)
    inside[8:32, 8:32, 8:32] = True
    resolution, unseen = estimate(half1, half2, inside)
    assert unseen > 0.7
    assert np.median(resolution[inside]) > 15


ONE_MAP = [monogenic.monogenic_resolution, sinusoid.sinusoid_resolution]


@pytest.mark.parametrize("estimate", ONE_MAP)
def test_noise_of_one_map_is_not_seen(estimate):
    """In a box wider than what is cut out, whose rim fades away and must not pass for noise."""
    n, rng = 60, np.random.default_rng(0)
    volume = Volume(rng.standard_normal((n, n, n), dtype=np.float32), 2.0)
    away = np.arange(n) - n // 2
    inside = (away[:, None, None] ** 2 + away[:, None] ** 2 + away**2) < 8**2
    resolution, unseen = estimate(volume, inside, max_resolution=12.0)
    assert unseen > 0.7
    assert np.median(resolution[inside]) > 11


@pytest.mark.parametrize("estimate", ONE_MAP)
def test_one_map_needs_noise_around_it(estimate, made):
    half1, _, inside, _ = made
    masked = half1.with_data(half1.data * inside)
    with pytest.raises(InputError, match="no noise to compare with"):
        estimate(masked, inside)


@pytest.mark.parametrize("estimate", ONE_MAP)
def test_in_an_excluded_area_no_noise_is_measured(estimate, made):
    """Beside the molecule lies what is stronger than noise, such as a detergent belt."""
    half1, half2, inside, _ = made
    volume = halves.half_sum(half1, half2)
    belt, excluded = np.zeros((2, *inside.shape), bool)
    belt[10:-10, 10:-10, :10] = True
    excluded[6:-6, 6:-6, :14] = True  # filters smear the belt
    rng = np.random.default_rng(0)
    strong = belt * rng.standard_normal(belt.shape) * 2 * volume.data[~inside].std()
    disturbed = volume.with_data((volume.data + strong).astype(np.float32))

    def median(map_, **how):
        return np.median(estimate(map_, inside, **how)[0][inside])

    alone = median(volume)
    assert median(disturbed) > alone + 0.5
    assert abs(median(disturbed, excluded=excluded) - alone) < 0.25


def test_what_is_looked_at_fits_the_box_and_the_voxels():
    volume = Volume(np.zeros((30, 60, 70), np.float32), 1.5)  # an edge of 45 Å
    assert bands.resolution_range(volume, None, None, 20.0) == (3.0, 20.0)
    assert bands.resolution_range(volume, 4.0, None, 40.0) == (4.0, 22.5)
    assert bands.resolution_range(volume, 10.5, None, 20.0) == (10.5, 21.0)  # finer than coarsest
    for asked in ((None, 30.0), (22.0, None), (8.0, 9.0)):
        with pytest.raises(InputError, match=r"from \d.* to .* Å: the box of 70 x 60 x 30 voxels"):
            bands.resolution_range(volume, *asked, 20.0)


# The steerable sinusoid


def test_harmonics_are_orthogonal_and_of_mean_square_one():
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(3, 200_000))
    unit /= np.linalg.norm(unit, axis=0)
    functions = np.array([np.ones(200_000), *sinusoid.harmonics(*unit)])
    assert len(functions) == sinusoid.FUNCTIONS
    products = functions @ functions.conj().T / 200_000
    np.testing.assert_allclose(products, np.eye(16), atol=0.02)


def test_noise_passes_for_a_sinusoid_as_often_as_asked():
    rng = np.random.default_rng(2)
    data = rng.standard_normal((72, 72, 72), dtype=np.float32)
    spectrum = bands.Spectrum(data, 1.0, np.ones(37))
    frequency = 0.2
    energy, scale = sinusoid._energy(spectrum, frequency, sinusoid.FUNCTIONS, 1)
    one, _ = sinusoid._energy(spectrum, frequency, 1, 1)
    # of white noise every function has the same mean energy
    assert energy.mean() == pytest.approx(16 * one.mean(), rel=0.05)
    inside = np.ones(data.shape, bool)
    points = np.array(np.meshgrid(*(np.arange(8, 64, 4),) * 3)).reshape(3, -1)
    near = bands.Window(points, inside, scale, energy.shape, sinusoid.AROUND / frequency)
    ratio = near.means(energy) / one.mean()
    assert np.mean(ratio > sinusoid.threshold(0.05)) == pytest.approx(0.05, abs=0.03)
    assert np.mean(ratio > sinusoid.threshold(0.5)) == pytest.approx(0.5, abs=0.12)


# Bands


def test_bands_on_coarse_grids_hold_what_they_hold_on_the_full_one(monkeypatch):
    data = np.random.default_rng(0).standard_normal((36, 40, 48), dtype=np.float32)
    flat = np.ones(25)
    spectrum = bands.Spectrum(data, 2.0, flat)
    coarse = spectrum.band(1 / 12, riesz=True)
    monkeypatch.setattr(bands, "GRID", 100)
    full = spectrum.band(1 / 12, riesz=True)
    assert full.fields[0].shape == data.shape
    assert coarse.fields[0].size < data.size / 5
    assert coarse.fields[0].var() == pytest.approx(full.fields[0].var(), rel=1e-3)
    for few, many in zip(coarse.fields, full.fields):
        assert few[0, 0, 0] == pytest.approx(many[0, 0, 0], abs=1e-4)  # the voxel they share


def test_monogenic_amplitude_of_a_wave_is_its_amplitude():
    z, y, x = np.indices((24, 32, 40))
    wave = 3 * np.cos(2 * np.pi * (3 * x / 40 + 3 * y / 32 + 2 * z / 24) + 0.4)
    frequency = np.sqrt((3 / 40) ** 2 + (3 / 32) ** 2 + (2 / 24) ** 2)
    spectrum = bands.Spectrum(wave.astype(np.float32), 1.0, np.ones(21))
    fields = spectrum.band(frequency, riesz=True).fields
    np.testing.assert_allclose(np.sqrt(sum(f**2 for f in fields)), 3, rtol=1e-4)


def test_whitening_levels_any_spectrum():
    rng = np.random.default_rng(0)
    white = Volume(rng.standard_normal((40, 40, 40), dtype=np.float32), 1.5)
    powers = []
    for bfactor in (0, 200):
        data = apply_bfactor(white, bfactor).data
        spectrum = bands.Spectrum(data, 1.5, bands.noise_power(data))
        powers.append([spectrum.band(s, riesz=False).fields[0].var() for s in (0.1, 0.2, 0.25)])
    np.testing.assert_allclose(powers[0], powers[1], rtol=0.08)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_window_has_the_moments_of_its_gaussian(sigma):
    inside = np.ones((40, 40, 48), bool)
    x = np.broadcast_to(np.arange(48, dtype=np.float32), inside.shape)
    points = np.array([[20, 20, 20], [19, 21, 22]]).T
    window = bands.Window(points, inside, (1.0,) * 3, inside.shape, sigma)
    first, second = window.means(x), window.means(x**2)
    np.testing.assert_allclose(first, [20, 22], atol=0.02)
    np.testing.assert_allclose(second - first**2, sigma**2, rtol=0.25)
    half = np.where(x < 20, 5, 1).astype(np.float32)
    only = bands.Window(points, x < 20, (1.0,) * 3, inside.shape, sigma)
    np.testing.assert_allclose(only.means(half), 5, rtol=1e-4)  # what is outside does not count


# Crossings


def feed(sweep, margins):
    for step, values in enumerate(margins):
        sweep.update(np.exp(0.1 * step), np.array(values, float))
    return -np.log(sweep.resolution()) / 0.1  # in steps


def test_crossing_is_interpolated_and_forgives_two_failing_steps():
    margins = np.array(
        [
            [1, 1, 1, -1, -1, -1, 1],  # done after three: the last is not seen any more
            [1, 1, -1, -1, 3, -1, -1],  # recovers
            [-1, -1, -1, 5, 5, 5, 5],  # never began
            [1, 1, 1, 1, 1, 1, 1],
        ]
    ).T
    assert feed(ThresholdSweep(4, 3), margins) == pytest.approx([2.5, 4.75, -np.inf, 6])
    assert feed(ThresholdSweep(4, 1), margins) == pytest.approx([2.5, 1.5, -np.inf, 6])


def test_sweep_is_even_in_the_logarithm_and_keeps_its_ends():
    frequencies = bands.sweep(20.0, 3.0)
    assert frequencies[0] == pytest.approx(1 / 20) and frequencies[-1] == pytest.approx(1 / 3)
    steps = np.diff(np.log(frequencies))
    assert np.ptp(steps) < 1e-9 and 0 < steps[0] <= bands.STEP + 1e-9


# Points


@pytest.mark.parametrize("step", [1, 2, 4])
def test_points_give_every_voxel_of_the_mask_a_value(step):
    inside = np.zeros((21, 26, 31), bool)
    inside[3:, 5:20, 2:30] = True
    points = Points(inside, step)
    linear = points.places[0] + 2 * points.places[1] - 0.5 * points.places[2]
    z, y, x = np.indices(inside.shape)
    wanted = (z + 2 * y - 0.5 * x) * inside
    np.testing.assert_allclose(points.to_voxels(linear, 0.0), wanted, atol=1e-4)
    smooth = points.to_voxels(np.full(linear.shape, 7.0), 3.0)
    np.testing.assert_allclose(smooth, 7.0 * inside, rtol=1e-5)


def test_taper_spares_the_faces_of_the_map():
    data = np.ones((20, 20, 20), np.float32)
    part = taper(data, (slice(0, 12), slice(4, 20), slice(0, 20)), 3)
    assert part.shape == (12, 16, 20)
    assert part[0, 8, 0] == 1 and part[11, 8, 10] < 0.1 and part[5, 0, 10] < 0.1
    assert part[5, 15, 10] == 1 and part[8, 4, 10] == 1
