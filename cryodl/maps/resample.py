"""Changing the grid of a map: band-limited for densities, linear for maps of resolutions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cryodl.compute.memory import check_memory
from cryodl.compute.parallel import thread_count
from cryodl.errors import InputError
from cryodl.maps.edges import along, half_cosine
from cryodl.maps.volume import Volume

SAME_GRID = 0.01  # relative difference of voxel sizes below which a map is left as it is
TOLERANCE = 0.002  # relative deviation of the achieved spacing from the one asked for
PADDING = 12  # voxels over which the box's end is led back to its beginning
SLAB = 2**19  # voxels transformed at a time: little memory, and it stays in the cache


def resample(volume: Volume, voxel_size: float, *, centred: bool = False) -> Volume:
    """Bring a density map to another voxel size by cropping or padding its Fourier transform.

    A Fourier transform fits only grids of whole numbers of voxels to the box. So each axis is
    padded to a length divisible by one common fraction, which gives the same spacing on all axes
    to within 0.2 % of the one asked for. The padding leads smoothly from the last plane to the
    first, so that opposite borders do not ring into each other, and is cut off afterwards.

    volume : density;  voxel_size : Å, wanted
    centred : put the new grid's middle where the middle of the input's grid lies, and not its first
        voxel on the input's first: a turned map is then brought to the turned grid

    Returns a Volume with the voxel size that was achieved; the input itself if the voxel sizes
    differ by less than 1 %. Raises InputError for a voxel size that is not positive, or a grid that
    memory cannot hold.
    """
    if not (math.isfinite(voxel_size) and voxel_size > 0):
        raise InputError(f"cannot resample to voxels of {voxel_size} Å; give a positive number")
    if abs(voxel_size / volume.voxel_size - 1) < SAME_GRID:
        return volume
    lengths, achieved = _plan(volume.shape, volume.voxel_size, voxel_size)
    check_memory(4.0 * math.prod(new for _, new in lengths), f"a map of {volume.size} voxels of"
                 f" {volume.voxel_size:g} Å is brought to voxels of {voxel_size:g} Å, on grids",
                 "check the voxel size, or crop or bin the map")  # fmt: skip
    data, moved = volume.data, [0.0, 0.0, 0.0]
    for axis, (padded, new) in enumerate(lengths):
        span = (volume.shape[axis] - 1) * volume.voxel_size / achieved
        keep = min(new, math.ceil(span - 1e-6) + 1)
        first = min(0.0, (span - (keep - 1)) / 2) if centred else 0.0
        data = _resample_axis(data, axis, padded, new, keep, first)
        moved[2 - axis] = first * achieved
    x, y, z = (o + d for o, d in zip(volume.origin, moved))
    return replace(
        volume,
        data=data,
        voxel_size=achieved,
        origin=(x, y, z),
        start=(0, 0, 0),
        header_origin=None,
        header_spacing=None,
    )


def resample_to(volume: Volume, like: Volume, order: str = "linear") -> Volume:
    """Values of one map at the voxels of another, by interpolation that never overshoots.

    volume : a smooth map (resolutions, uncertainties) or a mask
    like : Volume, the grid wanted, which is met exactly; its header layout is kept
    order : "linear", or "nearest", which keeps a mask binary

    Voxels outside `volume` take the value at its border. Raises InputError for an unknown order.
    """
    if order not in ("linear", "nearest"):
        raise InputError(f"interpolation {order!r} is unknown; choose linear or nearest")
    steps = [_neighbours(volume, like, axis, order) for axis in range(3)]
    (below_z, above_z, part_z), along_y, along_x = steps
    result = np.empty(like.shape, np.float32)
    # plane by plane: the working memory is that of a few planes, whatever the box
    for k, (below, above, part) in enumerate(zip(below_z, above_z, part_z)):
        plane = volume.data[below]
        if part:
            plane = plane + part * (volume.data[above] - plane)
        plane = _interpolate(plane, 0, *along_y)
        result[k] = _interpolate(plane, 1, *along_x)
    return like.with_data(result)


def _neighbours(volume: Volume, like: Volume, axis: int, order: str):
    """Indices below and above each wanted position along an axis, and the part of the way."""
    first = like.origin[2 - axis] - volume.origin[2 - axis]
    position = (first + np.arange(like.shape[axis]) * like.voxel_size) / volume.voxel_size
    last = volume.shape[axis] - 1
    position = np.clip(position, 0, last)
    if order == "nearest":
        position = np.floor(position + 0.5)
    position = np.where(np.abs(position - np.round(position)) < 1e-5, np.round(position), position)
    below = np.floor(position).astype(np.intp)
    return below, np.minimum(below + 1, last), (position - below).astype(np.float32)


def _interpolate(plane: np.ndarray, axis: int, below, above, part) -> np.ndarray:
    low = plane.take(below, axis)
    if not part.any():
        return low
    rise = plane.take(above, axis)
    rise -= low
    rise *= part[:, None] if axis == 0 else part
    low += rise
    return low


def _plan(shape: tuple[int, ...], old: float, new: float) -> tuple[list[tuple[int, int]], float]:
    """For each axis the padded length and its length on the new grid, and the common spacing.

    Both are multiples of the two terms of one fraction p / q close to new / old. Of all such
    fractions the one with the cheapest transforms is taken.
    """
    fractions = [(p, max(1, round(p * old / new))) for p in range(1, 161)]
    fractions = [(p, q) for p, q in fractions if math.gcd(p, q) == 1]
    error = {(p, q): abs(p * old / (q * new) - 1) for p, q in fractions}
    allowed = max(TOLERANCE, min(error.values()))
    plans = []
    for p, q in fractions:
        if error[p, q] <= allowed:
            lengths = [_cheapest(size + PADDING, p, q) for size in shape]
            plans.append((sum(_cost(a) + _cost(b) for a, b in lengths), old * p / q, lengths))
    _, achieved, lengths = min(plans)
    return lengths, achieved


def _cheapest(least: int, p: int, q: int) -> tuple[int, int]:
    first = -(-least // p)
    multiples = range(first, first + max(1, least // (4 * p)) + 1)
    return min(((k * p, k * q) for k in multiples), key=lambda pair: sum(map(_cost, pair)))


def _cost(length: int) -> int:
    """Operations of a mixed-radix transform: the length times the sum of its prime factors."""
    rest, factors, prime = length, 0, 2
    while rest > 1:
        while rest % prime == 0:
            rest //= prime
            factors += prime
        prime += 1
    return length * factors


def _resample_axis(
    data: np.ndarray, axis: int, padded: int, new: int, keep: int, first: float = 0.0
) -> np.ndarray:
    """Fourier resampling along one axis: from ``padded`` to ``new`` points, ``keep`` returned.

    first : where the first of them lies, in steps of the new grid
    """
    from scipy import fft

    shape = list(data.shape)
    shape[axis] = keep
    result = np.empty(shape, np.float32)
    across = 0 if axis else 1  # slabs are cut across an axis that is not being transformed
    thickness = max(1, SLAB * data.shape[across] // data.size)
    common = min(padded, new)
    for begin in range(0, data.shape[across], thickness):
        part = _part_along(across, slice(begin, begin + thickness))
        wave = fft.rfft(
            _pad(data[part], axis, padded), axis=axis, workers=thread_count(), overwrite_x=True
        )
        wave = wave[_part_along(axis, slice(0, common // 2 + 1))]
        if common % 2 == 0:  # the highest frequency stands for both its signs
            wave[_part_along(axis, slice(common // 2, None))] *= 0.5 if new > padded else 2.0
        if first:
            shift = np.exp(2j * np.pi * first / new * np.arange(common // 2 + 1))
            wave *= along(axis, shift.astype(np.complex64))
        wave *= new / padded
        values = fft.irfft(wave, new, axis=axis, workers=thread_count(), overwrite_x=True)
        result[part] = values[_part_along(axis, slice(0, keep))]
    return result


def _pad(slab: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Lengthen an axis by a half cosine that leads from its last plane back to its first."""
    size = slab.shape[axis]
    shape = list(slab.shape)
    shape[axis] = length
    padded = np.empty(shape, np.float32)
    padded[_part_along(axis, slice(0, size))] = slab
    steps = np.arange(1, length - size + 1) / (length - size + 1)
    weight = along(axis, half_cosine(steps).astype(np.float32))
    first = slab[_part_along(axis, slice(0, 1))]
    last = slab[_part_along(axis, slice(-1, None))]
    padded[_part_along(axis, slice(size, None))] = first + weight * (last - first)
    return padded


def _part_along(axis: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (part,)


REACH = 8  # voxels on either side that a value is interpolated from
SAME = 1e-4  # voxels by which two grids may differ and still be one


def density_at(volume: Volume, like: Volume) -> Volume:
    """Values of a density map on another grid, by windowed sinc functions (Lanczos).

    Where the new grid is coarser, frequencies that it cannot hold are left out. Unlike `resample`
    it reaches any grid, without rounding its spacing.

    Parameters
    ----------
    volume : density, shape (z, y, x)
    like : the grid wanted; its header is kept. Beyond the box of `volume` its border goes on.
    """
    data = volume.data
    for axis in range(3):
        shift = (like.origin[2 - axis] - volume.origin[2 - axis]) / volume.voxel_size
        scale = like.voxel_size / volume.voxel_size
        count = like.shape[axis]
        if count == data.shape[axis] and abs(shift) + abs(scale - 1) * count < SAME:
            continue
        positions = shift + scale * np.arange(count)
        data = _multiply_part_along(data, axis, _matrix(positions, data.shape[axis], scale))
    return like.with_data(data)


def _matrix(positions, size, scale):
    """Weights (positions, size) of the voxels that each position is interpolated from."""
    wide = max(1.0, scale)
    reach = int(np.ceil(REACH * wide))
    first = np.floor(positions).astype(int) - reach + 1
    index = first[:, None] + np.arange(2 * reach)
    away = (index - positions[:, None]) / wide
    weights = np.sinc(away) * np.sinc(np.clip(away / REACH, -1, 1))
    weights /= weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((len(positions), size), np.float32)
    rows = np.repeat(np.arange(len(positions)), index.shape[1])
    np.add.at(matrix, (rows, np.clip(index, 0, size - 1).ravel()), weights.ravel())
    return matrix


def _multiply_part_along(data, axis, matrix):
    if axis == 2:  # one product of matrices: many small ones wait for each other's threads
        return (data.reshape(-1, data.shape[2]) @ matrix.T).reshape(*data.shape[:2], -1)
    if axis == 1:
        return np.matmul(matrix, data)
    flat = matrix @ data.reshape(data.shape[0], -1)
    return flat.reshape(len(matrix), *data.shape[1:])
