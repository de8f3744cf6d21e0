"""Local amplitude scaling: equal to a direct loop, blind to filters, and masks by distance."""

import numpy as np
import pytest

from cryodl.filters.amplitude_scaling import (
    REACH,
    local_amplitude_scaling,
    mask_weights,
    scaled_by_model,
)
from cryodl.filters.sharpen import apply_bfactor
from cryodl.maps.volume import Volume

WINDOW = 8


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def voxel_by_voxel(data, reference, window):
    """LocScale as published: one window per voxel, of which the middle is kept."""
    half = window // 2
    padded = [np.pad(m.astype(float), half) for m in (data, reference)]
    f = np.fft.fftfreq(window, 1 / window)
    shell = np.rint(np.sqrt(f[:, None, None] ** 2 + f[:, None] ** 2 + f**2)).astype(int)
    out = np.zeros(data.shape)
    for place in np.ndindex(data.shape):
        part = tuple(slice(i, i + window) for i in place)
        a, b = (np.fft.fftn(m[part]) for m in padded)
        found, wanted = (np.bincount(shell.ravel(), np.abs(m).ravel()) for m in (a, b))
        out[place] = np.fft.ifftn(a * (wanted / found)[shell]).real[half, half, half]
    return out


def test_equals_a_loop_over_voxels():
    data, reference = noise((9, 12, 10)), noise((9, 12, 10), 1)
    fast = local_amplitude_scaling(data, reference, window=WINDOW, step=1)
    assert np.allclose(fast, voxel_by_voxel(data, reference, WINDOW), atol=1e-4)


def test_a_map_scaled_by_itself_stays():
    data = noise((20, 17, 22))
    scaled = local_amplitude_scaling(data, data, window=WINDOW, step=3)
    assert np.allclose(scaled, data, atol=1e-4)


def test_a_coarse_grid_of_windows_comes_close_to_every_voxel():
    data = noise((32, 32, 32))
    reference = apply_bfactor(Volume(noise((32, 32, 32), 1), 1.0), 60.0).data
    every, coarse = (
        local_amplitude_scaling(data, reference, window=16, step=step) for step in (1, 4)
    )
    assert np.corrcoef(every.ravel(), coarse.ravel())[0, 1] > 0.98


def test_windows_left_out_change_nothing_inside():
    data, reference = noise((24, 24, 24)), noise((24, 24, 24), 1)
    inside = np.zeros(data.shape, bool)
    inside[5:9, 10:13, 3:6] = True
    whole = local_amplitude_scaling(data, reference, window=WINDOW, step=4)
    part = local_amplitude_scaling(data, reference, window=WINDOW, step=4, inside=inside)
    assert np.allclose(part[inside], whole[inside], atol=1e-5)
    assert not np.allclose(part, whole)


def test_scale_and_sharpening_of_the_map_do_not_matter():
    data, reference = noise((32, 32, 32)), noise((32, 32, 32), 1)
    one = local_amplitude_scaling(data, reference, window=16, step=8)
    assert np.allclose(local_amplitude_scaling(1e-4 * data, reference, window=16, step=8), one,
                       atol=1e-4)  # fmt: skip
    blurred = apply_bfactor(Volume(data, 1.0), 30.0).data
    again = local_amplitude_scaling(blurred, reference, window=16, step=8)
    assert np.corrcoef(one.ravel(), again.ravel())[0, 1] > 0.97


def test_windows_must_overlap():
    data = noise((16, 16, 16))
    with pytest.raises(ValueError, match="step 5"):
        local_amplitude_scaling(data, data, window=WINDOW, step=5)
    with pytest.raises(ValueError, match="window 7"):
        local_amplitude_scaling(data, data, window=7, step=2)


def test_masks_fall_softly_with_the_distance():
    distance = np.array([0, 1, 2, 3, 5, 7, REACH], np.float32)
    assert np.allclose(mask_weights(distance, "tight"), [1, 0.5, 0, 0, 0, 0, 0], atol=1e-6)
    assert np.allclose(mask_weights(distance, "wide"), [1, 1, 1, 1, 0.5, 0, 0], atol=1e-6)


def test_scaled_maps_have_a_unit_and_stay_near_the_molecule():
    mask = np.zeros((40, 40, 40), bool)
    mask[4:12, 4:12, 4:12] = True
    scaled, distance = scaled_by_model(noise(mask.shape), noise(mask.shape, 1) * mask, mask)
    assert np.sqrt(np.mean(scaled[mask] ** 2)) == pytest.approx(1, abs=1e-4)
    assert distance[mask].max() == 0 and distance.max() == REACH
    assert not scaled[30:, 30:, 30:].any()
