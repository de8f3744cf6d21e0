"""A map as the DeepRes network reads it, in training and in use, and the cost of reading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np

from cryodl.features.context import crop_to_molecule, prepare_context
from cryodl.features.local_spectrum import local_features
from cryodl.maps.crop import Box, crop
from cryodl.maps.mask import coarse_mask
from cryodl.maps.normalise import local_normalise
from cryodl.maps.resample import resample
from cryodl.maps.volume import Volume
from cryodl.methods.cost import mean_memory
from cryodl.networks.tiles import TileGrid, fitting_grid, round_up

WHOLE_FEATURES = "whole_features"
STEP = 2  # grid voxels for each that a network reads
# Steps that a network reads around what is asked for, where its receptive field reaches farther:
# what lies beyond changes no answer by more than 0.001 Å.
CONTEXT = 10
FILTER_MARGIN = 24  # grid voxels over which band-pass filters fade


@dataclass(frozen=True)
class Prepared:
    """What a network reads.

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

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape[:3]

    def volume(self, values: np.ndarray) -> Volume:
        """Values (z, y, x) that a network gave, at their place in space."""
        return Volume(np.ascontiguousarray(values), self.voxel_size, self.origin)


def prepare(
    volume: Volume,
    spec: Mapping[str, Any],
    box: Box | None = None,
    molecule: np.ndarray | None = None,
) -> Prepared:
    """Resample a map to the network's grid, normalise it, and keep what the network needs.

    Parameters
    ----------
    volume : density
    spec : of the bundle: voxel_size, normalisation, stride, overlap
    box : (first, last + 1) voxel along z, y, x of `volume`, within which results are wanted; None
        for all
    molecule : ndarray, shape (z, y, x), bool, roughly, where features are of the whole map; not a
        part of it, since the rest would be taken for solvent. None finds it

    Returns
    -------
    Prepared : its window holds `box` and what counts of the network's receptive field around it.
    """
    if box is None:
        box = tuple((0, size) for size in volume.shape)
    parameters = spec["normalisation"].get("parameters", {})
    if spec["normalisation"]["name"] == WHOLE_FEATURES:
        return _of_the_whole(volume, spec, box, molecule, parameters)
    grid = resample(volume, spec["voxel_size"])
    grid = replace(grid, data=local_normalise(grid.data, **parameters))
    read = window(box, volume, grid, spec)
    # Filters reach further than the network: what only they needed is dropped after them.
    wider = window(box, volume, grid, spec, FILTER_MARGIN)
    values = local_features(crop(grid, wider).data)
    kept = tuple(  # at the grid's end also what the features added to it
        slice((r.start - w.start) // STEP, None if r.stop == w.stop else (r.stop - w.start) // STEP)
        for r, w in zip(read, wider)
    )
    middle = (STEP - 1) / 2  # of a step's block, in voxels
    x, y, z = (
        o + (r.start + middle) * grid.voxel_size for o, r in zip(grid.origin, reversed(read))
    )
    data = np.ascontiguousarray(values[kept])
    return Prepared(data, STEP * grid.voxel_size, (x, y, z), grid.voxel_size)


def _of_the_whole(volume, spec, box, molecule, parameters) -> Prepared:
    if molecule is None:
        molecule = coarse_mask(volume)
    flatten = parameters.get("level", True)
    found = prepare_context(volume, spec["voxel_size"], molecule, box=box, flatten=flatten)
    within = tuple((first - s.start, last - s.start) for (first, last), s in zip(box, found.part))
    read = window(within, crop(volume, found.part), found.grid, spec)
    read = tuple(slice(r.start // STEP, -(-r.stop // STEP)) for r in read)
    x, y, z = (o + r.start * found.voxel_size for o, r in zip(found.origin, reversed(read)))
    data = np.ascontiguousarray(found.data[read])
    return Prepared(data, found.voxel_size, (x, y, z), found.grid.voxel_size)


def read_of_the_whole(
    volume: Volume, spec: Mapping[str, Any], molecule: np.ndarray, box: Box
) -> tuple[slice, ...] | None:
    """The part of a map that features of the whole are made of; None where a bundle reads others.

    molecule, box : as `prepare` takes them
    """
    if spec["normalisation"]["name"] != WHOLE_FEATURES:
        return None
    return crop_to_molecule(volume, molecule, box=box)


def window(
    box: Box, volume: Volume, grid: Volume, spec: Mapping, margin: int = 0
) -> tuple[slice, ...]:
    """The part of `grid` that a network reads to answer within `box` of `volume`.

    It starts on a multiple of the network's total stride; one more step on each side serves the
    interpolation back to the grid of `volume`, and `margin` voxels more are added.
    """
    scale = volume.voxel_size / grid.voxel_size
    stride = STEP * spec["stride"]
    margin += STEP * (min(spec["overlap"], CONTEXT) + 1)
    slices = []
    for (first, last), size in zip(box, grid.shape):
        start = floor(first * scale) - margin
        stop = ceil((last - 1) * scale) + 1 + margin
        slices.append(slice(max(0, start // stride * stride), min(size, round_up(stop, stride))))
    return tuple(slices)


# Measured with the shipped networks on two CPU cores (benchmarks/): activations and time for each
# step that the network reads.
BYTES_PER_VOXEL = 1000.0  # step of the network's input
SECONDS_PER_VOXEL = 2.2e-6
# Each grid voxel of which features are made: seconds, bytes.
FEATURE = {
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


class CostEstimate(NamedTuple):
    """What a run will do.

    shape : of the part of the bundle's grid that is read, voxels (z, y, x)
    tiles : in which the network reads it
    seconds, memory_bytes : expected for the whole command
    """

    shape: tuple[int, ...]
    tiles: int
    seconds: float
    memory_bytes: float


def estimate_cost(
    volume: Volume,
    spec: Mapping[str, Any],
    *,
    box: Box | None = None,
    part: tuple[slice, ...] | None = None,
    passes: int = 1,
) -> CostEstimate:
    """Predict time and memory on two CPU cores from the sizes of map and grid.

    Parameters
    ----------
    volume : the map
    spec : of the bundle
    box : of the mask, as `crop.bounding_box` gives it; None where it is not known yet, and the
        whole map is counted
    part : of the map, of which features are made where they are those of the whole molecule
    passes : over which the answer is averaged
    """
    scale = volume.voxel_size / (STEP * spec["voxel_size"])
    full = [max(1, round(n * scale)) for n in volume.shape]
    shape = full
    if box is not None:
        margin = 2 * (min(spec["overlap"], CONTEXT) + spec["stride"])
        margin += (2 * FILTER_MARGIN) // STEP if part is None else 0
        shape = [
            min(n, round((last - first) * scale) + margin) for n, (first, last) in zip(full, box)
        ]
    grid = tile_grid(shape, spec)
    voxels = float(np.prod(volume.shape)) + STEP**3 * float(np.prod(full))
    features = STEP**3 * float(np.prod(shape))
    if part is not None:
        features = float(np.prod([STEP * scale * (s.stop - s.start) for s in part]))
    feature_seconds, feature_bytes = FEATURE[spec["normalisation"]["name"]]
    once = voxels * MAP_SECONDS + features * feature_seconds + grid.read_voxels * SECONDS_PER_VOXEL
    memory = LIBRARY_MEMORY + voxels * MAP_BYTES + features * feature_bytes
    memory += grid.largest_read * BYTES_PER_VOXEL + mean_memory(volume, passes, MEANS)
    return CostEstimate(
        tuple(STEP * n for n in shape), len(grid), START_SECONDS + passes * once, memory
    )


def tile_grid(shape, spec: Mapping[str, Any], device: str = "cpu") -> TileGrid:
    """The tiles in which a network grid of `shape` is predicted."""
    least, most = ACTIVATION_MEMORY[device]
    memory = min(max(least, ACTIVATION_SHARE * 4.0 * float(np.prod(shape))), most)
    return fitting_grid(shape, spec, memory, BYTES_PER_VOXEL)
