"""A map taken apart into bands: complete, blind to scale and sharpening, its noise at zero."""

import numpy as np
import pytest

from cryodl.features.local_spectrum import BANDS, band_gain, space_to_depth
from cryodl.features.sub_bands import (
    CHANNELS,
    GROUPS,
    VOXELS,
    _below_bands,
    atom_amplitudes,
    group_bands,
    normalise_sub_bands,
)
from cryodl.filters.sharpen import apply_bfactor
from cryodl.maps.resample import density_at
from cryodl.maps.rotations import Rotation
from cryodl.maps.volume import Volume


@pytest.fixture(scope="module")
def molecule():
    """A ball of texture in weaker noise: map, and where there is noise alone."""
    rng = np.random.default_rng(0)
    z, y, x = np.indices((48, 44, 52)) - np.array([24, 22, 26])[:, None, None, None]
    radius = np.sqrt(z**2 + y**2 + x**2)
    texture = apply_bfactor(Volume(rng.normal(size=z.shape), 1.0), 80.0).data
    texture = texture / texture.std() * (radius < 14) * 2
    return (texture + rng.normal(size=z.shape)).astype(np.float32), radius > 20


def test_bands_add_up_to_the_map():
    bands = np.sum([band_gain(b) for b in range(BANDS)], axis=0) + _below_bands()
    assert np.allclose(bands[: 64 * BANDS + 1], 1, atol=1e-6)  # up to Nyquist
    assert bands[64 * (BANDS + 1) :].max() < 1e-6


def test_groups_hold_every_band_once():
    held = [b for group in range(1, GROUPS) for b in group_bands(group)]
    assert held == list(range(BANDS))


def test_atoms_amplitudes_are_a_unit_and_fall_at_the_end():
    found = atom_amplitudes()
    assert np.sum(found**2) == pytest.approx(1, abs=1e-5)
    assert found[-1] < 0.2 * found.max()


def test_groups_have_one_local_power(molecule):
    density, noise = molecule
    groups = normalise_sub_bands(density, noise, threads=1).groups.astype(np.float32)
    for group in (4, 5, 6):  # coarser bands spread further than the ball is wide
        wanted = np.sqrt(np.sum(atom_amplitudes()[list(group_bands(group))] ** 2))
        assert groups[group][~noise].std() == pytest.approx(wanted, rel=0.1)
        assert groups[group][noise].std() == pytest.approx(wanted, rel=0.25)


def test_scale_does_not_matter(molecule):
    density, noise = molecule
    one = normalise_sub_bands(density, noise, threads=1).features().astype(np.float32)
    for scale in (1e-6, 1e6):
        other = normalise_sub_bands(scale * density, noise, threads=1).features().astype(np.float32)
        assert np.allclose(one, other, atol=5e-3)


def test_sharpening_leaves_the_bands_as_they_are(molecule):
    density, noise = molecule
    sharpened = apply_bfactor(Volume(density, 1.0), -30.0).data
    one, other = (normalise_sub_bands(d, noise, threads=1) for d in (density, sharpened))
    for a, b in zip(one.groups[2:7], other.groups[2:7]):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97
    assert np.abs(one.over_noise.astype(float) - other.over_noise).mean() < 0.02


def test_noise_is_at_zero_and_the_molecule_above(molecule):
    density, noise = molecule
    found = normalise_sub_bands(density, noise, threads=1)
    outside, inside = noise[::2, ::2, ::2], ~noise[::2, ::2, ::2]
    middle = found.over_noise[..., 6:10].astype(float)
    assert abs(middle[outside].mean()) < 0.1
    assert middle[inside].mean() > 0.15


def test_told_noise_sets_the_level(molecule):
    density, noise = molecule
    measured = float(density[noise].std())
    one = normalise_sub_bands(density, noise, threads=1).over_noise.astype(float)
    same = normalise_sub_bands(density, noise, noise_sd=measured, threads=1).over_noise
    louder = normalise_sub_bands(density, noise, noise_sd=2 * measured, threads=1).over_noise
    assert np.allclose(one, same, atol=0.01)
    # four times the power: the logarithm is lower by ln 4, in sevenths times two
    fine = np.s_[..., 6:10]
    assert (one[fine] - louder[fine])[one[fine] > 0].mean() == pytest.approx(
        np.log(4) * 2 / 7, abs=0.02
    )
    white = normalise_sub_bands(density, None, noise_sd=measured, threads=1).over_noise
    white = white[noise[::2, ::2, ::2]]
    assert abs(white[..., 9:12].astype(float).mean()) < 0.1


def test_features_are_channels_of_the_half_grid(molecule):
    density, noise = molecule
    found = normalise_sub_bands(density, noise, threads=1)
    features = found.features()
    assert features.shape == (24, 22, 26, CHANNELS)
    first = VOXELS + 2 * BANDS
    for group in range(GROUPS):
        part = features[..., first + VOXELS * group : first + VOXELS * (group + 1)]
        assert np.array_equal(part, space_to_depth(found.groups[group]))


def test_turning_turns_everything(molecule):
    density, noise = molecule
    found = normalise_sub_bands(density, noise, threads=1)
    rotation = Rotation((2, 0, 1), (True, False, True))
    turned = found.turned(rotation)
    again = normalise_sub_bands(
        *(np.ascontiguousarray(rotation.turn(each)) for each in (density, noise)), threads=1
    )
    inner = (slice(None), *(slice(8, -8),) * 3)
    a, b = (w.groups[inner].astype(float).ravel() for w in (turned, again))
    assert np.corrcoef(a, b)[0, 1] > 0.995


def test_a_flat_map_gives_numbers():
    features = normalise_sub_bands(np.zeros((16, 16, 16), np.float32), None, threads=1).features()
    assert np.isfinite(features).all() and not features[..., VOXELS + 2 * BANDS :].any()


def wave(grid, length):
    z, y, x = (
        o + np.arange(n) * grid.voxel_size for o, n in zip(reversed(grid.origin), grid.shape)
    )
    return np.sin(2 * np.pi * (z[:, None, None] + 2 * y[:, None] - x) / length)


@pytest.mark.parametrize("voxel", [0.6, 0.97, 1.31])
def test_a_wave_is_the_same_on_another_grid(voxel):
    grid = Volume(np.zeros((40, 36, 44)), 1.0, (3.0, -2.0, 5.0))
    like = Volume(np.zeros((20, 18, 16)), voxel, (14.2, 8.1, 15.3))
    found = density_at(grid.with_data(wave(grid, 12.0)), like)
    assert found.origin == like.origin and found.voxel_size == voxel
    assert np.allclose(found.data, wave(like, 12.0), atol=0.02)


def test_the_same_grid_gives_the_same_map():
    grid = Volume(np.random.default_rng(0).normal(size=(9, 8, 7)), 1.1, (1.0, 2.0, 3.0))
    assert np.array_equal(density_at(grid, grid).data, grid.data)


def test_what_a_coarser_grid_cannot_hold_is_left_out():
    grid = Volume(np.zeros((48, 48, 48)), 1.0)
    fine = grid.with_data(wave(grid, 5.0))  # about 2 Å across planes
    found = density_at(fine, Volume(np.zeros((16, 16, 16)), 2.9, (1.0, 1.0, 1.0)))
    assert np.abs(found.data[3:-3, 3:-3, 3:-3]).max() < 0.1
