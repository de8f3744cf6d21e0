"""What a run will need, told before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...announce import announce, mean_memory
from ...maps.parts import Box
from ...maps.volume import Volume
from ...tiles import TileGrid, fitting_grid
from .prepare import CONTEXT, FILTER_MARGIN, step_of

# Measured with the shipped networks on two CPU cores (benchmarks/): activations and time for each
# step that the network reads.
BYTES_PER_VOXEL = 1000.0  # step of the network's input
SECONDS_PER_VOXEL = {"cpu": 2.2e-6, "gpu": 1e-8}
# Each grid voxel of which features are made: seconds, bytes.
FEATURE = {
    "local_normalise": (0.0, 0.0),
    "local_features": (2e-7, 30.0),
    "whole_features": (4e-7, 35.0),
}
MEANS = 3  # maps kept while passes are averaged: the map turned, and two means
START_SECONDS = 2.0  # of the library that computes, and the figures
LIBRARY_MEMORY = 0.15e9
MAP_SECONDS = 6e-8  # reading, masking, normalising, writing: for each voxel of either grid
MAP_BYTES = 10.0  # alive at once, for each voxel of either grid

# Large tiles overlap less and so take less time: activations may take ACTIVATION_SHARE times the
# map's own bytes, within these limits.
ACTIVATION_SHARE = 5.0
ACTIVATION_MEMORY = {"cpu": (1.1e9, 2.4e9), "gpu": (8e9, 16e9)}


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes
    ----------
    shape : of the part of the bundle's grid that is read, voxels (z, y, x)
    tile : steps of the network written at a time
    tiles : their number
    passes : over which the answer is averaged
    seconds, memory_bytes : expected for the whole command
    """

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    tiles: int
    seconds: float
    memory_bytes: float
    passes: int = 1

    def describe(self, volume: Volume, spec: Mapping[str, Any]) -> str:
        """One sentence for the terminal or the log."""
        best, worst = spec["resolution_limits"]
        words = f"range {spec['range']} ({best:g}-{worst:g} Å); "
        return announce(
            volume, spec, self.shape, self.tiles, self.seconds, self.memory_bytes, words=words,
            passes=self.passes,
        )  # fmt: skip


def plan_local_resolution(
    volume: Volume,
    spec: Mapping[str, Any],
    *,
    box: Box | None = None,
    part: tuple[slice, ...] | None = None,
    device: str = "cpu",
    passes: int = 1,
) -> Plan:
    """Predict time and memory from the sizes of map and grid.

    Parameters
    ----------
    volume : the map
    spec : of the bundle
    box : of the mask, as `parts.bounding_box` gives it; None where it is not known yet, and the
        whole map is counted
    part : of the map, of which features are made where they are those of the whole molecule
    device : "cpu" or "gpu"
    passes : over which the answer is averaged
    """
    step = step_of(spec)
    scale = volume.voxel_size / (step * spec["voxel_size"])
    full = [max(1, round(n * scale)) for n in volume.shape]
    shape = full
    if box is not None:
        margin = 2 * (min(spec["overlap"], CONTEXT) + spec["stride"])
        margin += (2 * FILTER_MARGIN) // step if part is None else 0
        shape = [
            min(n, round((last - first) * scale) + margin) for n, (first, last) in zip(full, box)
        ]
    grid = tile_grid(shape, spec, device)
    voxels = float(np.prod(volume.shape)) + step**3 * float(np.prod(full))
    features = step**3 * float(np.prod(shape))
    if part is not None:
        features = float(np.prod([step * scale * (s.stop - s.start) for s in part]))
    feature_seconds, feature_bytes = FEATURE[spec["normalisation"]["name"]]
    return Plan(
        tuple(step * n for n in shape),
        grid.tile,
        len(grid),
        START_SECONDS
        + passes
        * (
            voxels * MAP_SECONDS
            + features * feature_seconds
            + grid.read_voxels * SECONDS_PER_VOXEL[device]
        ),
        LIBRARY_MEMORY
        + voxels * MAP_BYTES
        + features * feature_bytes
        + grid.largest_read * BYTES_PER_VOXEL
        + mean_memory(volume, passes, MEANS),
        passes,
    )


def tile_grid(shape, spec: Mapping[str, Any], device: str = "cpu") -> TileGrid:
    """The tiles in which a network grid of `shape` is predicted."""
    least, most = ACTIVATION_MEMORY[device]
    memory = min(max(least, ACTIVATION_SHARE * 4.0 * float(np.prod(shape))), most)
    return fitting_grid(shape, spec, memory, BYTES_PER_VOXEL)
