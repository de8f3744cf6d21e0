"""From a map as it comes to what a network of whole maps reads."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from .masked import resample_both
from .normalise import block_mean
from .parts import Box, bounding_box, cut, significant_box
from .resample import resample_to
from .volume import Volume
from .whole import stack, whole_features

SOLVENT = 16.0  # Å kept around the molecule, as in training
BLOCK = 4.0  # Å; densities are averaged over so much before they are compared with 3 SD


@dataclass(frozen=True)
class WholeInput:
    """What the network reads.

    data : ndarray, shape (z, y, x, channels), float32, on the half grid
    part : of the map, voxels
    voxel_size : between steps of the half grid, Å
    origin : x, y, z of its first step, Å
    grid : density and, roughly, molecule on the network's grid: Volume and ndarray (z, y, x), bool
    """

    data: np.ndarray
    part: tuple[slice, ...]
    voxel_size: float
    origin: tuple[float, float, float]
    grid: Volume
    rough: np.ndarray

    def volume(self, values: np.ndarray) -> Volume:
        """Values (z, y, x) that the network gave, at their place in space."""
        return Volume(np.ascontiguousarray(values), self.voxel_size, self.origin)

    def bring_back(self, values: np.ndarray, volume: Volume) -> np.ndarray:
        """The same at the voxels of the map, (z, y, x); 0 beyond the part that was read."""
        data = np.zeros(volume.shape, np.float32)
        data[self.part] = resample_to(self.volume(values), cut(volume, self.part)).data
        return data


def crop_to_molecule(
    volume: Volume, *masks: np.ndarray, box: Box | None = None
) -> tuple[slice, ...]:
    """The part of a map with the molecule, whatever stands out of the mean ± 3 SD, and solvent.

    The slides take the smallest cube outside which density lies within mean ± 3 SD. Noise alone
    leaves that interval at some voxel of any box, so densities are averaged over 4 Å first; and a
    faint molecule may not leave it at all, so a rough mask has its say.

    volume : density;  masks : ndarrays, shape (z, y, x), bool, that the part is to hold
    box : (first, last + 1) voxel along z, y, x, that it is to hold too
    """
    size = max(1, round(BLOCK / volume.voxel_size))
    coarse = significant_box(block_mean(volume.data, size))
    whole = all(
        (first, last) == (0, -(-n // size)) for (first, last), n in zip(coarse, volume.shape)
    )
    boxes = [bounding_box(inside) for inside in masks if inside.any()]
    boxes += [box] if box else []
    if not whole or not boxes:
        boxes.append(tuple((first * size, last * size) for first, last in coarse))
    margin = ceil(SOLVENT / volume.voxel_size)
    return tuple(
        slice(max(0, min(b[axis][0] for b in boxes) - margin),
              min(n, max(b[axis][1] for b in boxes) + margin))
        for axis, n in enumerate(volume.shape)
    )  # fmt: skip


def prepare_whole(
    volume: Volume,
    voxel_size: float,
    molecule: np.ndarray,
    *masks: np.ndarray,
    box: Box | None = None,
    level: bool = True,
) -> WholeInput:
    """Cut a map to its molecule, bring it to the network's grid and make the features.

    volume : density
    voxel_size : Å, of the network's grid
    molecule : ndarray, shape (z, y, x), bool, roughly
    masks, box : more that the part is to hold, as `crop_to_molecule` takes it
    level : as `whole_features` takes it
    """
    part = crop_to_molecule(volume, molecule, *masks, box=box)
    return _with_features(*on_grid(volume, molecule, part, voxel_size), part, level)


def on_grid(
    volume: Volume, molecule: np.ndarray, part: tuple[slice, ...], voxel_size: float
) -> tuple[Volume, np.ndarray]:
    """A part of a map and of its mask on the network's grid, sizes multiples of four.

    volume : density;  molecule : ndarray, shape (z, y, x), bool, on its grid
    voxel_size : Å, of the network's grid
    """
    grid, rough = resample_both(cut(volume, part), molecule[part], voxel_size)
    data, rough = in_fours(grid.data, rough)
    return Volume(data, grid.voxel_size, grid.origin), rough


def half_grid_origin(grid: Volume) -> tuple[float, float, float]:
    """x, y, z in Å of the half grid's first step: the middle of its block of 2³ voxels."""
    x, y, z = (o + grid.voxel_size / 2 for o in grid.origin)
    return x, y, z


def look_again(given: WholeInput, inside: np.ndarray) -> WholeInput:
    """The same part of the map, its features made with a better mask.

    inside : ndarray, shape of given.data (z, y, x), bool, on the half grid
    """
    for axis in range(3):
        inside = inside.repeat(2, axis)
    return _with_features(given.grid, inside, given.part)


def _with_features(grid, rough, part, level=True) -> WholeInput:
    data = stack(*whole_features(grid.data, grid.voxel_size, rough, level=level))
    return WholeInput(data, part, 2 * grid.voxel_size, half_grid_origin(grid), grid, rough)


def in_fours(data: np.ndarray, *more: np.ndarray) -> tuple[np.ndarray, ...]:
    """Add planes up to multiples of four: mirrored to a density, so that they look like the map; of
    0 to what is told beside it."""
    missing = [(0, -n % 4) for n in data.shape]
    if not any(after for _, after in missing):
        return data, *more
    return np.pad(data, missing, mode="symmetric"), *(np.pad(values, missing) for values in more)
