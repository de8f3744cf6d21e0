"""Local spectra: every wave in its band, at its place, and nothing lost of the density."""

from __future__ import annotations

import numpy as np
import pytest

from cryodl.features import local_spectrum as features
from cryodl.features.local_spectrum import (
    BAND_FLOOR,
    BANDS,
    band_centres,
    band_powers,
    local_features,
)


def power(data):
    """Local power in every band, undone from its logarithm."""
    return BAND_FLOOR ** ((1 - band_powers(data)) / 2)


def wave(shape, frequency, axis):
    return np.sin(2 * np.pi * frequency * np.indices(shape)[axis] + 0.4).astype(np.float32)


@pytest.mark.parametrize("band", [4, 6, 8, 11])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_wave_shows_in_its_own_band_alone(band, axis):
    powers = power(wave((64, 72, 60), band_centres()[band], axis))
    middle = powers[8:-8, 8:-8, 8:-8].mean(axis=(0, 1, 2))
    assert middle[band] == pytest.approx(0.5, rel=0.3)
    assert np.delete(middle, band).max() < 0.06


def test_power_lies_where_the_wave_is():
    data = np.zeros((48, 48, 96), np.float32)
    data[..., :40] = wave((48, 48, 40), band_centres()[9], 1)
    powers = power(data)[6:-6, 6:-6, :, 9]
    assert powers[..., 6:14].mean() > 50 * powers[..., 30:].mean()


def test_coarse_and_fine_grids_agree(monkeypatch):
    """Bands worked out on the half grid are those of the full grid, in the same places."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(40, 44, 48)).astype(np.float32)
    data *= np.linspace(0.2, 1, 48, dtype=np.float32)
    mixed = band_powers(data)
    monkeypatch.setattr(features, "_HALF_GRID_TO", 0.0)
    inner = (slice(6, -6),) * 3
    assert np.abs(band_powers(data) - mixed)[inner].mean() < 0.05


def test_density_comes_whole_and_sizes_are_even():
    data = np.random.default_rng(1).normal(size=(17, 20, 23)).astype(np.float32)
    result = local_features(data)
    assert result.shape == (10, 10, 12, 8 + BANDS) and result.dtype == np.float32
    assert result[3, 4, 5, 0] == data[6, 8, 10]
    assert result[3, 4, 5, 3] == data[6, 9, 11]
    assert result[3, 4, 5, 4] == data[7, 8, 10]
    assert (
        np.sort(result[:8, :10, :11, :8].ravel()).tolist()
        == np.sort(data[:16, :20, :22].ravel()).tolist()
    )


def test_turning_the_map_turns_the_bands():
    data = np.random.default_rng(2).normal(size=(32, 36, 36)).astype(np.float32)
    turned = band_powers(np.ascontiguousarray(np.rot90(data, axes=(1, 2))))
    back = np.rot90(turned, -1, axes=(1, 2))
    assert np.abs(back - band_powers(data))[4:-4, 4:-4, 4:-4].max() < 0.02
