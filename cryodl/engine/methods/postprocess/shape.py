"""What is done to an enhanced map: small pieces removed, and the user's own density kept."""

from __future__ import annotations

import numpy as np

from ...maps.sharpen import match_spectrum
from ...maps.volume import Volume

SURFACE = 1.0  # density of enhanced maps (root mean square of molecules) at which they are shown
EDGE = 3.0  # Å over which protected density gives way to enhanced one
REACH = 3  # voxels around a removed piece that go with it


def protect(enhanced: Volume, density: Volume, inside: np.ndarray) -> Volume:
    """Keep the input's density in a region, sharpened to match what surrounds it.

    enhanced, density : Volume, on one grid: the network's answer, and the input, background 0
    inside : ndarray, shape (z, y, x), bool, the region
    """
    from scipy.ndimage import gaussian_filter

    shown = np.abs(enhanced.data) > 0.3 * SURFACE
    shown = shown if shown.any() else inside
    kept = match_spectrum(density, enhanced, mask=shown | inside)
    width = EDGE / 2 / enhanced.voxel_size
    weight = np.minimum(2 * gaussian_filter(inside.astype(np.float32), width, truncate=3.0), 1)
    return enhanced.with_data(enhanced.data + weight * (kept.data - enhanced.data))


def remove_small(
    data: np.ndarray, fraction: float, *, keep: np.ndarray | None = None
) -> tuple[np.ndarray, int]:
    """Remove connected pieces smaller than a fraction of the largest one.

    data : ndarray, shape (z, y, x), an enhanced map
    fraction : of the largest piece's voxels; 0 removes nothing
    keep : ndarray, shape (z, y, x), bool, whose pieces stay

    Returns (map, number of pieces removed).
    """
    from scipy import ndimage

    labels, count = ndimage.label(data > 0.5 * SURFACE, np.ones((3, 3, 3)))
    if fraction <= 0 or count < 2:
        return data, 0
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    small = sizes < fraction * sizes.max()
    small[0] = False
    if keep is not None:
        small[np.unique(labels[keep])] = False
    if not small.any():
        return data, 0
    near = ndimage.binary_dilation(small[labels], iterations=REACH)
    left = ndimage.binary_dilation((labels > 0) & ~small[labels], iterations=REACH)
    return np.where(near & ~left, np.float32(0), data), int(small.sum())
