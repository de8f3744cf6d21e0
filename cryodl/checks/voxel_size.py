"""Whether a map's voxel size can be right, by how large its features are.

A small network reads `voxel_size_features` and gives a distribution over the factor by which the
voxel size is too large. It has learnt from simulated experiments whose voxel size was changed
(training.voxel_size), and its threshold is set so that few right maps are warned of. It is asked
where it has learnt only: at other voxel sizes, and of maps without detail, it would be sure of
anything.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np

from cryodl.checks.voxel_size_network import (
    FACTORS,
    LARGEST,
    MARGIN,
    RADII,
    proven_weights,
    voxel_size_features,
)
from cryodl.features.local_spectrum import BANDS, band_centres
from cryodl.maps.crop import box_around, crop
from cryodl.maps.mask import coarse_mask, resample_with_mask
from cryodl.maps.volume import Volume

WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "voxel_size.npz"
CLEARLY = 0.09  # of the factor's logarithm: less is not worth a word
GRID = 1.0  # Å
VOXELS = 0.75, 1.8  # Å, of the maps that were trained on
DETAIL = 11.5, 3.0  # Å, of the bands of which one is to stand out of the solvent
STANDS_OUT = 1.1  # logarithm of the power in the molecule over that in the solvent
SMALLEST = 10_000.0  # Å³ of molecule, below which its statistics tell nothing


def voxel_size_factor(volume: Volume, inside: np.ndarray | None = None):
    """By what factor a voxel size seems to be too large, and how sure that is.

    volume : density;  inside : ndarray (z, y, x), bool, roughly the molecule; None finds it

    Returns (factor, probability that the voxel size is clearly wrong).
    """
    if inside is None:
        inside = coarse_mask(volume)
    return _factor(read_features(volume, inside))


def _factor(features: np.ndarray) -> tuple[float, float]:
    probability = predict(features)
    logarithm = np.log(FACTORS)
    wrong = float(wrongness(probability))
    side = np.sign(float((probability * logarithm).sum()))
    share = probability * (side * logarithm > CLEARLY)
    if share.sum() <= 0:
        return 1.0, wrong
    return float(np.exp((share * logarithm).sum() / share.sum())), wrong


def voxel_size_warning(volume: Volume, inside: np.ndarray | None = None) -> str | None:
    """A sentence where the features of a map do not fit its voxel size, with the evidence.

    volume, inside : as in `voxel_size_factor`

    None where they fit, where it cannot be told (a voxel size or a resolution beyond those that
    were trained on, a molecule that is too small), and where the package was installed without the
    weights.
    """
    finest, coarsest = VOXELS
    if not WEIGHTS.is_file() or not finest <= volume.voxel_size <= coarsest:
        return None
    if inside is None:
        inside = coarse_mask(volume)
    if np.count_nonzero(inside) * volume.voxel_size**3 < SMALLEST:
        return None
    features = read_features(volume, inside)
    factor, wrong = _factor(features)
    if wrong < threshold() or not shows_detail(features):
        return None
    size = "large" if factor > 1 else "small"
    fitting = volume.voxel_size / factor
    return (
        f"the features of the map look too {size} for its voxel size of {volume.voxel_size:g} Å "
        f"(probability {wrong:.0%}); they would fit about {fitting:.2f} Å: check it, and give the "
        "true one with --voxel-size"
    )


def shows_detail(features: np.ndarray) -> bool:
    """Whether a molecule shows more than about 11 Å: otherwise nothing tells the size of features.

    features : ndarray (NUMBERS,), as from `read_features`
    """
    if not features[-1]:  # no solvent is left to compare with: a map that was cut out
        return True
    told = features[len(RADII) + 2 * BANDS : -1] * 4  # as voxel_size_features stores it
    coarsest, finest = DETAIL
    seen = (band_centres() * coarsest >= GRID) & (band_centres() * finest <= GRID)
    return bool(told[seen].max() > STANDS_OUT)


def predict(features: np.ndarray, weights=None) -> np.ndarray:
    """Probabilities of FACTORS: ndarray (..., len(FACTORS)) from features (..., NUMBERS).

    weights : those of a network that is not shipped, or None
    """
    if weights is None:
        weights = _weights()
    x = (features - weights["mean"]) / weights["sd"]
    for layer in range(int(weights["layers"])):
        x = x @ weights[f"kernel{layer}"] + weights[f"bias{layer}"]
        if layer < int(weights["layers"]) - 1:
            x = np.maximum(x, 0)
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def wrongness(probability: np.ndarray) -> np.ndarray:
    """Probability that a voxel size is clearly wrong: ndarray (...) from what `predict` gives."""
    return probability[..., np.abs(np.log(FACTORS)) > CLEARLY].sum(axis=-1)


def threshold() -> float:
    """Probability from which a voxel size is called wrong."""
    return float(_weights()["threshold"])


def read_features(volume: Volume, inside: np.ndarray) -> np.ndarray:
    """What the network reads: ndarray (NUMBERS,).

    volume : density;  inside : ndarray (z, y, x), bool, roughly the molecule; not empty
    """
    reach = ceil(MARGIN * GRID / volume.voxel_size)
    most = ceil(LARGEST * GRID / volume.voxel_size)
    part = box_around(inside, reach, most)
    grid, near = resample_with_mask(crop(volume, part), inside[part], GRID)
    return voxel_size_features(grid.data, near if near.any() else np.ones_like(near))


@lru_cache(maxsize=1)
def _weights():
    return proven_weights(WEIGHTS, predict)
