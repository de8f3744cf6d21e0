"""Fall-off: what is put on a map is found again, and taken off again."""

from __future__ import annotations

import numpy as np
import pytest

from cryodl.filters import sharpen
from cryodl.maps.volume import Volume


@pytest.fixture(scope="module")
def atoms():
    """Noise with the radial spectrum of atoms, odd and non-cubic: a perfectly sharpened map."""
    rng = np.random.default_rng(1)
    shape, voxel = (54, 61, 48), 1.1
    spectrum = np.fft.rfftn(rng.normal(size=shape))
    z, y, x = np.fft.fftfreq(54, voxel), np.fft.fftfreq(61, voxel), np.fft.rfftfreq(48, voxel)
    s = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    spectrum *= np.exp(sharpen.reference_log_amplitude(s))
    data = np.fft.irfftn(spectrum, s=shape, axes=(0, 1, 2))
    return Volume(data.astype(np.float32), voxel, (3.0, -2.0, 8.0))


@pytest.mark.parametrize("applied", [-40.0, 0.0, 90.0, 200.0])
def test_applied_b_factor_is_found(atoms, applied):
    found = sharpen.estimate_bfactor(sharpen.apply_bfactor(atoms, applied), 3.0)
    assert found.bfactor == pytest.approx(-applied, abs=8)  # what would sharpen it
    assert found.resolution == 3.0


def test_b_factors_cancel_and_keep_scale_offset_and_grid(atoms):
    offset = atoms.with_data(atoms.data + 5)
    there = sharpen.apply_bfactor(sharpen.apply_bfactor(offset, 80.0), -80.0)
    assert np.abs(there.data - offset.data).max() < 1e-3 * atoms.data.std()
    assert there.origin == atoms.origin and there.voxel_size == atoms.voxel_size


def test_flattening_gives_a_blurred_map_the_spectrum_of_atoms(atoms):
    blurred = sharpen.apply_bfactor(atoms, 150.0)
    flat = sharpen.flatten_spectrum(blurred, 3.5)
    s, amplitude = sharpen.radial_amplitude(flat)
    ratio = np.log(amplitude) - sharpen.reference_log_amplitude(s)
    seen = (s > 1 / 14) & (s < 1 / 3.6)
    assert np.ptp(ratio[seen]) < 0.5
    # Beyond the limit the gain stands still, so the map goes on falling there.
    beyond = (s > 1 / 3.0) & (s < 1 / 2.5)
    assert ratio[beyond].mean() < ratio[seen].mean() - 0.5


def test_limit_of_a_low_passed_map_is_found(atoms):
    spectrum = np.fft.rfftn(atoms.data)
    z, y, x = (np.fft.fftfreq(54, 1.1), np.fft.fftfreq(61, 1.1), np.fft.rfftfreq(48, 1.1))
    s = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    cut = np.fft.irfftn(spectrum * np.exp(-((s / 0.21) ** 40)), s=atoms.shape, axes=(0, 1, 2))
    found = sharpen.estimate_bfactor(atoms.with_data(cut.astype(np.float32)))
    assert found.resolution == pytest.approx(1 / 0.21, rel=0.12)
    assert sharpen.estimate_bfactor(atoms).resolution == pytest.approx(2.2, rel=0.05)
