"""The B-factor that makes a map most like its atoms, as far as its half maps and spectrum show.

Sharpening raises what the atoms show and what is noise alike. Of every shell the half maps show how
much of either there is, and the spectrum of atoms is known, so the correlation that the sharpened
map has with the atoms' density can be foreseen for every B-factor: phases of the signal are right,
those of the noise are random. No network takes part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryodl.filters.sharpen import radial_amplitude, reference_log_amplitude, soften
from cryodl.half_maps.pair import half_difference, half_sum
from cryodl.maps.volume import Volume

# Atoms move, the more the worse a map is resolved: their mean B-factor in units of resolution². Of
# 12 simulated experiments on validation structures, 11 came within 40 Å² with it.
ATOMS_B = 3.0
STEP, STRONGEST = 2, -2000  # Å²


@dataclass(frozen=True)
class Spectrum:
    """What a low-passed map holds, shell by shell; ndarrays (n,).

    frequencies : 1/Å;  signal, noise : power;  atoms : amplitude that the molecule has
    """

    frequencies: np.ndarray
    signal: np.ndarray
    noise: np.ndarray
    atoms: np.ndarray


def signal_and_noise(
    volume: Volume, half1: Volume, half2: Volume, mask: np.ndarray, resolution: float
) -> Spectrum:
    """How much of a low-passed map is signal, as its half maps show.

    volume : the map that is to be sharpened, low-passed;  half1, half2 : unfiltered and unmasked
    mask : ndarray (z, y, x), True in the molecule;  resolution : Å, of the map
    """
    weights = soften(mask)
    s, shown = radial_amplitude(volume, weights)
    both, noise = (radial_amplitude(v, weights)[1] ** 2
                   for v in (half_sum(half1, half2), half_difference(half1, half2)))  # fmt: skip
    share = 1 - np.minimum(noise / np.maximum(both, 1e-30), 1)
    atoms = np.exp(reference_log_amplitude(s) - ATOMS_B * resolution**2 * s**2 / 4)
    return Spectrum(s, shown**2 * share, shown**2 * (1 - share), atoms)


def expected_correlation(spectrum: Spectrum, bfactors: Sequence[float] | np.ndarray) -> np.ndarray:
    """Correlation with the atoms' density that a map has with each B-factor (Å²) applied.

    Returns ndarray (n,), at most 1.
    """
    s = spectrum.frequencies
    volume = s**2  # coefficients in a shell
    atoms = np.sum(spectrum.atoms**2 * volume)
    found = []
    for bfactor in bfactors:
        gain = np.exp(-bfactor * (s**2 - s[-1] ** 2) / 4)  # from the end, so that it stays small
        alike = np.sum(np.sqrt(spectrum.signal) * gain * spectrum.atoms * volume)
        power = np.sum((spectrum.signal + spectrum.noise) * gain**2 * volume)
        found.append(alike / np.sqrt(max(power * atoms, 1e-300)))
    return np.array(found)


def optimal_b_factor(spectrum: Spectrum) -> float:
    """The B-factor (Å²), 0 or below, of the highest expected correlation."""
    bfactors = np.arange(0, STRONGEST - 1, -STEP)
    return float(bfactors[int(np.argmax(expected_correlation(spectrum, bfactors)))])
