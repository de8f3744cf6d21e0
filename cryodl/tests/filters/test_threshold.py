"""Where a curve falls below a threshold for good."""

import numpy as np
import pytest

from cryodl.filters.threshold import signal_end, stretches
from cryodl.simulation.reconstruction import fsc_crossing

FALL = [0.9, 0.8, 0.7, 0.6, 0.4, 0.2, 0.1]  # below 0.143 at 5.57 shells from its first
END = 5 + (0.2 - 0.143) / 0.1
NOISE = [0.05, -0.1, 0.02, 0.1, -0.02, 0.15, 0.05, 0.1, -0.1, 0.0]


def end(*shells, threshold=0.143):
    """Shell at which a curve (without shell 0) falls, and the first that counts."""
    curve = np.concatenate([[1.0], *shells])
    found = signal_end(np.arange(len(curve)), curve, threshold)
    if found:
        assert fsc_crossing(np.arange(len(curve)), curve, threshold) == found.frequency
    return found and (pytest.approx(found.frequency), found.first)


def test_one_fall():
    assert end(FALL, NOISE) == (1 + END, 1)
    assert end([0.9, 0.05], NOISE) == (1 + (0.9 - 0.143) / 0.85, 1)
    assert end([0.9] * 10) == (10, 1)
    assert end(NOISE) is None


@pytest.mark.parametrize("before", [[0.0], [-0.3, 0.1], [0.1, -0.4, 0.0, 0.1, 0.05], [0.3, 0.0]])
@pytest.mark.parametrize("height", [1, 0.6])
def test_first_shells_without_signal_are_left_out(before, height):
    curve = np.array(FALL) * height
    alone = end(curve, NOISE)[0].expected
    assert end(before, curve, NOISE) == (len(before) + alone, len(before) + 1)


def test_signal_beyond_a_dip_counts():
    assert end(FALL, [0.0, -0.05], [0.3, 0.4, 0.3, 0.2, 0.1], NOISE)[0] == pytest.approx(13.57)
    assert end([0.9] * 4, [0.1, 0.0, 0.1], FALL, NOISE) == (8 + END, 1)
    curve = np.array([1.0] + [0.9] * 4 + [0.1] * 3 + FALL + [0] * 16)
    found = signal_end(np.arange(31), curve, 0.143)
    assert found.dips == ((5, 8),)


@pytest.mark.parametrize(
    "beyond",
    [
        [0.1, 0.2, 0.1, 0.25, 0.3, 0.2, 0.1],  # a wiggle about the threshold
        [0.0, 0.9, 0.0, 0.0],  # one shell
        [0.0] * 8 + [0.6, 0.7, 0.6] + [0.0] * 3,  # a peak far away, as ice makes
        [0.0] * 6 + [0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95],  # a rise up to Nyquist
    ],
)
def test_what_is_no_signal_beyond_does_not(beyond):
    assert end(FALL, beyond) == (1 + END, 1)


def test_stretches_of_shells():
    curve = [1, 0.9, 0.5, 0.1, 0.9, 0.0, 0.3]
    assert stretches(curve, 0.3) == [(1, 3), (4, 5), (6, 7)]
    assert stretches(curve, 0.3, least=2) == [(1, 3)]
    assert stretches([1, 0, 0], 0.3) == []
