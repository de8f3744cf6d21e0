"""What a mask cut away stays away on another grid, and tells no one about noise."""

import numpy as np
import pytest

from cryodl.maps.crop import bounding_box
from cryodl.maps.mask import existing_mask, reapply_mask, resample_keeping_mask
from cryodl.maps.resample import resample
from cryodl.maps.volume import Volume

OUTSIDE = np.float32(0.25)


@pytest.fixture(scope="module")
def ball():
    """Band-limited noise inside a sharp mask, voxels of 1.33 Å, at a place of its own."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(3)
    data = 3 * gaussian_filter(rng.normal(size=(44, 48, 52)), 1.0).astype(np.float32)
    z, y, x = np.indices(data.shape)
    inside = (z - 20) ** 2 + (y - 25) ** 2 + (x - 27) ** 2 < 13**2
    return Volume(np.where(inside, data + 1, OUTSIDE), 1.33, (5.0, 6.0, 7.0)), inside


def test_outside_is_one_value_again_and_inside_is_as_resampled(ball):
    volume, inside = ball
    ringing, grid = resample(volume, 1.0), resample_keeping_mask(volume, 1.0)
    assert existing_mask(ringing.data) is None  # the reason for all this
    left = existing_mask(grid.data)
    assert left is not None and (grid.data[~left] == OUTSIDE).all()
    assert np.array_equal(grid.data[left], ringing.data[left])
    assert left.sum() == pytest.approx(inside.sum() * 1.33**3, rel=0.02)
    assert (grid.origin, grid.voxel_size) == (ringing.origin, ringing.voxel_size)


def test_a_masked_map_in_a_box_made_larger_is_masked_still(ball):
    volume, inside = ball
    support = existing_mask(np.pad(volume.data, 9))
    assert np.array_equal(support, np.pad(inside, 9))
    tight = tuple(slice(first, last) for first, last in bounding_box(inside))
    for part, room in ((np.s_[:, :, :], ((9, 9), (0, 0), (0, 0))), (np.s_[:, :, :], ((0, 20),) * 3),
                       (tight, ((9, 9),) * 3)):  # fmt: skip
        padded = np.pad(volume.data[part], room)
        assert np.array_equal(existing_mask(padded), np.pad(inside[part], room))
    saturated = np.minimum(np.pad(volume.data, 9), np.quantile(volume.data[inside], 0.7))
    assert np.array_equal(existing_mask(saturated), np.pad(inside, 9))
    cut_off = np.where(volume.data > OUTSIDE, saturated[9:-9, 9:-9, 9:-9], OUTSIDE)
    assert existing_mask(cut_off).sum() == (cut_off != OUTSIDE).sum()  # the densest are inside
    few = np.random.default_rng(0).integers(0, 3, volume.shape)  # whole numbers are no mask
    assert existing_mask(few.astype(np.float32)) is None


def test_what_was_not_masked_is_resampled_as_ever(ball):
    volume = Volume(np.random.default_rng(0).normal(size=(20, 22, 24)).astype("f4"), 1.33)
    assert np.array_equal(resample_keeping_mask(volume, 1.0).data, resample(volume, 1.0).data)
    assert resample_keeping_mask(ball[0], 1.33) is ball[0]


def test_what_a_filter_brings_outside_is_taken_away(ball):
    volume, inside = ball
    changed = reapply_mask(volume.data * 2 + 5, volume.data)
    assert (changed[~inside] == OUTSIDE).all()
    assert np.array_equal(changed[inside], volume.data[inside] * 2 + 5)
    unmasked = np.random.default_rng(0).normal(size=(8, 9, 10))
    assert reapply_mask(unmasked + 1, unmasked) is not unmasked
    assert np.array_equal(reapply_mask(unmasked + 1, unmasked), unmasked + 1)


def test_a_masked_map_has_no_solvent_to_compare_with_on_any_grid(ball, monkeypatch):
    from cryodl.features import context as whole
    from cryodl.features.context import context_features
    from cryodl.features.local_spectrum import BANDS

    monkeypatch.setattr(whole, "QUIET", 2.0)  # so that the mask alone tells

    volume, inside = ball
    for grid in (volume, resample_keeping_mask(volume, 1.0)):
        data = grid.data[tuple(slice(n // 4 * 4) for n in grid.shape)]
        near = data != OUTSIDE
        extra = context_features(data, grid.voxel_size, near)[2]
        assert not extra[..., 2:].any()
    noisy = volume.data + 0.2 * np.random.default_rng(1).normal(size=volume.shape).astype("f4")
    extra = context_features(noisy, 1.0, inside)[2]
    assert (extra[..., -1] == 1).all() and 0.1 < extra[0, 0, 0, 2 : 2 + BANDS].max() < 1


def test_nor_has_one_whose_solvent_was_emptied_by_other_means(ball):
    from cryodl.features.context import context_features

    volume, inside = ball
    faint = 1e-5 * np.random.default_rng(2).normal(size=volume.shape).astype("f4")
    extra = context_features(np.where(inside, volume.data, OUTSIDE + faint), 1.0, inside)[2]
    assert not extra[..., 2:].any()
