"""Local normalisation: what makes a network's answer independent of density scale and offset.

Density is compared with its own neighbourhood: the local mean is taken away and the local root mean
square divided out, both under a Gaussian window wide enough to leave all features that carry a
resolution. A weakly occupied domain then looks like a strong one, and the empty parts of a masked
map stay empty.
"""

from __future__ import annotations

import numpy as np

WINDOW = 8.0  # standard deviation of the window, voxels of the network's grid
FLOOR = 0.05  # of the largest local RMS: below it density counts as empty
_COARSE = 4  # the window is smooth, so it is applied on a grid this much coarser


def local_normalise(data, *, window=WINDOW, floor=FLOOR):
    """Subtract the local mean and divide by the local root mean square.

    data : ndarray, shape (z, y, x), any scale and offset
    window : float, standard deviation of the Gaussian window, voxels
    floor : float, share of the map's largest local RMS that is added (in squares) to the divisor

    Returns ndarray, shape (z, y, x), float32; exactly 0 where the map is flat over the window.
    """
    offset = np.float32(np.median(data[::4, ::4, ::4]))
    x = np.subtract(data, offset, dtype=np.float32)
    scale = max(float(x.max()), -float(x.min()))
    if scale <= 0:
        return x
    x *= np.float32(1 / scale)  # squares of densities such as 1e-25 would vanish
    x -= _window_mean(x, window)
    mean_square = _coarse_window(x * x, window)
    largest = float(mean_square.max())
    if largest <= 0:
        return np.zeros_like(x)
    mean_square = 1 / np.sqrt(mean_square + floor**2 * largest)
    x *= refine(mean_square, x.shape, _COARSE)
    return x


def _window_mean(x, window):
    return refine(_coarse_window(x, window), x.shape, _COARSE)


def _coarse_window(x, window):
    """Gaussian window mean on the coarse grid; the map's edge values continue beyond its border."""
    from scipy.ndimage import gaussian_filter

    coarse = block_mean(x, _COARSE)
    return gaussian_filter(coarse, window / _COARSE, mode="nearest", truncate=3.0)


def block_mean(x, size):
    """Means of blocks of `size`³ voxels; blocks at the far border may be smaller."""
    for axis in range(3):
        starts = np.arange(0, x.shape[axis], size)
        sums = np.add.reduceat(x, starts, axis=axis, dtype=np.float32)
        counts = np.diff(np.append(starts, x.shape[axis])).astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = -1
        x = sums / counts.reshape(shape)
    return x


def refine(coarse, shape, size):
    """Linear interpolation from the middles of blocks of `size`³ voxels back to voxels."""
    for axis, count in enumerate(shape):
        position = (np.arange(count, dtype=np.float32) + 0.5) / size - 0.5
        position = np.clip(position, 0, coarse.shape[axis] - 1)
        low = np.minimum(position.astype(np.intp), max(coarse.shape[axis] - 2, 0))
        high = np.minimum(low + 1, coarse.shape[axis] - 1)
        fraction_shape = [1, 1, 1]
        fraction_shape[axis] = -1
        fraction = (position - low).astype(np.float32).reshape(fraction_shape)
        first = np.take(coarse, low, axis=axis)
        coarse = first + fraction * (np.take(coarse, high, axis=axis) - first)
    return coarse
