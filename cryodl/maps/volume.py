"""A density map: its voxels, where they lie in space, and densities in units near 1."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cryodl.errors import InputError, counted

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Volume:
    """A map on a grid of cubic voxels.

    The voxel ``data[k, j, i]`` is centred at ``origin + voxel_size * (i, j, k)``.

    Parameters
    ----------
    data : ndarray, shape (z, y, x), float32
        Densities; other numeric types are converted.
    voxel_size : float
        Edge of a voxel in Å.
    origin : tuple (x, y, z)
        Position in Å of the voxel ``data[0, 0, 0]``.
    axis_order : tuple (mapc, mapr, maps)
        How the file stores the axes (1 = x, 2 = y, 3 = z); used when the map is written.
    start : tuple of int (nxstart, nystart, nzstart)
        The header's start indices along the file's columns, rows and sections, written back as
        they were read.
    header_origin : tuple (x, y, z), optional
        The header's ORIGIN in Å, written back together with ``start`` as long as they agree with
        ``origin``; else ``origin`` is written and the start indices are zero.
    header_spacing : tuple (x, y, z), optional
        The header's voxel edges in Å where they differ a little (below 1 %), written back as they
        were read.
    unit : float
        What a density of 1 here is in the input, where `unit.in_plain_units` divided by it.
    mended : int
        Voxels whose values could not be densities and were taken from their neighbours.

    Raises
    ------
    InputError
        If the data are not three-dimensional or the voxel size is not a positive number.

    Examples
    --------
    >>> volume = Volume(np.zeros((2, 3, 4)), 1.5, origin=(10, 20, 30))
    >>> volume.shape, volume.size, volume.box
    ((2, 3, 4), '4 x 3 x 2', (6.0, 4.5, 3.0))
    >>> volume.with_data(np.ones((2, 2, 2)))
    Traceback (most recent call last):
    cryodl.errors.InputError: data of shape (2, 2, 2) do not fit a grid of (2, 3, 4)
    """

    data: np.ndarray
    voxel_size: float
    origin: Triple = (0.0, 0.0, 0.0)
    axis_order: tuple[int, int, int] = (1, 2, 3)
    start: tuple[int, int, int] = (0, 0, 0)
    header_origin: Triple | None = None
    header_spacing: Triple | None = None
    unit: float = 1.0
    mended: int = 0

    def __post_init__(self) -> None:
        if np.ma.is_masked(self.data):
            raise InputError("a map needs all its values, and some are masked: fill the array")
        try:
            data = np.asarray(self.data)
        except ValueError:  # lists of several lengths
            raise InputError("a map needs rows of one length along each axis") from None
        if data.dtype.kind not in "bifu":
            raise InputError(f"a map needs numbers that are real; received {data.dtype}")
        data = data.astype(np.float32, copy=False)
        if data.ndim != 3 or data.size == 0:
            raise InputError(f"a map needs three axes (z, y, x); received shape {data.shape}")
        if not (_is_number(self.voxel_size) and self.voxel_size > 0):
            raise InputError(f"voxel size {self.voxel_size} is not a positive number; give it in Å")
        if np.shape(self.origin) != (3,) or not all(_is_number(value) for value in self.origin):
            raise InputError(f"origin {self.origin} is not three numbers x, y, z; give them in Å")
        if sorted(map(str, self.axis_order)) != ["1", "2", "3"]:
            raise InputError(f"axis_order {self.axis_order} is no order of 1, 2 and 3 (x, y, z)")
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "voxel_size", float(self.voxel_size))
        object.__setattr__(self, "origin", tuple(float(value) for value in self.origin))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (z, y, x)."""
        z, y, x = self.data.shape
        return z, y, x

    @property
    def size(self) -> str:
        """Voxels in words, x first, as sizes are quoted: "158 x 140 x 116"."""
        return " x ".join(str(count) for count in reversed(self.data.shape))

    @property
    def box(self) -> Triple:
        """Edges of the box along (x, y, z) in Å."""
        z, y, x = self.data.shape
        return x * self.voxel_size, y * self.voxel_size, z * self.voxel_size

    def with_data(self, data: np.ndarray) -> Volume:
        """Other values on this grid, written with the same header.

        data : ndarray, shape (z, y, x) of this volume, or else InputError
        """
        if np.shape(data) != self.shape:
            raise InputError(f"data of shape {np.shape(data)} do not fit a grid of {self.shape}")
        return replace(self, data=data)


def _is_number(value: Any) -> bool:
    number = np.asarray(value)
    return number.ndim == 0 and number.dtype.kind in "iuf" and bool(np.isfinite(number))


PLAIN = 10  # binary orders of magnitude from 1 within which densities are left as they are
SAMPLE = 200_003  # voxels from which the size of densities is measured
MOST = 0.999  # share of them that counts for it
HOT = 100.0  # times what MOST of the voxels stay below
ALONE = 30.0  # times the median of its neighbours, from which on a voxel stands alone
FEW = 1e-4  # share of the box: more is density, not a defect
FURTHEST = 1e15  # times the spread: the square of more is beyond float32, and no density


def in_plain_units(volume: Volume) -> Volume:
    """A density whose spread is between 0.001 and 1000, and without hot voxels.

    Returns the volume itself where there is nothing to change.

    Raises InputError for values that are NaN or infinite.
    """
    data = volume.data
    lowest, highest = float(data.min()), float(data.max())
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        count = int(data.size - np.isfinite(data).sum())
        are = "values that are" if count > 1 else "value that is"
        raise InputError(f"the map has {count} {are} NaN or infinite; mend the map first")
    middle, spread, most = _size(data)
    if spread <= 0:
        return volume
    if max(highest - middle, middle - lowest) > HOT * most:
        data, mended = _without_hot(data, middle, most)
        volume = replace(volume, data=data, mended=volume.mended + mended)
    _check_span(data, spread)
    exponent = round(math.log2(spread))
    if abs(exponent) <= PLAIN:
        return volume
    exponent = min(max(exponent, -126), 126)
    unit = 2.0**exponent
    return replace(volume, data=data * np.float32(1 / unit), unit=volume.unit * unit)


def _check_span(data: np.ndarray, spread: float) -> None:
    """Raise InputError where values lie so far beyond the spread that no density does."""
    furthest = max(abs(float(data.min())), abs(float(data.max())))
    if not furthest <= FURTHEST * spread:
        far = np.abs(data) > np.float32(min(FURTHEST * spread, 3e38))
        raise InputError(
            f"the map has {counted(int(far.sum()), 'value')} beyond {FURTHEST:g} times the others,"
            f" up to {furthest:.3g}: no density is so; mend the map first"
        )


def as_given(volume: Volume) -> Volume:
    """A density in the unit of the input."""
    if volume.unit == 1:
        return volume
    return replace(volume, data=volume.data * np.float32(volume.unit), unit=1.0)


def spread(data: np.ndarray) -> float:
    """Root mean square of most densities about their median; 0 where they are all the same.

    data : ndarray, shape (z, y, x), float32, any scale
    """
    return _size(data)[1]


def _size(data: np.ndarray) -> tuple[float, float, float]:
    """Median, spread, and the distance from the median that most of the voxels stay below."""
    sample = data.reshape(-1)[:: max(1, data.size // SAMPLE)].astype(np.float64)
    middle = float(np.median(sample))
    away = _most(np.abs(sample - middle))
    if not away.max() > 0:  # nearly all of the box holds one value: the rest tells
        away = np.abs(data[data != np.float32(middle)].astype(np.float64) - middle)
        away = _most(away) if away.size else np.zeros(1)
    largest = float(away.max())
    if not largest > 0:
        return middle, 0.0, 0.0
    away /= largest  # squares of 1e-200 would vanish in float64, too
    return middle, largest * math.sqrt(float(np.mean(away * away))), largest


def _most(values: np.ndarray) -> np.ndarray:
    """The smallest MOST of some values, in any order."""
    count = max(1, int(MOST * values.size))
    return np.partition(values, count - 1)[:count]


def _without_hot(data: np.ndarray, middle: float, most: float) -> tuple[np.ndarray, int]:
    """Voxels that stand alone far beyond all others take the median of their neighbours."""
    with np.errstate(over="ignore"):
        far = np.argwhere(np.abs(data - np.float32(middle)) > HOT * most)
    if len(far) > max(8, FEW * data.size):
        return data, 0
    found = []
    for place in far:
        near = data[tuple(slice(max(0, i - 1), i + 2) for i in place)]
        value = float(np.median(near))
        if abs(float(data[tuple(place)]) - middle) > ALONE * max(abs(value - middle), most):
            found.append((tuple(place), value))
    if not found:
        return data, 0
    data = data.copy()
    for index, value in found:
        data[index] = value
    return data, len(found)
