"""Roughly where the molecule is, by a rule that sharpening and noise hardly change.

`mask.automatic_mask` draws a border that fits; in noise that was sharpened it may take the noise
for molecule. Here the map is blurred further and the threshold is a share of what stands out most:
fewer masks are quite wrong, and more are too wide.
"""

from __future__ import annotations

import numpy as np

from .mask import _drop_islands, _enlarge
from .masked import masked_support, outside_value
from .normalise import block_mean
from .volume import Volume

COARSE = 2.0  # Å, voxel size to which the map is binned
BLUR = 4.0  # Å, SD of the Gaussian
HIGHEST = 99.6  # percentile of the blurred density that stands for the molecule's
SHARE = 0.3  # of the way from the background to it
CLOSE = 2  # coarse voxels, of clefts that are closed


def rough_molecule(volume: Volume) -> np.ndarray:
    """Roughly the molecule: ndarray, shape (z, y, x), bool; never empty.

    volume : density, higher in the molecule than around it; any scale and offset
    """
    from scipy import ndimage

    factor = max(1, round(COARSE / volume.voxel_size))
    width = BLUR / (factor * volume.voxel_size)
    blurred = ndimage.gaussian_filter(block_mean(volume.data, factor), width, mode="nearest")
    support = masked_support(volume.data)
    if support is None:
        left, background = np.ones(blurred.shape, bool), np.median(blurred)
    else:
        left = block_mean(support.astype(np.float32), factor) > 0.5
        background = outside_value(volume.data, support)
    sample = blurred.reshape(-1)[:: max(1, blurred.size // 1_000_003)]
    highest = np.percentile(sample, HIGHEST)
    found = (blurred > background + SHARE * (highest - background)) & left
    if not found.any():
        return np.ones(volume.shape, bool) if support is None else support
    found = _drop_islands(found)
    grown = ndimage.binary_dilation(found, iterations=CLOSE)
    found |= ndimage.binary_erosion(grown, iterations=CLOSE, border_value=1)
    return _enlarge(ndimage.binary_fill_holes(found), factor, volume.shape)
