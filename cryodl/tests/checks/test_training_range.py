"""Intervals are wider where a map is none of those that a network was trained on."""

import numpy as np
import pytest

from cryodl.checks.input import beyond_training, kind_of, widening, widening_warning
from cryodl.checks.noise import CLEAN
from cryodl.maps.volume import Volume
from cryodl.networks.bundle import load_bundle

SPEC = {
    "resolution_limits": [2.5, 13.0],
    "trained": {"voxel_sizes": [0.5, 2.0], "kinds": ["masked"], "widening": 1.5},
}
VALUES = np.array([2.5, 5.0, 13.0])


def noise():
    return np.random.default_rng(0).normal(size=(32,) * 3)


def test_kinds_of_maps():
    data = noise()
    assert kind_of(Volume(data, 1.0), None, []) is None
    assert kind_of(Volume(data, 1.0), None, [CLEAN]) == "clean"
    data[:16] = 0
    assert kind_of(Volume(data, 1.0), None, []) == "masked"
    assert kind_of(Volume(np.maximum(noise(), 0), 1.0), None, []) == "thresholded"
    assert kind_of(Volume(data, 1.0), object(), []) == "quiet rim"


@pytest.mark.parametrize(
    ("voxel", "kind", "factor"),
    [(1.0, None, 1.0), (1.0, "masked", 1.0), (3.0, "masked", 1.5), (1.0, "clean", 1.5),
     (0.4, "clean", 2.25)],
)  # fmt: skip
def test_each_reason_widens(voxel, kind, factor):
    reasons = beyond_training(SPEC, Volume(noise(), voxel), kind)
    found = widening(SPEC, reasons, VALUES)
    assert found[1] == pytest.approx(factor)
    assert found[0] == found[2] == pytest.approx(min(2.5, 2 * factor))
    said = widening_warning(reasons, found)
    assert (said is None) == (factor == 1)
    assert said is None or f"{factor:.3g} times as wide" in said


def test_a_bundle_without_the_entry_keeps_its_intervals():
    older = {"resolution_limits": [2.5, 13.0]}
    reasons = beyond_training(older, Volume(noise(), 9.0), "clean")
    assert reasons == [] and np.all(widening(older, reasons, VALUES) == 1)


@pytest.mark.parametrize("name", ["deepres-low", "deepres-high", "cryores-single"])
def test_shipped_bundles_tell_what_they_were_trained_on(name):
    spec = load_bundle(name).spec
    finest, coarsest = spec["trained"]["voxel_sizes"]
    assert finest <= spec["voxel_size"] <= coarsest
    assert beyond_training(spec, Volume(noise(), spec["voxel_size"]), None) == []
    assert beyond_training(spec, Volume(noise(), 6.0), "quiet rim")
