"""What the user gives: a map, or a mask that is given or found; read, checked, binarised."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .mask import check_mask
from .mrc_io import read_map
from .volume import Volume


def given_map(volume: Volume | str | Path, voxel_size: float | None) -> Volume:
    """The map of the user.

    volume : Volume, or the path of one
    voxel_size : Å, where the file's header or the Volume is wrong; or None
    """
    if not isinstance(volume, Volume):
        return read_map(volume, voxel_size)
    if voxel_size is None:
        return volume
    return replace(volume, voxel_size=voxel_size, header_spacing=None)


def given_mask(mask: Any, volume: Volume) -> tuple[np.ndarray | None, list[str]]:
    """The mask of the user, and what is unusual about it.

    mask : None, Volume, ndarray (z, y, x), path, or a function that finds one in a Volume
    volume : the map that it belongs to

    Raises InputError where it does not fit.
    """
    if mask is None:
        return None, []
    _, inside, notes = checked_mask(mask, volume)
    return inside, notes


def checked_mask(mask: Any, volume: Volume) -> tuple[Volume, np.ndarray, list[str]]:
    """As `given_mask`, of a mask that there is: as it was, binarised, and what is unusual."""
    if callable(mask):
        mask = mask(volume)
    if isinstance(mask, np.ndarray):
        mask = Volume(mask, volume.voxel_size)
    elif not isinstance(mask, Volume):
        mask = read_map(mask, volume.voxel_size)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inside = check_mask(mask, volume)
    return mask, inside, [str(warning.message) for warning in caught]


def mask_origin(mask: Any) -> str:
    """Whose the mask is, for the statistics; mask : as `given_mask` takes it."""
    if mask is None:
        return "automatic"
    return "network" if callable(mask) else "given"
