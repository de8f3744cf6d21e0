"""FSC against its definition, against simulated truth, and against what must not move it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryodl.errors import InputError
from cryodl.filters import shells as fourier
from cryodl.filters.sharpen import apply_bfactor
from cryodl.half_maps import fsc
from cryodl.half_maps import pair as halves
from cryodl.maps.volume import Volume
from cryodl.tests.half_maps.simulated_half_maps import packed_ball, simulate_half_maps


def noise(shape=(20, 24, 28), seed=0, voxel_size=1.0, **header):
    rng = np.random.default_rng(seed)
    return Volume(rng.normal(size=shape).astype(np.float32), voxel_size, **header)


@pytest.fixture(scope="module")
def made():
    """Half maps of a ball of atoms with 5 Å, its mask, and their FSC."""
    positions, elements = packed_ball(24)
    regions = np.zeros(len(positions), int)
    half1, half2, inside, _ = simulate_half_maps(
        positions, elements, regions, [5.0], 1.6, (56, 54, 50)
    )
    weights = fsc.soft_mask(inside, 1.6)
    return half1, half2, inside, weights, fsc.estimate_fsc(half1, half2, weights)


@pytest.mark.parametrize("shape", [(9, 12, 11), (12, 10, 8)])
def test_correlation_is_that_of_the_definition(shape):
    a, b = noise(shape).data, noise(shape, 1).data
    b = a + b
    full_a, full_b = np.fft.fftn(a), np.fft.fftn(b)
    axes = np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij")
    shell = np.rint(np.sqrt(sum(k**2 for k in axes)) * max(shape)).astype(int)
    counts, found = fsc.correlate([fourier.transform(a), fourier.transform(b)], shape)
    for r in range(1, max(shape) // 2 + 1):
        f, g = full_a[shell == r], full_b[shell == r]
        norm = np.sqrt(np.sum(abs(f) ** 2) * np.sum(abs(g) ** 2))
        assert found[r] == pytest.approx(np.sum(f * g.conj()).real / norm, abs=1e-5)
        assert counts[r] == len(f)


def test_transform_and_its_inverse():
    data = noise((9, 10, 11)).data
    spectrum = fourier.transform(data)
    assert spectrum.dtype == np.complex64
    np.testing.assert_allclose(fourier.inverse(spectrum, data.shape), data, atol=1e-5)


def test_crossing_is_interpolated_and_leaves_out_first_shells_without_signal():
    s = np.arange(6) / 20
    assert fsc.resolution_at(s, np.array([1, 0.9, 0.5, 0.1, 0.9, 0]), 0.3) == pytest.approx(
        20 / 2.5
    )
    assert fsc.resolution_at(s, np.ones(6), 0.143) == pytest.approx(4)
    assert fsc.resolution_at(s, np.array([1, 0.1, 0.9, 0.9, 0.9, 0.9]), 0.143) == pytest.approx(4)
    assert fsc.resolution_at(s, np.array([1, 0.1, 0.0, 0.1, -0.2, 0.1]), 0.143) is None


def test_resolution_is_the_simulated_one(made):
    curve = made[-1]
    assert curve.resolution() == pytest.approx(5, abs=0.35)
    assert curve.resolution(0.5) > curve.resolution() + 0.5
    assert curve.resolution(kind="unmasked") > curve.resolution() + 0.5
    assert curve.frequencies[-1] == pytest.approx(0.5 / 1.6)


@pytest.mark.parametrize("bfactor", [-100, 100])
def test_a_bfactor_does_not_move_it(made, bfactor):
    half1, half2, _, weights, curve = made
    moved = fsc.estimate_fsc(apply_bfactor(half1, bfactor), apply_bfactor(half2, bfactor), weights)
    for threshold in fsc.THRESHOLDS:
        assert moved.resolution(threshold) == pytest.approx(curve.resolution(threshold), abs=0.1)


def test_correction_takes_off_what_a_tight_mask_adds(made):
    half1, half2, inside, _, _ = made
    rng = np.random.default_rng(5)
    tight = inside & (rng.random(inside.shape) < 0.1)  # a mask of the finest detail
    curve = fsc.estimate_fsc(half1, half2, tight.astype(np.float32))
    beyond = slice(int(1.3 / 5 * max(half1.shape) * 1.6), None)
    assert curve.masked[beyond].mean() > 0.1
    assert abs(curve.corrected[beyond].mean()) < 0.6 * curve.masked[beyond].mean()
    kept = curve.frequencies < 0.999 / curve.randomised_from
    assert curve.unmasked[kept].min() >= 0.8 > curve.unmasked[np.argmin(kept)]


def filtered(half, gain, seed=0):
    """A half map of which a share of each frequency (1/Å) is kept, and the rest is noise."""
    axes = [np.fft.fftfreq(n, half.voxel_size) for n in half.shape[:2]]
    axes.append(np.fft.rfftfreq(half.shape[2], half.voxel_size))
    s = np.sqrt(sum(k**2 for k in np.meshgrid(*axes, indexing="ij")))
    spectrum, other = fourier.transform(half.data), fourier.transform(noise(half.shape, seed).data)
    other *= np.sqrt(np.mean(np.abs(spectrum[(s > 1 / 20) & (s < 1 / 10)]) ** 2) / other.size)
    kept = gain(s).astype(np.float32)
    spectrum = np.where(kept > 0, kept * spectrum, 1e-3 * other)
    return half.with_data(fourier.inverse(spectrum, half.shape))


def high_pass(s):
    return s > 1 / 31


def two_bands(s):
    return (s < 1 / 20) | (s > 1 / 13)


@pytest.mark.parametrize("kind", ["corrected", "masked", "unmasked"])
@pytest.mark.parametrize("gain", [high_pass, two_bands])
def test_shells_without_signal_do_not_move_it(made, gain, kind):
    half1, half2, _, weights, whole = made
    pair = [filtered(half, gain, seed) for seed, half in enumerate((half1, half2))]
    curve = fsc.estimate_fsc(*pair, weights)
    assert curve.resolution(kind=kind) == pytest.approx(whole.resolution(kind=kind), rel=0.02)
    shells = 1 / (curve.frequencies[1] * np.array([31, 20, 13]))
    if gain is high_pass:
        assert curve.signal_from() == pytest.approx(31, rel=1 / shells[0])
        assert curve.randomised_from == pytest.approx(whole.randomised_from, rel=0.2)
        assert whole.signal_from() is None
    else:
        assert curve.signal_from() is None
        (dip,) = curve.dips(kind="unmasked")
        assert dip == pytest.approx((20, 13), rel=1 / shells[1])


def test_the_correction_makes_no_nonsense():
    masked, added = np.meshgrid(np.linspace(-0.6, 1, 33), np.linspace(-0.9, 1, 39))
    left = fsc.correct(masked, added)
    assert np.all(left <= masked) and np.all(left >= np.minimum(masked, 0))
    np.testing.assert_array_equal(left[added <= 0], masked[added <= 0])
    both = (masked > added) & (added > 0) & (added < 1)
    m, a = masked[both], added[both]
    np.testing.assert_allclose(left[both], (m - a) / (1 - a))


def test_the_mask_of_noisy_halves_covers_weak_parts():
    positions, elements = packed_ball(30)
    kept = (positions[:, 0] < 0) | (np.random.default_rng(0).random(len(positions)) < 0.6)
    given = positions[kept], elements[kept], np.zeros(kept.sum(), int)
    *pair, inside, _ = simulate_half_maps(*given, [8.0], 2.5, (52, 50, 48))
    smooth = [gaussian_filter(noise(inside.shape, seed).data, 1.2) for seed in (1, 2)]
    unit = (pair[0].data[inside].mean() - pair[0].data[~inside].mean()) / smooth[0].std()
    for level in (0.0, 0.25, 0.5):
        noisy = [h.with_data(h.data + level * unit * more) for h, more in zip(pair, smooth)]
        found = fsc.mask_of_halves(*noisy)
        assert (found & inside).sum() > 0.95 * inside.sum()
        assert (found & ~inside).sum() < 0.35 * inside.sum()
        (_, own), (_, true) = (fsc.estimate_within(*noisy, mask) for mask in (found, inside))
        assert own.resolution() == pytest.approx(true.resolution(), rel=0.06)


def test_the_edge_of_a_mask_is_no_sharper_than_the_maps(made):
    positions, elements = packed_ball(24)
    for asked, half1, half2, inside in [
        (5, *made[:3]),
        (12, *simulate_half_maps(
            positions, elements, np.zeros(len(positions), int), [12.0], 2.5, (36, 36, 36))[:3]),
    ]:  # fmt: skip
        weights, curve = fsc.estimate_within(half1, half2, inside)
        first = fsc.estimate_fsc(half1, half2, fsc.soft_mask(inside, half1.voxel_size))
        edge = max(6, 4 * half1.voxel_size, first.resolution())
        expected = fsc.soft_mask(inside, half1.voxel_size, edge=edge)
        np.testing.assert_allclose(weights, expected, atol=1e-6)
        assert curve.resolution() == pytest.approx(asked, rel=0.2)


def test_noise_has_no_resolution():
    for seed in range(3):
        half1, half2 = noise((40,) * 3, seed), noise((40,) * 3, seed + 10)
        curve = fsc.estimate_fsc(half1, half2, np.ones((40,) * 3, np.float32))
        assert not curve.signal
        assert curve.resolution() is None and curve.resolution(0.5, "unmasked") is None


def test_random_phases_are_not_those_of_noise_from_the_same_seed():
    """What is left of noise after the correction must not be what was there before."""
    rng = np.random.default_rng(0)
    half1, half2 = (Volume(rng.standard_normal((40,) * 3, "f4"), 1.0) for _ in range(2))
    curve = fsc.estimate_fsc(half1, half2, np.ones((40,) * 3, np.float32))
    assert abs(np.corrcoef(curve.masked[4:], curve.randomised[4:])[0, 1]) < 0.7


def test_identical_maps_correlate_everywhere():
    half = noise()
    curve = fsc.estimate_fsc(half, half.with_data(3 * half.data + 1), np.ones(half.shape))
    np.testing.assert_allclose(curve.corrected, 1, atol=1e-5)
    assert curve.resolution() == pytest.approx(2)
    assert halves.check_half_maps(half, half.with_data(3 * half.data + 1)) == [halves.IDENTICAL]


def test_soft_mask_falls_along_half_a_cosine():
    inside = np.zeros((31, 31, 31), bool)
    inside[15, 15, 15] = True
    weights = fsc.soft_mask(inside, 2.0, extend=4.0, edge=16.0)
    assert weights[15, 15, 17] == 1 and weights[15, 15, 25] == 0
    assert weights[15, 15, 21] == pytest.approx(0.5, abs=1e-6)
    assert fsc.soft_mask(np.ones((4, 4, 4), bool), 1.0).min() == 1


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (noise((20, 24, 30), 1), "28 x 24 x 20 and 30 x 24 x 20 voxels"),
        (noise(seed=1, voxel_size=1.1), "1 and 1.1 Å"),
        (noise(seed=1, origin=(0, 3, 0)), "origins 3 Å apart"),
        (Volume((noise().data > 0).astype(np.float32), 1.0), "second half map holds few different"),
        (Volume(np.ones((20, 24, 28)), 1.0), "second half map is constant"),
    ],
)
def test_maps_that_are_no_two_halves(other, message):
    with pytest.raises(InputError, match=message):
        halves.check_half_maps(noise(), other)
    assert halves.check_half_maps(noise(), noise(seed=1)) == []


def test_what_voxels_end_may_be_better():
    assert fsc.in_words(3.2, 1.0) == "3.20 Å"
    assert fsc.in_words(2.0, 1.0) == "2.00 Å or better (Nyquist)"


def test_a_map_up_to_its_resolution_has_nothing_finer():
    data = np.random.default_rng(0).standard_normal((24, 24, 24)).astype(np.float32)
    volume = Volume(data, 2.0)
    assert fsc.up_to(volume, None) is volume
    before, after = (np.abs(np.fft.rfftn(v.data)) for v in (volume, fsc.up_to(volume, 7.5)))
    f = [np.fft.fftfreq(24)[:, None, None], np.fft.fftfreq(24)[:, None], np.fft.rfftfreq(24)]
    radius = 24 * np.sqrt(sum(each**2 for each in f))
    assert np.allclose(after[radius <= 6], before[radius <= 6], rtol=1e-3, atol=1e-2)
    assert after[radius >= 7].max() < 1e-3 * before.max()
