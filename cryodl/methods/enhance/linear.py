"""The best map that filters alone can make of two half maps: no network, nothing invented.

In every shell the half maps tell how much is signal. A shell that is weighted by the root of its
share of signal, and given the amplitude that atoms have there, is as like the molecule as a radial
filter can make it (Rosenthal & Henderson 2003, equations 18 and 19, with the spectrum of atoms in
place of a line in the Guinier plot). Beyond the resolution of the map nothing is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryodl.errors import InputError
from cryodl.filters.sharpen import reference_log_amplitude
from cryodl.filters.shells import inverse, power_spectrum, scale_shells, transform
from cryodl.half_maps.fsc import THRESHOLDS, FscCurve, estimate_fsc, signal_amplitude, soft_mask
from cryodl.half_maps.pair import half_sum
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.audit import SURFACE

# Mean B-factor of the atoms, in units of resolution²: what is badly resolved also moves. Of 0 to
# 2.25 it made twelve reconstructions by RELION most like their models.
ATOMS_B = 0.75
ENDS = 1.3  # times the frequency of the resolution: from there on nothing is left
LEAST_GAIN = 1e-6  # of the largest, so that gains have logarithms


@dataclass(frozen=True)
class Linear:
    """A map filtered by what its half maps hold.

    full, half1, half2 : Volumes, filtered alike and masked softly; the root mean square of `full`
        in the mask is 1
    weights : ndarray (z, y, x), float32, the soft mask
    change : ndarray (z, y, x), float32, density of SURFACE and more that the mask cut off, below 0
    curve : FSC of the half maps;  resolution : Å, where it falls below 0.143
    """

    full: Volume
    half1: Volume
    half2: Volume
    weights: np.ndarray
    change: np.ndarray
    curve: FscCurve
    resolution: float


def filter_half_maps(half1: Volume, half2: Volume, inside: np.ndarray) -> Linear:
    """Filter the mean of two half maps so that it is most like the molecule.

    half1, half2 : neither filtered, sharpened nor masked, on one grid
    inside : ndarray, shape (z, y, x), bool, the molecule

    Raises InputError where the half maps have no signal in common.
    """
    weights = soft_mask(inside, half1.voxel_size)
    curve = estimate_fsc(half1, half2, weights)
    resolution = curve.resolution(THRESHOLDS[0])
    if resolution is None:
        raise InputError(
            "the half maps have no signal in common: give both halves of one refinement"
        )
    full = half_sum(half1, half2)
    gain = optimal_gain(full, weights, curve, resolution)
    filtered = _filtered(full, gain)
    unit = max(float(np.sqrt(np.mean(np.square(filtered[inside])))), 1e-30)
    gain /= unit
    filtered /= np.float32(unit)
    first, second = (h.with_data(_filtered(h, gain) * weights) for h in (half1, half2))
    lost = np.where((weights < 0.5) & (filtered > SURFACE), -filtered, np.float32(0))
    full = full.with_data(filtered * weights)
    return Linear(full, first, second, weights, lost, curve, resolution)


def optimal_gain(full: Volume, weights: np.ndarray, curve: FscCurve, resolution: float):
    """The gain of every shell: ndarray (shells,).

    full : Volume;  weights : ndarray (z, y, x), soft mask
    curve : FSC of its half maps;  resolution : Å
    """
    s = curve.frequencies
    share = np.clip(curve.corrected, 0, 1)
    beyond = s > 1 / resolution
    fall = np.clip((ENDS - s[beyond] * resolution) / (ENDS - 1), 0, 1)
    share[beyond] = np.minimum(share[beyond], THRESHOLDS[0]) * fall
    background = np.float32(np.median(full.data))
    found = np.sqrt(power_spectrum(transform((full.data - background) * weights), full.shape))
    atoms = np.exp(reference_log_amplitude(s) - ATOMS_B * (resolution * s) ** 2 / 4)
    gain = atoms * signal_amplitude(share) / np.maximum(found, found.max() * 1e-12)
    return np.maximum(gain, gain.max() * LEAST_GAIN)


def _filtered(volume: Volume, gain: np.ndarray) -> np.ndarray:
    spectrum = transform(volume.data - np.float32(np.median(volume.data)))
    scale_shells(spectrum, volume.shape, gain)
    return inverse(spectrum, volume.shape)
