"""Masks: found automatically, checked when given; warnings about maps."""

import numpy as np
import pytest
from scipy import ndimage

from cryodl.checks.input import check_map, claim_warning, size_warning
from cryodl.errors import InputError
from cryodl.maps.mask import automatic_mask, check_mask, existing_mask, grown
from cryodl.maps.volume import Volume


def ball(shape, radius, centre=None):
    centre = [(count - 1) / 2 for count in shape] if centre is None else centre
    grid = np.indices(shape)
    return sum((axis - c) ** 2 for axis, c in zip(grid, centre)) <= radius**2


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def molecule(voxel_size=1.5, noise=0.15, shape=(56, 60, 64)):
    """Two touching balls of bumpy density, and where they are, with the density's own blur."""
    rng = np.random.default_rng(3)
    z, y, x = (count / 2 for count in shape)

    def solid(margin):
        small = ball(shape, (13 + margin) / voxel_size, (z, y, x + 20 / voxel_size))
        return ball(shape, (20 + margin) / voxel_size, (z, y, x)) | small

    truth = solid(1.5)
    bumps = ndimage.gaussian_filter(rng.standard_normal(shape), 2.0 / voxel_size)
    density = solid(0) * (1 + 0.3 * bumps / bumps.std())
    density = ndimage.gaussian_filter(density, 1.5 / voxel_size)
    return density + noise * rng.standard_normal(shape), truth


@pytest.mark.parametrize(
    "voxel_size, shape",
    [(0.8, (90, 96, 100)), (1.5, (56, 60, 64)), (2.0, (40, 41, 50)), (3.6, (24, 26, 30))],
)
def test_the_molecule_is_found(voxel_size, shape):
    data, truth = molecule(voxel_size, shape=shape)
    assert overlap(automatic_mask(Volume(data, voxel_size)), truth) > 0.85


@pytest.mark.parametrize("noise", [0.01, 0.5])
def test_noise_does_not_matter(noise):
    data, truth = molecule(noise=noise)
    assert overlap(automatic_mask(Volume(data, 1.5)), truth) > 0.88


@pytest.mark.parametrize("scale, offset", [(1e-6, 0), (1e-6, 3e-6), (1e6, -2e6), (5, 20)])
def test_scale_and_offset_do_not_matter(scale, offset):
    data, _ = molecule()
    mask = automatic_mask(Volume(data * scale + offset, 1.5))
    assert overlap(mask, automatic_mask(Volume(data, 1.5))) > 0.999


def test_a_turned_map_gives_the_turned_mask():
    data, _ = molecule(shape=(56, 60, 64))
    mask = automatic_mask(Volume(data, 1.5))
    for axes in ((0, 1), (0, 2), (1, 2)):
        turned = automatic_mask(Volume(np.rot90(data, axes=axes), 1.5))
        assert overlap(turned, np.rot90(mask, axes=axes)) > 0.99


@pytest.mark.parametrize("voxel_size", [0.6, 0.9])
def test_binning_does_not_shift_the_mask(voxel_size):
    shape = (60, 62, 64)
    noise = 0.05 * np.random.default_rng(0).standard_normal(shape)
    mask = automatic_mask(Volume(ball(shape, 17) + noise, voxel_size))
    middle = np.argwhere(mask).mean(axis=0)
    assert middle == pytest.approx([29.5, 30.5, 31.5], abs=0.15)


def test_islands_go_and_holes_are_filled():
    shape = (64, 64, 64)
    shell = ball(shape, 22) & ~ball(shape, 10)
    island = ball(shape, 3, (5, 5, 5))
    noise = 0.01 * np.random.default_rng(0).standard_normal(shape)
    mask = automatic_mask(Volume(shell + island + noise, 1.5))
    assert mask[32, 32, 32] and not mask[5, 5, 5]


def test_all_of_a_zone_masked_map_is_taken_and_nothing_else():
    data, truth = molecule()
    zone = ndimage.binary_dilation(truth, iterations=2)
    for fill in (0.0, -7.0):
        mask = automatic_mask(Volume(np.where(zone, data, fill), 1.5))
        assert overlap(mask, zone) > 0.99 and not (mask & ~zone).any()


def test_a_void_inside_a_masked_map_is_filled():
    data, _ = molecule(1.0, shape=(70, 72, 80))
    zone = ball(data.shape, 30) & ~ball(data.shape, 6)
    shell = np.where(zone, 1 + data, 0)
    mask = automatic_mask(Volume(shell, 1.0))
    assert mask[ball(data.shape, 6)].all() and not mask[~ball(data.shape, 30)].any()


def test_a_sharpened_zone_masked_map_is_taken_too():
    _, truth = molecule()
    noise = np.random.default_rng(0).standard_normal(truth.shape)
    # between 3 and 10 Å only: the density averages to that of the solvent
    sharp = ndimage.gaussian_filter(noise, 0.7) - ndimage.gaussian_filter(noise, 2)
    zone = ndimage.binary_dilation(truth)
    assert overlap(automatic_mask(Volume(np.where(zone, sharp, 0), 1.5)), zone) > 0.99


def test_solvent_inside_a_spherical_mask_is_left_out():
    data, truth = molecule()
    sphere = ball(data.shape, 27)
    mask = automatic_mask(Volume(np.where(sphere, data, 0), 1.5))
    assert overlap(mask, truth & sphere) > 0.85


def test_solvent_in_a_box_of_which_a_half_is_empty_is_left_out():
    data, truth = molecule(noise=2.0)
    data[:, :, :20] = 0
    truth[:, :, :20] = False
    assert overlap(automatic_mask(Volume(data, 1.5)), truth) > 0.6  # all of the rest: 0.1


def test_a_tight_box_without_solvent_at_its_faces():
    data, truth = molecule()
    cut = (slice(15, 41), slice(18, 42), slice(20, 50))
    mask = automatic_mask(Volume(data[cut], 1.5))
    assert overlap(mask, truth[cut]) > 0.85


def test_integer_densities_are_not_taken_for_a_masked_map():
    data, truth = molecule()
    coarse = np.round(data * 4)  # the solvent then holds few different values
    assert existing_mask(coarse.astype(np.float32)) is None
    assert overlap(automatic_mask(Volume(coarse, 1.5)), truth) > 0.85


def test_given_masks_are_checked():
    volume = Volume(molecule()[0], 1.5)
    inside = ball(volume.shape, 9)
    np.testing.assert_array_equal(check_mask(volume.with_data(inside * 0.9), volume), inside)
    with pytest.raises(InputError, match="64 x 60 x 56"):
        check_mask(Volume(inside[:-1], 1.5), volume)
    with pytest.raises(InputError, match="1.6 Å"):
        check_mask(Volume(inside, 1.6), volume)
    with pytest.raises(InputError, match="empty: its largest value is 0.5"):
        check_mask(volume.with_data(inside * 0.5), volume)
    with pytest.warns(UserWarning, match="whole box"):
        assert check_mask(volume.with_data(np.ones(volume.shape)), volume).all()


@pytest.mark.parametrize(
    ("claimed", "said"), [(8.0, "finer"), (3.0, "coarser"), (5.5, None), (6.0, None), (None, None)]
)
def test_a_map_that_reads_otherwise_than_claimed_is_told(claimed, said):
    found = claim_warning(claimed, 5.0, 0.6)
    assert found is None if said is None else f"reads {said}, 5 ±0.6 Å" in found
    assert found is None or "both may be right" in found


@pytest.mark.parametrize("size, meant", [(0.122, "1.22 Å"), (12.2, None), (0.01, None), (1, "")])
def test_voxels_of_no_map_are_told_and_nm_for_angstrom(size, meant):
    said = size_warning(size)
    assert (said is None) == (meant == "")
    assert said is None or ("were nm taken for Å, it is" in said) == (meant is not None)
    assert meant is None or meant in (said or "")


def test_warnings_name_what_is_unusual():
    data, truth = molecule()  # blobs, whose features are not a protein's

    def said(data):
        return [line for line in check_map(Volume(data, 1.5)) if "features" not in line]

    assert said(data) == []
    (masked,) = said(np.where(truth, data, 0))
    assert "masked already" in masked and f"{1 - truth.mean():.0%}" in masked
    sentences = " ".join(check_map(Volume(data, 1.5), np.ones(data.shape, bool)))
    assert "touches the border" in sentences and "100% of a face" in sentences
    sentences = " ".join(check_map(Volume(data, 0.1), truth))
    assert "voxel size of 0.1 Å is implausible" in sentences and "Å across" in sentences
    assert "Å across" in " ".join(check_map(Volume(data, 100.0), truth))


@pytest.mark.parametrize("shape", [(5, 6, 7), (20, 13, 22), (1, 9, 9), (3, 1, 2)])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
def test_a_mask_grows_as_scipys_does(shape, share):
    mask = np.random.default_rng(0).random(shape) < share
    for steps in (1, 2, 6):
        assert np.array_equal(grown(mask, steps), ndimage.binary_dilation(mask, iterations=steps))
        shrunk = ndimage.binary_erosion(mask, iterations=steps, border_value=1)
        assert np.array_equal(~grown(~mask, steps), shrunk)


def test_a_mask_beside_the_molecule_is_told_and_one_of_a_part_is_not():
    data, truth = molecule()
    volume = Volume(data, 1.5)
    part = ball(data.shape, 8)
    part[:26], part[30:] = False, False  # a slice
    assert part.sum() < 0.1 * truth.sum()

    def told(inside, of=volume):
        return [line for line in check_map(of, inside) if "beside the molecule" in line]

    assert not told(truth) and not told(part) and not told(np.ones_like(truth)) and not told(None)
    assert "holds 0%" in told(~grown(truth, 3))[0]
    assert told(np.roll(truth & ball(data.shape, 8), 28, 0))
    held = Volume(data * ball(data.shape, 27), 1.5)  # constant around, as RELION has half maps
    assert told(~grown(truth, 3), held) and not told(truth, held)
