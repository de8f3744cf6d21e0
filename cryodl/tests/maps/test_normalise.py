"""Local normalisation: blind to scale and offset, even everywhere, empty where a map is empty."""

from __future__ import annotations

import numpy as np
import pytest

from cryodl.maps.normalise import local_normalise


@pytest.fixture
def density():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(41, 38, 100)).astype(np.float32)
    data[:, :, 50:] *= 0.1  # a weak half
    return data


@pytest.mark.parametrize("scale, offset", [(1e-6, 0.5e-6), (1e6, -3e6), (1e-25, 0)])
def test_scale_and_offset_change_nothing(density, scale, offset):
    plain = local_normalise(density)
    scaled = local_normalise(density.astype(np.float64) * scale + offset)
    assert np.abs(plain - scaled).max() < 2e-3


def test_strong_and_weak_parts_come_out_alike(density):
    data = local_normalise(density)
    assert data[:, :, :12].std() == pytest.approx(1, abs=0.1)
    assert data[:, :, -12:].std() == pytest.approx(1, abs=0.2)


def test_empty_parts_stay_empty(density):
    masked = np.zeros((120, 38, 100), np.float32)
    masked[:41] = density
    assert np.abs(local_normalise(masked)[100:]).max() == 0
    assert np.abs(local_normalise(np.full((8, 9, 10), 7.0))).max() == 0


def test_slow_background_is_taken_away(density):
    ramp = np.linspace(0, 300, density.shape[0], dtype=np.float32)[:, None, None]
    assert abs(float(local_normalise(density + ramp)[15:25].mean())) < 0.1


def test_turning_the_map_turns_the_result(density):
    data = density[:40, :36, :96]
    turned = local_normalise(np.rot90(data, axes=(1, 2)))
    assert np.abs(np.rot90(turned, -1, axes=(1, 2)) - local_normalise(data)).max() < 1e-4
