"""Spectral descriptor: a hundred numbers that no rotation, box or scale of a map changes.

How the power inside the molecule is spread over frequencies, once globally (the radial spectrum)
and once locally (what share of the local power each band holds: its mean over the molecule and how
it varies there). Where a spectrum ends, and how, is most of what shows a resolution.
"""

from __future__ import annotations

import numpy as np

from cryodl.features.local_spectrum import BANDS, band_powers
from cryodl.filters.sharpen import radial_amplitude
from cryodl.maps.volume import Volume

SHELLS = 53
FIRST, LAST = 0.03, 0.49  # cycles per voxel
FLOOR = -10.0  # logarithm of an amplitude that counts as none
PERCENTILES = 10, 50, 90
LENGTH = SHELLS + (1 + len(PERCENTILES)) * BANDS


def spectral_descriptor(normalised: np.ndarray, inside: np.ndarray, *, threads: int | None = None):
    """Describe the part of a map inside a molecule.

    normalised : ndarray, shape (z, y, x), as from `local_normalise`, sizes multiples of 4
    inside : ndarray, shape (z, y, x), bool, not empty
    threads : as in `band_powers`

    Returns ndarray, shape (LENGTH,), float32, each number about between -1 and 1: the logarithm of
    the radial amplitude at SHELLS frequencies, then mean and percentiles of every band's power.
    """
    bands = band_powers(normalised, threads=threads)
    blocks = inside[::2, ::2, ::2]
    within = bands[blocks if blocks.any() else np.ones_like(blocks)]
    return np.concatenate(
        [
            radial_descriptor(normalised, inside),
            within.mean(axis=0),
            *np.percentile(within, PERCENTILES, axis=0),
        ]
    ).astype(np.float32)


def radial_descriptor(normalised: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Logarithm of the radial amplitude, relative to its highest, from -1 (none) to 1."""
    from scipy.ndimage import gaussian_filter

    soft = gaussian_filter(inside.astype(np.float32), 2.0)
    frequencies, amplitude = radial_amplitude(Volume(normalised, 1.0), soft)
    wanted = np.geomspace(FIRST, LAST, SHELLS)
    log = np.log(np.maximum(amplitude, 1e-30))
    log = np.interp(wanted, frequencies, log)
    return np.maximum(log - log.max(), FLOOR) * (-2 / FLOOR) + 1
