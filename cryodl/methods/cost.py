"""Cost of a run: what it will do and need, in one sentence before it starts; a timer of stages."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cryodl.errors import counted
from cryodl.features.context import ContextFeatures
from cryodl.maps.volume import Volume
from cryodl.networks.architectures import is_backbone
from cryodl.networks.tiles import TileGrid, fitting_grid


def cost_sentence(
    volume,
    spec: Mapping[str, Any],
    shape: Sequence[int],
    tiles: int,
    seconds: float,
    memory: float,
    *,
    words: str = "",
    passes: int = 1,
) -> str:
    """The sentence for a network's run.

    volume : the map;  spec : of the bundle
    shape : of the part of the network's grid that is read, voxels (z, y, x)
    tiles : in which it is read;  seconds, memory : expected of the whole command on two CPU cores;
        memory in bytes
    words : put before the bundle's name
    passes : over which the answer is averaged, one for each rotation of the map
    """
    grid = " x ".join(str(n) for n in reversed(shape))
    often = f", in {passes} rotations" if passes > 1 else ""
    return (
        f"map of {volume.size} voxels of {volume.voxel_size:g} Å; {words}bundle "
        f"{spec['name']}; grid of {grid} voxels of {spec['voxel_size']:g} Å in "
        f"{counted(tiles, 'tile')}{often}; {needs(seconds, memory)}"
    )


def mean_memory(volume, passes: int, means: int) -> float:
    """Bytes of the maps that are kept while passes over a map are averaged."""
    return 4.0 * means * volume.data.size if passes > 1 else 0.0


def needs(seconds: float, memory: float) -> str:
    """Time and memory (bytes) in words."""
    return f"about {seconds:.0f} s and {memory / 1e9:.1f} GB of memory on two CPU cores"


class Timer:
    """Seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str):
        start = time.perf_counter()
        yield
        spent = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.seconds[name] = round(spent, 3)


TILE_MEMORY = {"cpu": 0.7e9, "gpu": 1.2e10}
# Measured on two CPU cores: each voxel of the map, each of the part that features are made of, each
# step that the network reads.
SECONDS = {"start": 2.0, "voxel": 1.5e-7, "feature": 4e-7, "step": 2.3e-6}
BYTES = {"start": 0.2e9, "voxel": 16.0, "feature": 35.0, "step": 1000.0}
# Of a backbone: of a step that it reads; what a tile may take.
OF_BACKBONE = {"seconds": 6e-6, "bytes": 2800.0, "memory": 1.2e9}


def _costs(spec: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float], float]:
    """SECONDS and BYTES of a bundle's network, and the memory that a tile may take in any case."""
    if not is_backbone(spec["network"]):
        return SECONDS, BYTES, 0.0
    seconds, needed, memory = (OF_BACKBONE[name] for name in ("seconds", "bytes", "memory"))
    return {**SECONDS, "step": seconds}, {**BYTES, "step": needed}, memory


def tile_grid(prepared: ContextFeatures, spec: Mapping[str, Any], device: str = "cpu") -> TileGrid:
    """The tiles in which what was prepared is predicted."""
    _, needed, memory = _costs(spec)
    memory = max(memory, TILE_MEMORY[device])
    return fitting_grid(prepared.data.shape[:3], spec, memory, needed["step"])


def cost_estimate(
    volume: Volume,
    prepared: ContextFeatures,
    spec: Mapping[str, Any],
    *,
    passes: int = 1,
    means: int = 0,
) -> str:
    """What a run will do and need, in one sentence.

    passes : over which the answer is averaged;  means : maps kept meanwhile
    """
    grid, shape = tile_grid(prepared, spec), prepared.grid.shape
    seconds, needed, _ = _costs(spec)
    counts = {"voxel": volume.data.size, "feature": math.prod(shape)}
    once = sum(seconds[name] * n for name, n in {**counts, "step": grid.read_voxels}.items())
    space = sum(needed[name] * n for name, n in {**counts, "step": grid.largest_read}.items())
    return cost_sentence(
        volume, spec, shape, len(grid), seconds["start"] + passes * once,
        needed["start"] + space + mean_memory(volume, passes, means), passes=passes,
    )  # fmt: skip
