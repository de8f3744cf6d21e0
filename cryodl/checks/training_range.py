"""Wider intervals where a map lies outside of what a network was trained on.

An interval is calibrated on maps like those of the training, and says nothing of others. A bundle
tells in its spec what these were, as "trained": {"voxel_sizes": [finest, coarsest] in Å, "kinds":
of KINDS, "widening": factor}; one without it keeps its intervals. The factors are a judgement and
not a measurement: they say that an interval may not be trusted, not by how much it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cryodl.checks.noise import CLEAN
from cryodl.checks.quiet import Rim
from cryodl.maps.mask import existing_mask, outside_value
from cryodl.maps.volume import Volume

SIZES = 0.5, 2.0  # of the grid's voxel size, of maps that are brought to it without much loss
WIDENING = 1.5  # for each reason, where the spec tells no other
MOST = 2.5  # for all reasons
AT_END, NEAR = 2.0, 0.02  # for voxels that lie within a share of the ends of the trained range
THRESHOLDED = 0.001  # share of densities below the constant, up to which these were taken away
KINDS = {
    "clean": "without noise",
    "quiet rim": "quiet beyond a sphere or cylinder",
    "thresholded": "whose low densities were taken away",
    "masked": "that was masked",
}


def trained_on(
    voxel_size: float, kinds: list[str], sizes: list[float] | None = None
) -> dict[str, Any]:
    """A spec's entry: maps of these kinds, beside those with noise all around.

    voxel_size : Å, of the network's grid;  kinds : of KINDS
    sizes : (finest, coarsest) Å, voxels of the maps; None is half to twice the grid's
    """
    sizes = sizes or [voxel_size * factor for factor in SIZES]
    return {"voxel_sizes": sizes, "kinds": kinds, "widening": WIDENING}


def kind_of(volume: Volume, rim: Rim | None, notes: list[str]) -> str | None:
    """Which of KINDS a map is, or None for one with noise all around.

    volume : density, as it was given;  rim : of it;  notes : what `check_map` said of it
    """
    if CLEAN in notes:
        return "clean"
    if rim is not None:
        return "quiet rim"
    support = existing_mask(volume.data)
    if support is None:
        return None
    below = volume.data[support] < outside_value(volume.data, support)
    return "thresholded" if below.mean() < THRESHOLDED else "masked"


def beyond_training(spec: Mapping[str, Any], volume: Volume, kind: str | None) -> list[str]:
    """Why a map is none of those that a network was trained on, in plain words; mostly nothing.

    spec : of the bundle;  volume : density;  kind : as `kind_of` finds it
    """
    trained = spec.get("trained")
    if trained is None:
        return []
    said = []
    finest, coarsest = trained.get("voxel_sizes", (0.0, np.inf))
    if not finest <= volume.voxel_size <= coarsest:
        said.append(f"of {volume.voxel_size:g} Å voxels (trained: {finest:g}-{coarsest:g} Å)")
    if kind is not None and kind not in trained.get("kinds", KINDS):
        said.append(KINDS[kind])
    return said


def widening(spec: Mapping[str, Any], reasons: list[str], values: np.ndarray) -> np.ndarray:
    """By what factor intervals are wider, ndarray (n,), 1 where all is as in training.

    reasons : as from `beyond_training`;  values : ndarray (n,), resolution in Å before it is
        brought to what the map can hold; those at the ends of the trained range may lie beyond
    """
    factor = np.ones(values.shape, np.float32)
    trained = spec.get("trained")
    if trained is None:
        return factor
    factor *= min(MOST, float(trained.get("widening", WIDENING)) ** len(reasons))
    best, worst = spec["resolution_limits"]
    factor[(values <= best * (1 + NEAR)) | (values >= worst * (1 - NEAR))] *= AT_END
    return np.minimum(factor, np.float32(MOST))


def widening_warning(reasons: list[str], factor: np.ndarray) -> str | None:
    """A sentence on intervals that are wider, or None.

    reasons : as from `beyond_training`;  factor : as from `widening`
    """
    if not reasons:
        return None
    return (
        f"the network was not trained on maps {' and '.join(reasons)}: its intervals are "
        f"{float(factor.min()):.3g} times as wide, and what it says is less certain still"
    )
