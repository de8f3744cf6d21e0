"""Resampling keeps densities at their physical positions."""

import numpy as np
import pytest

from cryodl.errors import InputError
from cryodl.maps.resample import _plan, resample, resample_to
from cryodl.maps.volume import Volume


def positions(volume):
    """x, y, z in Å of every voxel."""
    z, y, x = np.indices(volume.shape)
    return [start + index * volume.voxel_size for start, index in zip(volume.origin, (x, y, z))]


def blobs(volume):
    """Gaussians of SD 4 Å: their transform is below 1e-6 beyond 1/5 per Å."""
    x, y, z = positions(volume)
    total = np.zeros(volume.shape)
    for height, centre in ((1.0, (-8, 31, 12)), (-0.5, (4, 22, 25)), (0.7, (-3, 40, 30))):
        squared = sum((p - c) ** 2 for p, c in zip((x, y, z), centre))
        total += height * np.exp(-squared / 32)
    return total


def made(shape, voxel_size, origin=(-27.0, 3.0, -7.0)):
    empty = Volume(
        np.zeros(shape),
        voxel_size,
        origin,
        start=(4, 5, 6),
        axis_order=(3, 1, 2),
        header_origin=(1, 1, 1),
    )
    return empty.with_data(blobs(empty))


@pytest.mark.parametrize(
    "old, new, shape",
    [
        (1.3, 1.0, (41, 50, 37)),
        (1.0, 1.37, (53, 64, 47)),
        (0.83, 0.5, (63, 80, 61)),
        (1.07, 2.0, (51, 60, 45)),
    ],
)
def test_values_stay_at_their_positions(old, new, shape):
    volume = made(shape, old)
    result = resample(volume, new)
    assert result.voxel_size == pytest.approx(new, rel=0.002)
    assert result.origin == volume.origin and result.axis_order == (3, 1, 2)
    assert result.start == (0, 0, 0) and result.header_origin is None
    assert result.data.dtype == np.float32
    expected = blobs(result)
    inside = (slice(3, -3),) * 3
    assert np.abs(result.data - expected)[inside].max() < 0.01
    # ... and it reaches as far as the input, by less than a voxel more
    for count, size in zip(result.shape, shape):
        reach = (count - 1) * result.voxel_size - (size - 1) * old
        assert -1e-3 <= reach <= result.voxel_size


@pytest.mark.parametrize("padded, new", [(60, 84), (60, 44), (45, 63), (75, 50), (50, 75)])
def test_one_axis_agrees_with_another_implementation(padded, new):
    from scipy import signal

    from cryodl.maps.resample import _resample_axis

    # white noise is strongest where a mistake is likeliest: at the highest frequency kept
    data = np.random.default_rng(4).standard_normal((padded, 3, 4)).astype(np.float32)
    result = _resample_axis(data, 0, padded, new, new)
    np.testing.assert_allclose(result, signal.resample(data, new, axis=0), atol=2e-5)


def test_a_wave_survives_there_and_back():
    rng = np.random.default_rng(0)
    volume = made((40, 45, 51), 1.2)
    volume = volume.with_data(volume.data + 0.1 * rng.standard_normal(volume.shape))
    finer = resample(volume, 0.9)
    x = np.arange(finer.shape[2]) * finer.voxel_size
    assert finer.data.mean() == pytest.approx(volume.data.mean(), abs=0.003)
    back = resample(finer, 1.2)
    assert back.voxel_size == pytest.approx(1.2, rel=0.004)
    assert x[-1] >= 50 * 1.2


@pytest.mark.parametrize("old, new", [(1.0, 1.3), (0.65, 1.0), (1.06, 0.5), (3.54, 1.0)])
def test_the_spacing_is_the_same_on_all_axes(old, new):
    lengths, achieved = _plan((97, 128, 61), old, new)
    assert achieved == pytest.approx(new, rel=0.002)
    for (padded, count), size in zip(lengths, (97, 128, 61)):
        assert padded * old / count == pytest.approx(achieved, rel=1e-12)
        assert size < padded < 2 * size + 40


@pytest.mark.parametrize("old, new", [(2.86611206640839, 5.745706764668128), (5.0, 0.03)])
def test_a_fraction_is_found_where_no_close_one_is_exact(old, new):
    # 2 / 4 lies closer than 1 / 2 by a rounding error
    lengths, achieved = _plan((20, 20, 20), old, new)
    assert achieved == pytest.approx(new, rel=0.01)
    assert all(before >= 20 and after * achieved == pytest.approx(before * old)
               for before, after in lengths)  # fmt: skip


def test_nearly_the_same_voxel_size_is_left_alone():
    volume = made((9, 8, 7), 1.0)
    assert resample(volume, 1.009) is volume
    assert resample(volume, 1.02) is not volume


def test_a_step_at_the_border_does_not_reach_the_other_side():
    data = np.zeros((40, 40, 40), np.float32)
    data[:, :, :20] = 1  # one face inside, the opposite one outside
    result = resample(Volume(data, 1.3), 1.0).data
    assert np.abs(result[:, :, -5:]).max() < 0.05 and np.abs(result[:, :, :5] - 1).max() < 0.05


def test_voxel_size_must_be_positive():
    for size in (0, -1, np.inf):
        with pytest.raises(InputError, match="positive"):
            resample(made((9, 8, 7), 1.0), size)


def test_resample_to_gives_the_grid_and_never_overshoots():
    rng = np.random.default_rng(1)
    volume = Volume(rng.uniform(2, 13, (12, 17, 9)), 1.01, (0.3, -4, 2))
    there = (0.5, -4.5, 1.0)
    like = Volume(np.zeros((14, 16, 13)), 0.9, there, (3, 2, 1), (7, 8, 9), there)
    result = resample_to(volume, like)
    assert result.shape == like.shape and result.origin == like.origin
    assert (result.start, result.axis_order, result.voxel_size) == (like.start, (3, 2, 1), 0.9)
    assert result.data.min() >= volume.data.min() and result.data.max() <= volume.data.max()
    flat = resample_to(volume.with_data(np.full(volume.shape, 3.3)), like).data
    assert (flat == np.float32(3.3)).all()


def test_resample_to_is_exact_for_a_plane_and_for_the_same_grid():
    volume = Volume(np.zeros((12, 17, 9)), 1.0, (1, 2, 3))
    x, y, z = positions(volume)
    volume = volume.with_data(2 * x - 3 * y + 0.5 * z)
    like = Volume(np.zeros((11, 12, 10)), 0.7, (1.1, 2.2, 3.3))
    x, y, z = positions(like)
    np.testing.assert_allclose(resample_to(volume, like).data, 2 * x - 3 * y + 0.5 * z, atol=1e-4)
    np.testing.assert_array_equal(resample_to(volume, volume).data, volume.data)


def test_nearest_keeps_a_mask_binary():
    mask = np.random.default_rng(2).random((8, 9, 10)) > 0.5
    volume = Volume(mask, 2.0)
    fine = resample_to(volume, Volume(np.zeros((16, 18, 20)), 1.0, (-0.4, -0.4, -0.4)), "nearest")
    np.testing.assert_array_equal(fine.data[::2, ::2, ::2], mask)
    assert set(np.unique(fine.data)) == {0, 1}
    with pytest.raises(InputError, match="cubic"):
        resample_to(volume, volume, "cubic")
