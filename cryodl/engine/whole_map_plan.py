"""What a run of a network that reads whole maps will need, told before it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .announce import announce, expected
from .maps.volume import Volume
from .maps.whole_input import WholeInput
from .tiles import TileGrid, fitting_grid

TILE_MEMORY = {"cpu": 0.7e9, "gpu": 1.2e10}
# Measured on two CPU cores: each voxel of the map, each of the part that features are made of, each
# step that the network reads.
SECONDS = {"start": 2.0, "voxel": 1.5e-7, "feature": 4e-7, "step": 2.3e-6}
BYTES = {"start": 0.2e9, "voxel": 16.0, "feature": 35.0, "step": 1000.0}


def tile_grid(prepared: WholeInput, spec: Mapping[str, Any], device: str = "cpu") -> TileGrid:
    """The tiles in which what was prepared is predicted."""
    return fitting_grid(prepared.data.shape[:3], spec, TILE_MEMORY[device], BYTES["step"])


def plan(
    volume: Volume,
    prepared: WholeInput,
    spec: Mapping[str, Any],
    *,
    passes: int = 1,
    means: int = 0,
) -> str:
    """What a run will do and need, in one sentence.

    passes, means : as `announce.expected` takes them
    """
    grid = tile_grid(prepared, spec)
    shape = prepared.grid.shape
    needs = expected(volume, shape, grid, SECONDS, BYTES, passes=passes, means=means)
    return announce(volume, spec, shape, len(grid), *needs, passes=passes)
