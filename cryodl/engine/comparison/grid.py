"""Local-resolution maps brought onto one grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..maps.resample import resample_to
from ..maps.resolution_map import ResolutionMap
from ..maps.volume import Volume

SAME_VOXELS = 0.01  # relative difference of voxel sizes that is not worth a word
SAME_BOX = 1.5  # coarser voxels by which edges of a box may differ: grids hold whole voxels


def to_grid(found: ResolutionMap, like: Volume, *, name: str = "the map") -> ResolutionMap:
    """A local-resolution map on the grid of another map of the same box.

    Where numbers of voxels agree, so do the grids: packages write neither voxel size nor origin
    reliably, and what the headers say otherwise is a warning. Otherwise values are interpolated
    between voxels of known resolution.

    Parameters
    ----------
    found : as from `read_resolution`
    like : the grid wanted
    name : of the map, for messages

    Raises
    ------
    InputError : the numbers of voxels differ, and so do the boxes in size, or in place where both
        have an origin
    """
    volume = found.resolution
    said: list[str] = []
    shift = [a - b for a, b in zip(volume.origin, like.origin)]
    coarser = max(volume.voxel_size, like.voxel_size)
    apart = any(volume.origin) and any(like.origin) and max(map(abs, shift)) > coarser
    if volume.shape == like.shape:
        if abs(volume.voxel_size / like.voxel_size - 1) > SAME_VOXELS:
            said.append(f"the header of {name} says voxels of {volume.voxel_size:g} Å; the other"
                        f" map's {like.voxel_size:g} Å are taken")
        if apart:
            said.append(f"the header of {name} says origin {_triple(volume.origin)} Å; the other"
                        f" map's {_triple(like.origin)} Å is taken")
        resolution, mask = like.with_data(volume.data), found.mask
    else:
        if max(abs(a - b) for a, b in zip(volume.box, like.box)) > SAME_BOX * coarser:
            raise InputError(f"{name} has {volume.size} voxels of {volume.voxel_size:g} Å and the"
                             f" other map {like.size} of {like.voxel_size:g} Å: their boxes"
                             " differ; give maps of one box")
        if apart:
            raise InputError(f"{name} lies elsewhere: its origin is {_triple(volume.origin)} Å and"
                             f" the other map's {_triple(like.origin)} Å; give maps of one box")
        said.append(f"{name} was interpolated from voxels of {volume.voxel_size:g} Å to"
                    f" {like.voxel_size:g} Å")
        placed = replace(volume, origin=like.origin)
        weight = resample_to(placed.with_data(found.mask.astype(np.float32)), like).data
        value = resample_to(placed, like).data
        mask = weight > 0.5
        data = np.zeros(like.shape, np.float32)
        data[mask] = value[mask] / weight[mask]  # a mean of the known neighbours alone
        resolution = like.with_data(data)
    return replace(found, resolution=resolution, mask=mask, warnings=(*found.warnings, *said))


def _triple(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"
