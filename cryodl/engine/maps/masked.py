"""Maps that were masked before: what was left, and what was cut away stays away on another grid."""

from __future__ import annotations

import numpy as np

from .parts import bounding_box
from .resample import resample, resample_to
from .volume import Volume

MASKED_OUT = 0.10  # share of one exact value from which it is taken for a masked-out background


def masked_support(data: np.ndarray) -> np.ndarray | None:
    """Voxels that were left when a map was masked, or None if it was not masked.

    Returns
    -------
    ndarray, shape of ``data``, bool, or None
    """
    sample = data.reshape(-1)[:: max(1, data.size // 200_003)]
    values, counts = np.unique(sample, return_counts=True)
    order = np.argsort(counts)[::-1][:3]
    if counts[order[0]] < MASKED_OUT * sample.size:
        return None
    filled = values[order[:1]]
    # a map that was masked with one value may lie in a box made larger with another
    if len(order) > 1 and counts[order[1]] >= MASKED_OUT * (sample.size - counts[order[0]]):
        pair = values[order[:2]]
        filled = pair if _framed(data, *pair) or _framed(data, *pair[::-1]) else filled
    # densities stored as integers repeat too, but then neighbouring values repeat as often
    others = counts[order[len(filled) :]]
    if others.size and others[0] * 5 > counts[order[len(filled) - 1]]:
        return None
    support = ~np.isin(data, filled) if len(filled) > 1 else data != filled[0]
    return support if support.any() else None


def _framed(data: np.ndarray, outer, inner) -> bool:
    """Whether a box holds one value but for a smaller box, whose faces mostly hold another."""
    within = tuple(slice(first, last) for first, last in bounding_box(data != outer))
    box = data[within]
    if box.shape == data.shape:
        return False
    faces = (box[0], box[-1], box[:, 0], box[:, -1], box[:, :, 0], box[:, :, -1])
    return sum(np.count_nonzero(face == inner) for face in faces) > sum(f.size for f in faces) / 2


def outside_value(data: np.ndarray, support: np.ndarray) -> np.floating:
    """What a mask left where it left nothing; support : as from `masked_support`, of `data`."""
    return data.reshape(-1)[np.argmin(support)]


def resample_masked(volume: Volume, voxel_size: float) -> Volume:
    """As `resample.resample`, but where a mask had left nothing there is nothing afterwards either.

    A mask's edge rings when a map is resampled. To whoever compares the molecule with the solvent
    those faint rings are a solvent without noise, and the map the best there could be.

    volume : density;  voxel_size : wanted, Å
    """
    grid = resample(volume, voxel_size)
    support = None if grid is volume else masked_support(volume.data)
    if support is None:
        return grid
    left = resample_to(volume.with_data(support.astype(np.float32)), grid).data > 0.5
    return grid.with_data(np.where(left, grid.data, outside_value(volume.data, support)))


def resample_both(
    volume: Volume, inside: np.ndarray, voxel_size: float
) -> tuple[Volume, np.ndarray]:
    """A map as from `resample_masked`, and a mask of it on the same grid.

    volume : density;  inside : ndarray, shape (z, y, x), bool;  voxel_size : wanted, Å
    """
    grid = resample_masked(volume, voxel_size)
    if grid is not volume:
        inside = resample_to(volume.with_data(inside), grid).data > 0.5
    return grid, inside


def masked_as(changed: np.ndarray, before: np.ndarray) -> np.ndarray:
    """A map that was filtered, with nothing where a mask had left nothing before.

    changed, before : ndarray, of one shape
    """
    support = masked_support(before)
    if support is None:
        return changed
    return np.where(support, changed, outside_value(before, support))
