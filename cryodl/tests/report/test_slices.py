"""Slices are projections, reconstructions bring densities back, and both are linear."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryodl.simulation.imaging import contrast_transfer, wavelength
from cryodl.simulation.slices import FourierDensity, HalfPlane, Insertion

N = 32
WIDTH = 1.6  # voxels, standard deviation of blobs
TRILINEAR = 0.03  # what interpolation errs by, of the largest coefficient


def blobs(seed=0):
    """Places (x, y, z from the centre, in voxels) and heights of a few Gaussians."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-4, 4, (5, 3)), rng.uniform(0.5, 1.5, 5)


def density_of(places, heights):
    axis = np.arange(N) - N // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return sum(
        h * np.exp(-((x - p[0]) ** 2 + (y - p[1]) ** 2 + (z - p[2]) ** 2) / (2 * WIDTH**2))
        for p, h in zip(places, heights)
    ).astype(np.float32)


def slices_of(places, heights, points):
    """Transform of the Gaussians at points, by formula."""
    k = np.moveaxis(points, 0, -1) / N
    envelope = (2 * np.pi * WIDTH**2) ** 1.5 * np.exp(
        -2 * (np.pi * WIDTH) ** 2 * np.sum(k**2, axis=-1)
    )
    return envelope * sum(h * np.exp(-2j * np.pi * (k @ p)) for p, h in zip(places, heights))


def views(count, seed=1):
    return Rotation.random(count, random_state=seed).as_matrix()


def test_slices_are_the_transform_on_central_planes():
    places, heights = blobs()
    points = HalfPlane(N).points(views(20))
    expected = slices_of(places, heights, points)
    found = FourierDensity(density_of(places, heights)).read(points)
    assert np.abs(found - expected).max() < TRILINEAR * np.abs(expected).max()


def test_an_unturned_slice_is_the_projection_along_z():
    density = density_of(*blobs())
    plane = HalfPlane(N)
    found = FourierDensity(density).read(plane.points(np.eye(3)[None]))[0]
    image = np.fft.fft2(np.fft.ifftshift(density.sum(axis=0)))
    expected = image[plane.v.astype(int), plane.u.astype(int)]
    assert np.abs(found - expected).max() < TRILINEAR * np.abs(expected).max()


def test_the_half_plane_holds_every_coefficient_once():
    plane = HalfPlane(N)
    both = {(int(u), int(v)) for u, v in zip(plane.u, plane.v)}
    conjugates = {(-u, -v) for u, v in both}
    reach = N // 2 - 1
    every = {(u, v) for u in range(-reach, reach + 1) for v in range(-reach, reach + 1)
             if 4 * (u * u + v * v) < N * N}  # fmt: skip
    assert both | conjugates == every and both & conjugates == {(0, 0)}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_density_comes_back_from_its_slices(seed):
    density = density_of(*blobs(seed))
    rng = np.random.default_rng(seed)
    points = HalfPlane(N).points(views(300, seed))
    ctf = rng.uniform(-1, 1, points.shape[1:]).astype(np.float32)
    insertion = Insertion(N)
    insertion.add(points, ctf, FourierDensity(density).read(points) * ctf)
    back = insertion.density()
    middle = (slice(6, -6),) * 3
    assert np.abs(back - density)[middle].max() < 0.03 * density.max()


def test_insertion_is_linear_and_a_batch_is_its_parts():
    rng = np.random.default_rng(0)
    points = HalfPlane(N).points(views(60))
    ctf = rng.uniform(-1, 1, points.shape[1:]).astype(np.float32)
    parts = [
        rng.standard_normal((*ctf.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
        for _ in range(2)
    ]
    both, total = Insertion(N, parts=2), Insertion(N)
    for half in (slice(0, 25), slice(25, None)):
        both.add(points[:, half], ctf[half], *(part[half] for part in parts))
    total.add(points, ctf, 2 * parts[0] - 3 * parts[1])
    expected = 2 * both.density(0) - 3 * both.density(1)
    assert np.abs(total.density() - expected).max() < 1e-4 * np.abs(expected).max()


def test_ctf_against_its_formula_by_hand():
    """Known wavelengths, and zeros where the phase of a weak object is a multiple of pi."""
    assert wavelength(300) == pytest.approx(0.019687, rel=1e-3)
    assert wavelength(200) == pytest.approx(0.025079, rel=1e-3)
    options = {"kilovolts": 300.0, "cs": 0.0, "amplitude_contrast": 0.0}
    defocus = np.array([10000.0])
    zeros = np.sqrt(np.arange(1, 6) / (wavelength(300) * defocus)).astype(np.float32)
    ctf = contrast_transfer(zeros, 0 * zeros, defocus, defocus, np.zeros(1), **options)
    assert np.abs(ctf).max() < 1e-3
    # astigmatism: each axis has its own defocus
    u = np.linspace(0.02, 0.2, 50).astype(np.float32)
    two = contrast_transfer(u, 0 * u, defocus, 2 * defocus, np.zeros(1), **options)
    assert np.allclose(two, contrast_transfer(u, 0 * u, defocus, defocus, np.zeros(1), **options))
    two = contrast_transfer(0 * u, u, defocus, 2 * defocus, np.zeros(1), **options)
    one = contrast_transfer(u, 0 * u, 2 * defocus, 2 * defocus, np.zeros(1), **options)
    assert np.allclose(two, one, atol=1e-3)


def test_sums_are_the_same_without_what_scipy_does_not_promise(monkeypatch):
    import sys
    import types

    points = HalfPlane(N).points(views(30))
    rng = np.random.default_rng(0)
    ctf = rng.uniform(-1, 1, points.shape[1:]).astype(np.float32)
    densities = []
    for _ in range(2):
        insertion = Insertion(N)
        for half in (slice(0, 10), slice(10, None)):
            insertion.add(points[:, half], ctf[half], ctf[half].astype(np.complex64))
        densities.append(insertion.density())
        monkeypatch.setitem(sys.modules, "scipy.sparse._sparsetools", types.ModuleType("empty"))
    assert np.abs(densities[0]).max() > 0
    np.testing.assert_allclose(*densities, atol=1e-5 * np.abs(densities[0]).max())
