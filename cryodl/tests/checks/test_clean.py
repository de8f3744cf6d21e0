"""Maps without noise, and boxes that hold too little, are named as such."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryodl.checks.input import check_map
from cryodl.checks.noise import CLEAN, NOISE
from cryodl.maps.volume import Volume


def atoms(n=56, voxel=1.4, count=700, seed=0):
    """Points of weight 1 in a ball."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(count, 3))
    places *= rng.random((count, 1)) ** (1 / 3) / np.linalg.norm(places, axis=1, keepdims=True)
    density = np.zeros((n,) * 3)
    np.add.at(density, tuple((places * 18 / voxel + n / 2).astype(int).T), 1)
    return density


def blurred(resolution, voxel=1.4):
    """As a program computes a map from a model: a Gaussian for each atom, cut where it is faint."""
    return gaussian_filter(atoms(voxel=voxel), 0.225 * resolution / voxel, truncate=5.0)


def low_passed(data, cut):
    squares = sum(f**2 for f in np.meshgrid(*map(np.fft.fftfreq, data.shape), indexing="ij"))
    return np.fft.ifftn(np.fft.fftn(data) * (squares < cut**2)).real


def said(data, voxel=1.4):
    return CLEAN in check_map(Volume(data, voxel))


@pytest.mark.parametrize("resolution", [4.0, 8.0, 12.0])
def test_maps_computed_from_models_are_named(resolution):
    data = blurred(resolution)
    assert said(data) and said(1e-12 * data)
    if resolution > 4:
        assert said(np.rint(255 * data / data.max()))  # in bytes


def test_so_are_those_with_the_ripples_of_a_filter():
    assert said(low_passed(atoms(72), 0.28))


def test_maps_with_noise_are_not_masked_or_cut_or_smoothed():
    rng = np.random.default_rng(0)
    clean = blurred(6.0)
    noisy = clean + rng.normal(0, clean.std(), clean.shape)
    assert not said(noisy)
    assert not said(gaussian_filter(noisy, 1.2))
    near = gaussian_filter(clean, 2.0) > 0.1 * clean.max()
    assert not said(np.where(near, noisy, 0))
    soft = np.clip(2 * gaussian_filter(near.astype(float), 2.0), 0, 1)
    assert not said(np.where(soft > 0.02, soft * noisy, 0))


def test_a_box_that_is_too_small_and_noise_in_huge_voxels_are_named():
    rng = np.random.default_rng(0)
    small = check_map(Volume(rng.normal(size=(8, 8, 8)), 1.0))
    assert any("8 x 8 x 8 voxels is 8 Å at its shortest edge" in line for line in small)
    assert not any("shortest edge" in line for line in check_map(Volume(blurred(8.0), 1.4)))
    huge = check_map(Volume(rng.normal(size=(32, 32, 32)), 12.0))
    assert NOISE in huge and any("voxel size of 12 Å is implausible" in line for line in huge)
