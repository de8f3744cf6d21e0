"""Prediction of CryoRes: mask, local and global resolution from what the network gives.

Channels are read over the whole map, islands and holes of the mask are mended, and the network
reads once more with its own mask where the coarse one was wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.features.context import ContextFeatures, refresh_features
from cryodl.maps.mask import drop_islands, fill_holes
from cryodl.maps.normalise import block_mean
from cryodl.methods.cost import tile_grid
from cryodl.networks.architectures import reads_and_answers
from cryodl.networks.tiles import predict_tiled

# Channels of the network's answer, as `networks.cryores.build_single_map` has it.
MASK, LOCAL, LOCAL_SD, RATIO, RATIO_SD, GLOBAL, COUNTS, ASPECT = range(8)  # a backbone's the last
CHANNELS = 7  # without it
INSIDE = 0.5  # probability above which a voxel is in the molecule
STEP = 0.001  # by which a probability is at least on its side of the border


@dataclass(frozen=True)
class Prediction:
    """What one map's network answer says, on the half grid.

    inside : ndarray (z, y, x), bool
    probability : ndarray (z, y, x), of being in the molecule
    resolution, deviation : ndarray (z, y, x), Å
    whole : Å, of the whole map
    aspect : ndarray (z, y, x), Å, aspect resolution; None of a network that does not know it
    """

    inside: np.ndarray
    probability: np.ndarray
    resolution: np.ndarray
    deviation: np.ndarray
    whole: float
    aspect: np.ndarray | None


def read_prediction(predicted: np.ndarray, spec: Mapping[str, Any]) -> Prediction:
    """Read the network's answer for a whole map.

    predicted : ndarray, shape (z, y, x, CHANNELS), or two more of a backbone
    spec : of the bundle: local, "alone", "relative" (global x ratio, the slides' way) or "both",
        which weighs the two by their variances; resolution_limits; mask_threshold, the network's
        probability at which the molecule begins (0.5 without it)
    """
    whole = global_resolution(predicted)
    resolution, deviation = local_resolution(predicted, whole, spec["local"])
    best, worst = spec["resolution_limits"]
    resolution, whole = np.clip(resolution, best, worst), min(max(whole, best), worst)
    probability = centred(predicted[..., MASK], spec.get("mask_threshold", INSIDE))
    inside = molecule(probability)
    # Dropped islands and filled holes keep their side of the border when it is drawn more finely.
    probability = np.where(
        inside, np.maximum(probability, INSIDE + STEP), np.minimum(probability, INSIDE - STEP)
    )
    aspect = None
    if predicted.shape[-1] > ASPECT:
        aspect = np.clip(predicted[..., ASPECT], best, worst)
    return Prediction(inside, probability, resolution, deviation, whole, aspect)


def centred(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Probabilities stretched so that the molecule begins at a half.

    threshold : where it begins in the network's answer, as measured on validation maps
    """
    return np.interp(probability, [0, threshold, 1], [0, INSIDE, 1]).astype(np.float32)


def global_resolution(predicted: np.ndarray) -> float:
    """Resolution of the whole map (Å): the mean of what all voxels say of it, by their weights."""
    weight = predicted[..., COUNTS].astype(np.float64)
    total = max(float(weight.sum()), 1e-30)
    return float(np.exp(float((weight * predicted[..., GLOBAL]).sum()) / total))


def local_resolution(predicted: np.ndarray, whole: float, how: str):
    """Local resolution and its standard deviation, two ndarrays (z, y, x), Å."""
    alone = predicted[..., LOCAL], predicted[..., LOCAL_SD]
    if how == "alone":
        return alone
    relative = whole * predicted[..., RATIO], whole * predicted[..., RATIO_SD]
    if how == "relative":
        return relative
    first, second = (1 / np.maximum(sd, 1e-3) ** 2 for _, sd in (alone, relative))
    mean = (first * alone[0] + second * relative[0]) / (first + second)
    return mean, np.sqrt(2 / (first + second))  # the two are about one piece of evidence


def molecule(probability: np.ndarray, threshold: float = INSIDE) -> np.ndarray:
    """The molecule: probable voxels without small islands, holes filled; ndarray, bool."""
    return fill_holes(drop_islands(probability > threshold))


AGREE = 0.6  # intersection over union of two masks below which the map is looked at again
LEAST = 200  # steps of the half grid below which there is no molecule


def predict(
    prepared: ContextFeatures,
    spec: Mapping[str, Any],
    model: Any,
    *,
    batch_size: int = 1,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Prediction, int]:
    """Ask the network; once more with its own mask, where the coarse one was wrong.

    Returns the answer and the number of passes.
    """
    passes = 0
    while True:
        passes += 1
        predicted = predict_tiled(
            prepared.data,
            model.predict_on_batch,
            tile_grid(prepared, spec, device),
            channels=reads_and_answers(spec["network"])["network"][2],
            batch_size=batch_size,
            progress=progress,
        )
        prediction = read_prediction(predicted, spec)
        coarse = block_mean(prepared.coarse_mask.astype(np.float32), 2) > 0.5
        if (
            passes == 2
            or prediction.inside.sum() < LEAST
            or overlap(coarse, prediction.inside) > AGREE
        ):
            return prediction, passes
        prepared = refresh_features(prepared, prediction.inside)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two masks, ndarrays of bool; 1 of two empty ones."""
    either = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / either if either else 1.0
