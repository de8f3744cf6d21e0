"""The numbers quoted for a local-resolution map."""

import json

import numpy as np
import pytest

from cryodl.errors import InputError
from cryodl.methods.resolution_class.estimate import answer_of
from cryodl.resolution_maps.statistics import CLASS_EDGES, resolution_stats


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


@pytest.mark.parametrize(("middle", "crossed"), [(9.3, "10 Å"), (4.8, "5 Å"), (7.0, None)])
def test_a_class_is_uncertain_where_the_interval_reaches_into_another(middle, crossed):
    edges = np.arange(2, 20.5, 0.5)
    assert set(CLASS_EDGES) <= set(edges)
    told = np.exp(-0.5 * (((edges[1:] + edges[:-1]) / 2 - middle) / 0.6) ** 2)
    said = answer_of(told / told.sum(), edges).uncertain_class()
    assert said is None if crossed is None else said.endswith(f"border of {crossed}")
