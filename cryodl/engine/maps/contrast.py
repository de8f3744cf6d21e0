"""Whether a map shows a molecule at all, and as a map should: denser than what is around it."""

from __future__ import annotations

import numpy as np

from .masked import outside_value
from .normalise import block_mean
from .surrogates import SKEWNESS as ASKEW
from .surrogates import coarse_blocks, differences, is_ordered
from .volume import Volume

BLOCK = 8.0  # Å; densities are averaged over so much, where a molecule is more than its atoms
LEAST = 500  # blocks from which a distribution can be told, 30 where a mask tells the outside
LEAST_MASKED = 30
SKEWNESS = -1.0  # ten real maps have 0.7 to 7
CORNERS = -0.5  # standard deviations from the median, of solvent in the corners of a box
FEW_BELOW, FEW_SKEWNESS = -0.08, -0.3  # of the voxels of a small masked molecule
BELOW = -0.5  # standard deviations; masked maps have 0.1 to 5
# Standard deviations from noise of the same spectrum: sixty maps of noise, white or smoothed or
# low-passed or rounded, have 3.5 at most, unmasked real and simulated maps 8 and more.
AS_NOISE, AGAINST = 4.5, -6.0

INVERTED = (
    "the contrast looks inverted, the molecule less dense than what is around it: multiply the map "
    "by -1, what is said of it as it is means nothing"
)
NOISE = (
    f"no molecule stands out of the noise: averaged over {BLOCK:g} Å the densities spread as noise "
    "of the same spectrum does; what is said of the map means nothing"
)


def contrast_warning(volume: Volume, support: np.ndarray | None) -> str | None:
    """A sentence where a map looks inverted, or like noise alone.

    support : ndarray (z, y, x), bool, as `masked_support` finds it, or None
    """
    size = max(1, round(BLOCK / volume.voxel_size))
    blocks = block_mean(volume.data, size).astype(np.float64)
    if support is not None:
        held = blocks[block_mean(support.astype(np.float32), size) > 0.9]
        outside = float(outside_value(volume.data, support))
        if held.size < LEAST_MASKED:  # of a small molecule the voxels tell, though less surely
            return INVERTED if _all_below(volume.data[support] - outside) else None
        if not held.std() > 0:
            return None
        return INVERTED if (held.mean() - outside) / held.std() < BELOW else None
    away = blocks - np.median(blocks)
    spread = float(blocks.std())
    if not spread > 0:
        return None
    away /= spread
    coarse = coarse_blocks(volume.data, volume.voxel_size)
    apart = differences(coarse)
    askew = away.size >= LEAST and np.mean(away**3) < SKEWNESS
    if apart is not None:
        faint = apart[ASKEW].max() < 0 and apart[ASKEW].min() < AGAINST
        if not askew and not faint and np.abs(apart).max() < AS_NOISE:
            return None if is_ordered(coarse) else NOISE
        askew |= faint
    # a molecule that fills more than half of the box has a tail below, too: its solvent
    return INVERTED if askew and _corners(away).mean() > CORNERS else None


def _all_below(values: np.ndarray) -> bool:
    """Whether densities lie below what is around them, their tail, too.

    values : ndarray (n,), less what is around them; masked real maps have means of 0
        standard deviations and skewnesses of 0.4 at least
    """
    values = values.astype(np.float64)
    spread = float(values.std())
    if not spread > 0:
        return False
    away = (values - values.mean()) / spread
    return bool(values.mean() / spread < FEW_BELOW and np.mean(away**3) < FEW_SKEWNESS)


def _corners(blocks: np.ndarray) -> np.ndarray:
    """The eight corners of an array, a tenth of each edge wide."""
    ends = [np.r_[: max(1, n // 10), -max(1, n // 10) : 0] for n in blocks.shape]
    return blocks[np.ix_(*ends)]
