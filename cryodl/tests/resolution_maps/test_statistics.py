"""The numbers quoted for a local-resolution map."""

import json

import numpy as np
import pytest

from cryodl.errors import InputError
from cryodl.resolution_maps.statistics import resolution_stats


def test_known_values():
    stats = resolution_stats(np.arange(1001, dtype=np.float32)[::-1] / 100)  # 0 ... 10
    assert stats["median"] == stats["mean"] == stats["percentiles"]["50"] == 5
    assert (stats["min"], stats["max"], stats["voxels"]) == (0, 10, 1001)
    assert stats["sd"] == pytest.approx(10 / np.sqrt(12) * np.sqrt(1002 / 1000), abs=1e-4)
    assert stats["percentiles"] == {
        "2.5": 0.25,
        "5": 0.5,
        "20": 2,
        "25": 2.5,
        "50": 5,
        "75": 7.5,
        "80": 8,
        "95": 9.5,
        "97.5": 9.75,
    }


def test_numbers_are_plain_and_rounded():
    stats = resolution_stats(np.float32([3.14159265, 2.5, 2.5]))
    assert json.loads(json.dumps(stats)) == stats
    assert stats["max"] == 3.1416 and type(stats["mean"]) is float and type(stats["voxels"]) is int


def test_no_values_or_bad_ones_are_refused():
    with pytest.raises(InputError, match="mask is empty"):
        resolution_stats(np.array([]))
    with pytest.raises(InputError, match="not finite"):
        resolution_stats(np.array([3.0, np.nan]))
