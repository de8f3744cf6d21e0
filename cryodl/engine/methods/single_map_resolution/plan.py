"""What a run on a single map will need, told before the network is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...announce import announce
from ...maps.volume import Volume
from ...tiles import TileGrid, choose_tile
from .prepare import Prepared

BYTES_PER_STEP = 1000.0  # of activations, for each step of the half grid that a tile reads
MEMORY = {"cpu": 0.8e9, "gpu": 12e9}
# Measured on two CPU cores (benchmarks/): each voxel of the map, each of the part that features are
# made of, each step that the network reads.
SECONDS = {"start": 6.0, "voxel": 1.5e-7, "feature": 4e-7, "step": 1.3e-6}
BYTES = {"library": 0.55e9, "voxel": 16.0, "feature": 35.0}


def tile_grid(shape, spec: Mapping[str, Any], device: str = "cpu") -> TileGrid:
    """The tiles in which a half grid of `shape` is predicted."""
    overlap, stride = spec["overlap"], spec["stride"]
    tile = choose_tile(shape, overlap, stride, MEMORY[device], BYTES_PER_STEP)
    return TileGrid(shape, tile, overlap, stride)


def plan(volume: Volume, prepared: Prepared, spec: Mapping[str, Any]) -> str:
    """What a run will do and need, in one sentence."""
    grid = tile_grid(prepared.data.shape[:3], spec)
    features, voxels = prepared.grid.data.size, volume.data.size
    seconds = SECONDS["start"] + voxels * SECONDS["voxel"] + features * SECONDS["feature"]
    seconds += grid.read_voxels * SECONDS["step"]
    memory = BYTES["library"] + voxels * BYTES["voxel"] + features * BYTES["feature"]
    memory += grid.largest_read * BYTES_PER_STEP
    said = announce(volume, spec, prepared.grid.shape, len(grid), seconds, memory)
    return f"{said}; longer where it looks twice"
