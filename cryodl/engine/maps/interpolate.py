"""A density map at the voxels of another grid, exactly: one interpolation matrix for each axis."""

from __future__ import annotations

import numpy as np

from .volume import Volume

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
        data = _along(data, axis, _matrix(positions, data.shape[axis], scale))
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


def _along(data, axis, matrix):
    if axis == 2:
        return data @ matrix.T
    if axis == 1:
        return np.matmul(matrix, data)
    flat = matrix @ data.reshape(data.shape[0], -1)
    return flat.reshape(len(matrix), *data.shape[1:])
