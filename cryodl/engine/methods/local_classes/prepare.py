"""From a map as it comes to what the network of local classes reads."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from ...maps.features import local_features
from ...maps.normalise import local_normalise
from ...maps.parts import CONTEXT, Box, cut
from ...maps.resample import resample
from ...maps.volume import Volume

STEP = 2  # voxels of the grid for a step of the network
FILTER_MARGIN = 24  # voxels over which filters and normalisation fade


@dataclass(frozen=True)
class Prepared:
    """What the network reads of a map.

    Attributes
    ----------
    data : ndarray, shape (z, y, x, channels), float32
    voxel_size : between its steps, Å
    origin : x, y, z of its first step, Å
    grid_voxel_size : Å, of the density it was made of, as achieved
    """

    data: np.ndarray
    voxel_size: float
    origin: tuple[float, float, float]
    grid_voxel_size: float

    def volume(self, values: np.ndarray) -> Volume:
        """Values (z, y, x) that the network gave, at their place in space."""
        return Volume(np.ascontiguousarray(values), self.voxel_size, self.origin)


def prepare(volume: Volume, box: Box, voxel_size: float, overlap: int) -> Prepared:
    """Cut a map to what is asked for, bring it to the network's grid, and make its features.

    volume : density
    box : (first, last + 1) voxel along z, y, x within which classes are wanted
    voxel_size : Å, of the network's grid
    overlap : steps of the network that it sees around one
    """
    reach = STEP * (min(overlap, CONTEXT) + 1) + FILTER_MARGIN
    margin = ceil(reach * voxel_size / volume.voxel_size)
    part = tuple(slice(max(0, first - margin), last + margin) for first, last in box)
    grid = resample(cut(volume, part), voxel_size)
    # what only the filters needed is dropped after them
    drop = FILTER_MARGIN // STEP
    kept = tuple(
        slice(drop * (s.start > 0), -drop if s.stop < n else None)
        for s, n in zip(part, volume.shape)
    )
    data = np.ascontiguousarray(local_features(local_normalise(grid.data))[kept])
    x, y, z = (  # (STEP - 1) / 2: the middle of a step's block
        o + (STEP * s.start + (STEP - 1) / 2) * grid.voxel_size
        for o, s in zip(grid.origin, reversed(kept))
    )
    return Prepared(data, STEP * grid.voxel_size, (x, y, z), grid.voxel_size)
