"""Whether a map was brought to finer voxels by repeating its own, or by lines between them.

Such a map holds no more than the coarser one did, but its spectrum does not end: repeated voxels
and straight lines have images at all frequencies. In space they show: whole planes are equal to
the one before them, or are the mean of their neighbours. The latter only where the voxels of both
grids lie on each other: lines that are cut anywhere else are not seen.
"""

from __future__ import annotations

import numpy as np

from .volume import Volume

LEAST = 0.3  # share of planes, along every axis, from which it is no chance
ROUNDING = 2e-5  # of a plane's spread, by which a mean may be off
LINES = 7  # of a plane, that are looked at first


def coarser_by(volume: Volume) -> float:
    """How much larger the voxels were that a map comes from; 1 where nothing shows it.

    volume : density, any scale and offset
    """
    repeated = min(_share(volume.data, axis, _repeated) for axis in range(3))
    straight = 0.0
    if repeated < LEAST:
        straight = min(_share(volume.data, axis, _straight) for axis in range(3))
    share = max(repeated, straight)
    return 1 / (1 - share) if LEAST <= share < 0.95 else 1.0


def _share(data: np.ndarray, axis: int, holds) -> float:
    """Share of the planes across an axis for which something holds, of those that are not even."""
    planes = np.moveaxis(data, axis, 0)
    told = counted = 0
    for k in range(1, len(planes) - 1):
        step = max(1, planes.shape[1] // LINES)
        lines = planes[k - 1 : k + 2, ::step]
        if lines[1].min() == lines[1].max():  # nothing but what a mask left
            continue
        spread = float(lines[1].std())
        counted += 1
        told += bool(holds(lines, spread) and holds(planes[k - 1 : k + 2], spread))
    return told / counted if counted > 8 else 0.0


def _repeated(three: np.ndarray, spread: float) -> bool:
    return np.array_equal(three[0], three[1])


def _straight(three: np.ndarray, spread: float) -> bool:
    off = np.abs(three[1] - (three[0] + three[2]) / 2)
    return float(off.max()) < ROUNDING * spread and not np.array_equal(three[0], three[2])
