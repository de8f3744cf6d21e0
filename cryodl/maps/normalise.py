"""Local normalisation: what makes a network's answer independent of density scale and offset.

Density is compared with its own neighbourhood: the local mean is taken away and the local root mean
square divided out, both under a Gaussian window wide enough to leave all features that carry a
resolution. A weakly occupied domain then looks like a strong one, and the empty parts of a masked
map stay empty.
"""

from __future__ import annotations

import numpy as np

from cryodl.maps.edges import along

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
    x = from_background(data)
    x -= window_mean(x, window)
    mean_square = coarse_window(x * x, window)
    largest = float(mean_square.max())
    if largest <= 0:
        return np.zeros_like(x)
    mean_square = 1 / np.sqrt(mean_square + floor**2 * largest)
    x *= refine(mean_square, x.shape, _COARSE)
    return x


def from_background(data):
    """A map from its median, in units of the farthest value; squares of 1e-25 would vanish.

    data : ndarray, shape (z, y, x), any scale and offset
    Returns ndarray, shape (z, y, x), float32, within -1 and 1; zeros where the map is flat.
    """
    x = np.subtract(data, np.float32(np.median(data[::4, ::4, ::4])), dtype=np.float32)
    farthest = max(float(x.max()), -float(x.min()))
    if farthest > 0:
        x *= np.float32(1 / farthest)
    return x


def window_mean(x, window):
    """Gaussian window mean, ndarray (z, y, x); window : standard deviation, voxels"""
    return refine(coarse_window(x, window), x.shape, _COARSE)


def coarse_window(x, window):
    """Gaussian window mean on the coarse grid; the map's edge values continue beyond its border."""
    from scipy.ndimage import gaussian_filter

    coarse = block_mean(x, _COARSE)
    return gaussian_filter(coarse, window / _COARSE, mode="nearest", truncate=3.0)


def block_mean(x, size):
    """Means of blocks of `size`³ voxels; blocks at the far border may be smaller."""
    for axis, length in enumerate(x.shape):
        before = (slice(None),) * axis
        sums = x[before + (slice(0, None, size),)].astype(np.float32)
        for shift in range(1, min(size, length)):
            part = x[before + (slice(shift, None, size),)]
            sums[before + (slice(0, part.shape[axis]),)] += part
        counts = np.minimum(size, length - np.arange(0, length, size)).astype(np.float32)
        sums /= along(axis, counts)
        x = sums
    return x


def refine(coarse, shape, size):
    """Linear interpolation from the middles of blocks of `size`³ voxels back to voxels."""
    for axis in (2, 1, 0):  # the largest step last, along whole planes
        count, length = shape[axis], coarse.shape[axis]
        position = (np.arange(count, dtype=np.float32) + 0.5) / size - 0.5
        position = np.clip(position, 0, length - 1)
        low = np.minimum(position.astype(np.intp), max(length - 2, 0))
        high = np.minimum(low + 1, length - 1)
        fraction = (position - low).astype(np.float32)
        first = np.take(coarse, low, axis=axis)
        coarse = np.take(coarse, high, axis=axis)
        coarse -= first
        coarse *= along(axis, fraction)
        coarse += first
    return coarse
