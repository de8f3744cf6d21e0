"""What a network reads of a whole map: its density, levelled or as it is, and what all of it tells.

Besides the channels of `features` there are: the density at 10 Å, in units of the molecule's; the
local power; and, the same everywhere, by how much every band is stronger in the molecule than in
the solvent, where solvent is left. The last is what a resolution of one map without a mask can be
told by: signal is in the molecule alone, noise everywhere.
"""

from __future__ import annotations

import numpy as np

from .features import BAND_FLOOR, BANDS, CHANNELS, band_powers, space_to_depth
from .level import level_spectrum
from .masked import masked_support
from .normalise import (
    FLOOR,
    WINDOW,
    _coarse_window,
    _window_mean,
    block_mean,
    from_background,
    refine,
)
from .rough import rough_molecule
from .volume import Volume

EXTRA = 2 + BANDS + 1
WHOLE_CHANNELS = CHANNELS + EXTRA
AWAY = 8  # voxels from the molecule at which solvent begins
FEW = 0.02  # share of the box below which what is left of the solvent tells nothing
# Contrast in every band from which on the solvent was emptied: simulated maps reach 0.35, or more
# when low-passed far below their resolution, where the solvent tells nothing either.
QUIET = 0.6
COARSE = 2.5  # voxels, SD of the Gaussian that takes a map to about 10 Å


def whole_features(
    density: np.ndarray,
    voxel_size: float,
    inside: np.ndarray | None = None,
    *,
    level: bool = True,
    threads: int | None = None,
):
    """Features on the half grid, from a map on the network's grid.

    density : ndarray, shape (z, y, x), sizes multiples of four, any scale and offset
    voxel_size : Å
    inside : ndarray (z, y, x), bool, roughly the molecule; None finds it
    level : bring the radial spectrum to one course first; without, what was sharpened looks so
    threads : bands worked on at a time; None takes two, or one where the map is large

    Returns (normalised, bands, extra): the density as the network reads it, (z, y, x), float32; the
    bands, (z / 2, y / 2, x / 2, BANDS), of the local power; the other channels, (z / 2, y / 2,
    x / 2, EXTRA).
    """
    if inside is None:
        inside = rough_molecule(Volume(density, voxel_size))
    shown = level_spectrum(density, inside) if level else _in_spreads(density, inside)
    normalised, power = _normalise(shown)
    bands = band_powers(normalised, threads=threads)
    inner = block_mean(inside, 2)
    extra = np.empty((*bands.shape[:3], EXTRA), np.float32)
    extra[..., 0] = _at_10(density, inner)
    power = np.log(block_mean(power, 2) + 1e-6)
    middle = np.median(power[inner > 0.5]) if (inner > 0.5).any() else 0.0
    extra[..., 1] = np.clip((power - middle) / 4, -1, 1)
    extra[..., 2:] = _contrast(density, inside, inner, bands, power)
    return normalised, bands, extra


def stack(normalised, bands, extra):
    """The channels together: (z / 2, y / 2, x / 2, WHOLE_CHANNELS)."""
    return np.concatenate([space_to_depth(normalised), bands, extra], axis=-1, dtype=np.float32)


def _in_spreads(density, inside):
    """A map from its median, in units of its standard deviation in the molecule."""
    shown = from_background(density)
    spread = float(shown[inside].std()) if inside.any() else 0.0
    return shown / np.float32(spread) if spread > 0 else shown


def _normalise(x):
    """As `normalise.local_normalise`, and the local mean square it divides by."""
    x = x - _window_mean(x, WINDOW)
    mean_square = _coarse_window(x * x, WINDOW)
    largest = float(mean_square.max())
    if largest <= 0:
        return np.zeros_like(x), np.zeros_like(x)
    power = refine(mean_square, x.shape, 4)
    x *= 1 / np.sqrt(power + np.float32(FLOOR**2 * largest))
    return x, power


def _at_10(density, inner):
    """Density at about 10 Å, 0 in the solvent and about 1 in the molecule."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(block_mean(density, 2), COARSE / 2, mode="nearest", truncate=3.0)
    outer = inner < 0.01
    level = np.median(smooth[outer]) if outer.any() else smooth.min()
    height = smooth[inner > 0.5].mean() - level if (inner > 0.5).any() else 0.0
    if height <= 0:
        return np.zeros_like(smooth)
    return np.clip((smooth - level) / height, -1, 3) / 2


def _contrast(density, inside, inner, bands, power):
    """By how much each band is stronger in the molecule than in the solvent, 0 to 1, and whether
    solvent is left."""
    from scipy.ndimage import distance_transform_edt

    away = distance_transform_edt(inner < 0.01) * 2 > AWAY
    support = masked_support(density)
    if support is not None:
        away &= block_mean(support, 2) > 0.99
    result = np.zeros(BANDS + 1, np.float32)
    core = inner > 0.99
    if away.mean() < FEW or not core.any():
        return result
    # the bands are relative to the local power, in units where the floor is -1
    core, away = (_thinned(where) for where in (core, away))
    levels = [np.median(bands[where] * (-np.log(BAND_FLOOR) / 2) + power[where][:, None], axis=0)
              for where in (core, away)]  # fmt: skip
    contrast = np.clip((levels[0] - levels[1]) / 6, -1, 1)
    if contrast.min() < QUIET:
        result[:BANDS], result[BANDS] = contrast, 1
    return result


def _thinned(where: np.ndarray) -> np.ndarray:
    """About 50,000 of the true steps at most: enough for a median."""
    places = np.flatnonzero(where)
    kept = np.zeros(where.size, bool)
    kept[places[:: max(1, len(places) // 50_000)]] = True
    return kept.reshape(where.shape)
