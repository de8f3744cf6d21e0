"""The best map that filters alone can make of two half maps, or of one map: nothing invented.

In every shell the half maps tell how much is signal. A shell that is weighted by the root of its
share of signal, and given the amplitude that atoms have there, is as like the molecule as a radial
filter can make it (Rosenthal & Henderson 2003, equations 18 and 19, with the spectrum of atoms in
place of a line in the Guinier plot). Beyond the resolution of the map nothing is left. One map
does not tell its signal: it is filtered as if it had the share that its resolution stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cryodl.errors import InputError
from cryodl.filters.sharpen import reference_log_amplitude
from cryodl.filters.shells import (
    inverse,
    power_spectrum,
    scale_shells,
    shell_frequencies,
    transform,
)
from cryodl.half_maps.fsc import THRESHOLDS, FscCurve, estimate_fsc, signal_amplitude, soft_mask
from cryodl.half_maps.pair import half_sum
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.audit import SURFACE

# Mean B-factor of the atoms, in units of resolution²: what is badly resolved also moves. Of 0 to
# 2.25 it made twelve reconstructions by RELION most like their models.
ATOMS_B = 0.75
ENDS = 1.3  # times the frequency of the resolution: from there on nothing is left
FALL = 6.0  # power of the frequency with which the signal of one map is taken to fall
LEAST_GAIN = 1e-6  # of the largest, so that gains have logarithms


@dataclass(frozen=True)
class Linear:
    """A map filtered by what it holds.

    full : Volume, masked softly, of root mean square 1 in the mask
    weights : ndarray (z, y, x), float32, the soft mask
    change : ndarray (z, y, x), float32, density of SURFACE and more that the mask cut off, below 0
    resolution : Å, where the FSC falls below 0.143
    halves : its half maps, filtered and masked alike, two Volumes; or none
    curve : their FSC
    """

    full: Volume
    weights: np.ndarray
    change: np.ndarray
    resolution: float
    halves: tuple[Volume, ...] = ()
    curve: FscCurve | None = None


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
    full, share = half_sum(half1, half2), np.clip(curve.corrected, 0, 1)
    # They are masked before they are filtered, too: after it, strong shells would leak into the
    # last ones that hold signal. One map may be sharpened, whose noise would leak before.
    found, gain = _filter(full, inside, weights, curve.frequencies, share, resolution, weights)
    halves = tuple(half.with_data(_filtered(half, gain, weights) * weights)
                   for half in (half1, half2))  # fmt: skip
    return replace(found, halves=halves, curve=curve)


def filter_map(volume: Volume, inside: np.ndarray, resolution: float) -> Linear:
    """Filter one map as its resolution (Å) asks for.

    volume : sharpened or not;  inside : ndarray, shape (z, y, x), bool, the molecule
    """
    weights = soft_mask(inside, volume.voxel_size)
    s = shell_frequencies(volume.shape, volume.voxel_size)
    share = 1 / (1 + (1 / THRESHOLDS[0] - 1) * (s * resolution) ** FALL)
    return _filter(volume, inside, weights, s, share, resolution)[0]


def _filter(full: Volume, inside, weights, s, share, resolution: float, before=None):
    """A map filtered, without halves, and the gain of every shell.

    s : frequencies (1/Å) of shells;  share : of signal in each
    before : ndarray (z, y, x), mask that is applied before the filter, too, or None
    """
    gain = optimal_gain(full, weights, s, share, resolution)
    filtered = _filtered(full, gain, before)
    unit = max(float(np.sqrt(np.mean(np.square(filtered[inside])))), 1e-30)
    gain /= unit
    filtered /= np.float32(unit)
    whole = filtered if before is None else _filtered(full, gain)
    lost = np.where((weights < 0.5) & (whole > SURFACE), -whole, np.float32(0))
    return Linear(full.with_data(filtered * weights), weights, lost, resolution), gain


def optimal_gain(full: Volume, weights: np.ndarray, s, share, resolution: float) -> np.ndarray:
    """The gain of every shell: ndarray (shells,).

    full : Volume;  weights : ndarray (z, y, x), soft mask
    s, share : frequency (1/Å) and share of signal of shells;  resolution : Å
    """
    share = share.copy()
    beyond = s > 1 / resolution
    fall = np.clip((ENDS - s[beyond] * resolution) / (ENDS - 1), 0, 1)
    share[beyond] = np.minimum(share[beyond], THRESHOLDS[0]) * fall
    background = np.float32(np.median(full.data))
    found = np.sqrt(power_spectrum(transform((full.data - background) * weights), full.shape))
    if not found.max() > 0:
        raise InputError("the map holds one value everywhere in the mask: give another mask")
    atoms = np.exp(reference_log_amplitude(s) - ATOMS_B * (resolution * s) ** 2 / 4)
    gain = atoms * signal_amplitude(share) / np.maximum(found, found.max() * 1e-12)
    return np.maximum(gain, gain.max() * LEAST_GAIN)


def _filtered(volume: Volume, gain: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
    data = volume.data - np.float32(np.median(volume.data))
    spectrum = transform(data if before is None else data * before)
    scale_shells(spectrum, volume.shape, gain)
    return inverse(spectrum, volume.shape)
