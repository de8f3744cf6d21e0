"""What a run of local classes will need, told before the network is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...announce import announce
from ...maps.volume import Volume
from ...tiles import TileGrid, choose_tile
from .prepare import STEP, Prepared

TILE_MEMORY, BYTES_PER_STEP = {"cpu": 1.6e9, "gpu": 1.2e10}, 800.0
# Measured on two CPU cores: each voxel of the map, each of the part that features are made of, each
# step that the network reads.
SECONDS = {"start": 6.0, "voxel": 6e-8, "feature": 2e-7, "step": 1.2e-6}
BYTES = {"library": 0.55e9, "voxel": 10.0, "feature": 30.0}


def tile_grid(prepared: Prepared, spec: Mapping[str, Any], device: str = "cpu") -> TileGrid:
    """The tiles in which what was prepared is predicted."""
    shape, overlap, stride = prepared.data.shape[:3], spec["overlap"], spec["stride"]
    tile = choose_tile(shape, overlap, stride, TILE_MEMORY[device], BYTES_PER_STEP)
    return TileGrid(shape, tile, overlap, stride)


def plan(volume: Volume, prepared: Prepared, spec: Mapping[str, Any]) -> str:
    """What a run will do and need, in one sentence."""
    grid, voxels = tile_grid(prepared, spec), volume.data.size
    shape = tuple(STEP * n for n in prepared.data.shape[:3])
    features = math.prod(shape)
    seconds = SECONDS["start"] + voxels * SECONDS["voxel"] + features * SECONDS["feature"]
    seconds += grid.read_voxels * SECONDS["step"]
    memory = BYTES["library"] + voxels * BYTES["voxel"] + features * BYTES["feature"]
    memory += grid.largest_read * BYTES_PER_STEP
    return announce(volume, spec, shape, len(grid), seconds, memory)
