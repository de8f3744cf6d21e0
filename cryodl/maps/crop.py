"""Boxes around what matters in a map: finding them, cropping to them, pasting results back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cryodl.maps.resample import resample_to
from cryodl.maps.volume import Volume

Box = tuple[tuple[int, int], ...]

DEVIATIONS = 3.0  # of the density around its mean, within which noise and molecule look alike


def significant_box(data: np.ndarray) -> Box:
    """The smallest box outside which every density lies within mean ± 3 SD (CryoRes, slides).

    data : ndarray, shape (z, y, x)
    Returns (first, last + 1) along z, y, x; the whole box where no density leaves the interval.
    """
    mean, spread = float(data.mean(dtype=np.float64)), float(data.std(dtype=np.float64))
    beyond = np.abs(data - np.float32(mean)) > DEVIATIONS * spread
    if not beyond.any():
        return tuple((0, n) for n in data.shape)
    return bounding_box(beyond)


def bounding_box(mask: np.ndarray) -> Box:
    """(first, last + 1) voxel that is true, along z, y, x; mask : ndarray of bool, not empty."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(i for i in range(3) if i != axis)))
        box.append((int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)


def box_around(mask: np.ndarray, margin: int = 0, largest: int | None = None) -> tuple[slice, ...]:
    """Slices along z, y, x that hold a mask and a margin, as far as the map goes.

    mask : ndarray, shape (z, y, x), bool, not empty;  margin : voxels
    largest : voxels along an axis, of which the middle is taken where there are more
    """
    part = []
    for (first, last), size in zip(bounding_box(mask), mask.shape):
        first, last = max(0, first - margin), min(size, last + margin)
        if largest is not None and last - first > largest:
            first += (last - first - largest) // 2
            last = first + largest
        part.append(slice(first, last))
    return tuple(part)


def crop(volume: Volume, part: tuple[slice, ...]) -> Volume:
    """A part of a map, at its place in space."""
    shift = [s.start * volume.voxel_size for s in reversed(part)]
    origin = tuple(o + d for o, d in zip(volume.origin, shift))
    data = np.ascontiguousarray(volume.data[part])
    return replace(volume, data=data, origin=origin, start=(0, 0, 0), header_origin=None)


def paste(part: Volume, volume: Volume, inside: np.ndarray, box: Box) -> Volume:
    """Values on the network's grid, at the voxels of the map; 0 outside the mask."""
    place = tuple(slice(first, last) for first, last in box)
    data = np.zeros(volume.shape, np.float32)
    data[place] = resample_to(part, crop(volume, place)).data
    data *= inside
    return volume.with_data(data)
