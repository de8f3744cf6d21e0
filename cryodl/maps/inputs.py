"""The user's input: a map, or a mask that is given or found; read, checked, binarised."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError, counted
from cryodl.maps.mask import check_mask
from cryodl.maps.mrc import check_voxel_size, read_map, read_mask
from cryodl.maps.volume import Volume, in_plain_units

LEAST_EDGE = 8  # voxels
LEAST_INSIDE = 64  # voxels of a mask, in which a resolution is to be measured
FEW = 8  # different values above 0, up to which a map is none of densities
PLATEAU = 0.1  # share of them that are 1, from which what goes from 0 to 1 is a soft mask
# A local resolution is nowhere finer than two voxels. It changes slowly and is 0 beyond the
# molecule, or has steps. Of 268 simulated depositions none is so, though 8-bit ones are positive.
NYQUIST, FILLED, SLOW, STEPS = 1.8, 0.9, 0.05, 64
APART = 0.5  # voxels between origins, from which maps do not lie on each other


def input_map(
    volume: Volume | str | Path, voxel_size: float | None, name: str = "the map"
) -> Volume:
    """The density of the user, in units near 1 (`Volume.unit` leads back to its own).

    volume : Volume, or the path of one
    voxel_size : Å, where the file's header or the Volume is wrong; or None
    name : of the map, for messages

    Raises InputError for what is no map, or holds values that are NaN or infinite.
    """
    volume = input_volume(volume, voxel_size)
    check_density(volume, name)
    return in_plain_units(volume)


def check_density(volume: Volume, name: str = "the map") -> None:
    """Raise InputError for what shows nothing of a molecule, or evidently holds no densities."""
    if min(volume.shape) < LEAST_EDGE:
        raise InputError(
            f"{name} has {volume.size} voxels, and {LEAST_EDGE} along each axis are the least "
            "that show anything: give a larger part of it"
        )
    if volume.data.min() == volume.data.max():
        raise InputError(
            f"{name} is constant: every voxel is {float(volume.data.flat[0]):g}; give a map with "
            "density"
        )
    other = other_than_density(volume)
    if other is not None:
        raise InputError(f"{name} holds {other}, and no density: give the map itself")


def other_than_density(volume: Volume) -> str | None:
    """What a map evidently holds in place of densities, in words; None mostly.

    volume : finite values, as they were stored
    """
    data = volume.data
    low, high = data.min(), data.max()
    if low < 0:
        return None
    sample = data.reshape(-1)[:: max(1, data.size // 200_003)]
    held = sample[sample > 0]
    values = np.unique(held)
    if len(values) <= FEW:  # in the sample: a map may be constant but for a part
        values = np.unique(data[data > 0])
    one = high == 1 and low == 0 and (held == 1).mean() > PLATEAU
    if len(values) <= FEW or one:
        return "few different values, as a mask or a map of classes"
    if values[0] > NYQUIST * volume.voxel_size:
        steps = len(values) <= STEPS and bool((values % 1).any())
        if steps or (held.size <= FILLED * sample.size and _smooth(data)):
            return f"local resolutions, of {values[0]:.3g} to {high:.3g} Å"
    return None


def _smooth(data: np.ndarray) -> bool:
    """Whether neighbours in the molecule hardly differ, by what they are themselves."""
    planes = data[:: max(1, data.size // 2_000_000)]
    first, second = planes[..., :-1], planes[..., 1:]
    both = (first > 0) & (second > 0)
    first, second = first[both], second[both]
    return bool(first.size) and float(np.median(abs(first - second) / (first + second))) < SLOW


def input_volume(volume: Volume | str | Path, voxel_size: float | None) -> Volume:
    """As `input_map`, with values as they are: of resolutions in Å, not of densities."""
    if isinstance(volume, np.ndarray):
        raise InputError(
            f"an array of shape {volume.shape} has no voxel size: give "
            "cryodl.Volume(array, voxel_size), in Å"
        )
    if not isinstance(volume, Volume):
        return read_map(volume, voxel_size)
    if voxel_size is None:
        return volume
    check_voxel_size(voxel_size)
    return replace(volume, voxel_size=voxel_size, header_spacing=None)


def input_mask(mask: Any, volume: Volume) -> tuple[np.ndarray | None, list[str]]:
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
    """As `input_mask`, of a mask that there is: as it was, binarised, and what is unusual."""
    if callable(mask):
        mask = mask(volume)
    notes: list[str] = []
    if isinstance(mask, np.ndarray):
        mask = Volume(mask, volume.voxel_size, volume.origin)
    elif not isinstance(mask, Volume):
        mask, notes = _read_mask(mask, volume)
    if any(mask.origin) and mask.shape == volume.shape:  # many programs write masks without origin
        apart = origins_apart(mask, volume)
        if apart > APART * volume.voxel_size:
            notes.append(
                f"the mask lies {apart:.4g} Å beside the map, by its origin: it is taken voxel by "
                "voxel all the same"
            )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inside = check_mask(mask, volume)
    return mask, inside, notes + [str(warning.message) for warning in caught]


def _read_mask(path: str | Path, volume: Volume) -> tuple[Volume, list[str]]:
    """A mask with the map's voxel size, and a sentence where its header says another."""
    try:
        mask = read_mask(path)
    except InputError:  # its header may be blank; if more is wrong, it is said now
        return read_mask(path, volume.voxel_size), []
    if abs(mask.voxel_size / volume.voxel_size - 1) < 0.01:
        return mask, []
    note = (
        f"the mask's header says voxels of {mask.voxel_size:g} Å, and the map's are of "
        f"{volume.voxel_size:g} Å: it is taken voxel by voxel all the same"
    )
    # read again: where it lies may follow from its voxel size
    return read_mask(path, volume.voxel_size), [note]


def origins_apart(first: Volume, second: Volume) -> float:
    """Å between the origins of two maps, along the axis on which it is most."""
    return max(abs(a - b) for a, b in zip(first.origin, second.origin))


def mask_source(mask: Any) -> str:
    """Whose the mask is, for the statistics; mask : as `input_mask` takes it."""
    if mask is None:
        return "automatic"
    return "network" if callable(mask) else "given"


def mask_weights(mask: Any, volume: Volume) -> tuple[np.ndarray, bool, list[str]]:
    """A mask as weights from 0 to 1, shape (z, y, x); whether it is soft; what is unusual about it.

    mask : Volume, array, path, or a function that finds one;  volume : the map it belongs to

    Raises
    ------
    InputError : it has another grid, is empty, or is a map
    """
    mask, inside, notes = checked_mask(mask, volume)
    low, high = float(mask.data.min()), float(mask.data.max())
    if low < -0.01 or high > 1.01:
        raise InputError(
            f"the mask has values from {low:g} to {high:g}, as a map has: give a mask from 0 to 1, "
            "and check that it was not swapped with a half map"
        )
    if inside.sum() < LEAST_INSIDE:
        raise InputError(
            f"the mask holds {counted(int(inside.sum()), 'voxel')}, and {LEAST_INSIDE} are the "
            "least that tell a resolution: give the mask of the molecule"
        )
    weights = np.clip(mask.data, 0, 1)
    soft = bool(np.mean((weights > 0.01) & (weights < 0.99)) > 1e-4)
    return (weights if soft else inside), soft, notes
