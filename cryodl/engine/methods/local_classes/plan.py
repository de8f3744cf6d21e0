"""What a run of local classes will need, told before the network is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...announce import announce
from ...maps.volume import Volume
from ...tiles import TileGrid, choose_tile
from .prepare import STEP, Prepared

TILE_MEMORY, BYTES_PER_STEP = {"cpu": 1.6e9, "gpu": 1.2e10}, 800.0
# Measured on two CPU cores: of every voxel of the map, and every step that the network reads.
START_SECONDS, SECONDS_PER_VOXEL, SECONDS_PER_STEP = 6.0, 2.5e-7, 1.3e-6
LIBRARY_MEMORY, BYTES_PER_VOXEL = 0.55e9, 30.0


def tile_grid(prepared: Prepared, spec: Mapping[str, Any], device: str = "cpu") -> TileGrid:
    """The tiles in which what was prepared is predicted."""
    shape, overlap, stride = prepared.data.shape[:3], spec["overlap"], spec["stride"]
    tile = choose_tile(shape, overlap, stride, TILE_MEMORY[device], BYTES_PER_STEP)
    return TileGrid(shape, tile, overlap, stride)


def plan(volume: Volume, prepared: Prepared, spec: Mapping[str, Any]) -> str:
    """What a run will do and need, in one sentence."""
    grid, voxels = tile_grid(prepared, spec), volume.data.size
    seconds = START_SECONDS + voxels * SECONDS_PER_VOXEL + grid.read_voxels * SECONDS_PER_STEP
    memory = LIBRARY_MEMORY + voxels * BYTES_PER_VOXEL + grid.largest_read * BYTES_PER_STEP
    shape = tuple(STEP * n for n in prepared.data.shape[:3])
    return announce(volume, spec, shape, len(grid), seconds, memory)
