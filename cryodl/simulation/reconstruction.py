"""Two half maps of one specimen: signal with its fall-off, coloured noise, and an FSC as asked.

Convention of the FSC: both half maps are multiplied by `fsc_mask`, which is 1 in the exact
molecular mask and falls over one resolution beyond it; shells are one Fourier voxel wide; the
resolution is where the curve, joined by straight lines, falls below 0.143. A hard mask would
smear the strong low frequencies over the weak high ones and read a better resolution (8 Å where
the signal ends at 10), and a wide one would count noise where there is no molecule; so softened,
the FSC of a molecule of one B-factor and the signal-to-noise ratio of its voxels agree. The noise
level is found by bisection on the very spectra of the experiment, cross terms included, so the
half maps measure what was asked whatever the molecule's power is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cryodl.filters.threshold import signal_end
from cryodl.simulation.filters import FourierBox, raised_cosine
from cryodl.simulation.specimen import Specimen, soft_step
from cryodl.simulation.structure import atom_density, deblur_table, default_blur

CLASSES = 10  # of B-factors; each is transformed once
FSC_THRESHOLD = 0.143


class Atoms(NamedTuple):
    """Fourier transform of the atoms that are there.

    spectrum : with B-factors and occupancies, without fall-off
    power : ndarray (bins,), its mean power per coefficient
    mixture : ndarray (bins,), that power relative to atoms without B-factor at full occupancy
    """

    spectrum: Any
    power: np.ndarray
    mixture: np.ndarray


def transform_atoms(specimen: Specimen, box: FourierBox) -> Atoms:
    """Atoms by classes of B-factor, each gridded at once and blurred in Fourier space."""
    s, voxel = box.frequencies, box.voxel_size
    deblur = deblur_table(s, default_blur(voxel))
    deblur[s > 0.5 / voxel] = 0  # only rounding errors there
    classes, b_factors = _b_classes(specimen.b_factors)
    total, mixture = None, np.zeros_like(s)
    for number, b_factor in enumerate(b_factors):
        density = np.zeros(box.shape, np.float32)
        own = classes == number
        for occupancy in np.unique(specimen.occupancies[own]):
            part = own & (specimen.occupancies == occupancy)
            density += np.float32(occupancy) * atom_density(
                specimen.positions[part], specimen.elements[part], box.shape, voxel
            )
        spectrum = box.to_spectrum(density, deblur, np.exp(-b_factor * s**2 / 4))
        total = spectrum if total is None else box.add(total, spectrum)
        # as atoms at random places add up (Wilson)
        weight = np.sum(specimen.occupancies[own] ** 2) / len(specimen.positions)
        mixture += weight * np.exp(-b_factor * s**2 / 2)
    return Atoms(total, _held(box.power(total), deblur > 0), _held(mixture, deblur > 0))


def _held(table, valid):
    """A table with its last valid value beyond, so that logarithms and quotients are safe."""
    last = int(np.flatnonzero(valid)[-1])
    return np.maximum(np.where(valid, table, table[last]), table.max() * 1e-30)


def _b_classes(b_factors):
    """Class of every atom and the classes' mean B-factors, evenly spaced in B."""
    low, high = float(b_factors.min()), float(b_factors.max())
    step = max((high - low) / CLASSES, 1e-6)
    level = np.minimum(((b_factors - low) / step).astype(int), CLASSES - 1)
    _, classes = np.unique(level, return_inverse=True)
    means = np.bincount(classes, b_factors) / np.bincount(classes)
    return classes, means


def edge_low_pass(frequencies, voxel_size: float) -> np.ndarray:
    """Table that ends softly at Nyquist, so that maps do not ring."""
    return raised_cosine(frequencies, voxel_size / 0.44, 0.06 / voxel_size)


def noise_gain(frequencies, drawn: dict[str, Any]) -> np.ndarray:
    """Amplitude table of the noise: a B-factor, and an excess at low frequencies."""
    square = frequencies**2
    colour = np.exp(-drawn["noise_b"] * drawn["resolution"] ** 2 * square / 2)
    # held where the signal has long ended, lest a negative B-factor run away
    colour = np.clip(colour, np.exp(-6), np.exp(6))
    excess = drawn["noise_low"] * np.exp(-square * drawn["noise_low_at"] ** 2)
    return np.sqrt(colour * (1 + excess))


def noise_envelope(box: int, drawn: dict[str, Any]) -> np.ndarray:
    """Standard deviation of the noise over the box, 1 far from its middle; (z, y, x), float32."""
    axis = (np.arange(box, dtype=np.float32) - box // 2) / np.float32(box * drawn["noise_radius"])
    fall = np.exp(-(axis**2))
    bell = fall[:, None, None] * fall[None, :, None] * fall[None, None, :]
    return 1 + np.float32(drawn["noise_radial"]) * bell


def fsc_mask(distance, resolution: float) -> np.ndarray:
    """The mask of the FSC: 1 in the molecular mask, falling over one resolution beyond it.

    distance : ndarray (z, y, x), Å, from the molecular mask
    """
    return soft_step(distance, 0.0, resolution)


def calibrate(
    signals: Sequence[np.ndarray], noises: Sequence[np.ndarray], weights: np.ndarray,
    resolution: float, box: FourierBox, *, span: float = 12.0, steps: int = 50,
) -> tuple[np.ndarray, float, float]:  # fmt: skip
    """Strength of two noises at which the masked FSC of the halves falls to 0.143 as it should.

    Noise turned over is noise as good: of the four pairs that meets the resolution best is taken,
    since a wiggle of the curve at the threshold can make one miss it.

    signals : ndarrays (n, n, n), of each half, or one of both;  noises : likewise, of each
    weights : ndarray (n, n, n), the FSC's mask;  resolution : Å
    span : natural logarithm of the strength to either side in which it is sought, in so many steps

    Returns (levels, measured, alone): of the two noises, ndarray (2,), with their signs; the
    resolution in Å that the FSC then gives; and the FSC there of the signals without noise.
    """
    spectra = [box.as_complex(box.to_spectrum(part * weights)) for part in (*signals, *noises)]
    sums = shell_sums(spectra, box.size)
    if len(signals) == 1:
        sums = sums[np.ix_((0, 0, 1, 2), (0, 0, 1, 2))]
    frequencies = np.arange(box.size // 2) / (box.size * box.voxel_size)
    shell = min(int(round(1 / resolution / frequencies[1])), len(frequencies) - 1)
    start = np.log(np.sqrt(max(sums[0, 0, shell], 1e-30) / max(sums[2, 2, shell], 1e-30)))
    found = []
    for signs in np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)]):
        low, high = start - span, start + span
        for _ in range(steps):
            middle = (low + high) / 2
            if fsc_crossing(frequencies, _fsc(sums, np.exp(middle) * signs)) > 1 / resolution:
                low = middle
            else:
                high = middle
        levels = np.exp((low + high) / 2) * signs
        measured = 1 / fsc_crossing(frequencies, _fsc(sums, levels))
        found.append((abs(measured - resolution), measured, levels))
    _, measured, levels = min(found, key=lambda pair: pair[0])
    return levels, float(measured), float(_fsc(sums, np.zeros(2))[shell])


def shell_sums(spectra, box: int) -> np.ndarray:
    """Re sum of F_i conj(F_j) over each shell up to Nyquist; ndarray (m, m, box // 2)."""
    axis, half = np.fft.fftfreq(box, 1 / box), np.arange(box // 2 + 1)
    square = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + half[None, None, :] ** 2
    shells = np.rint(np.sqrt(square)).astype(np.int32).ravel()
    twice = np.broadcast_to(np.where((half == 0) | (half == box // 2), 1.0, 2.0), square.shape)
    sums = np.zeros((len(spectra), len(spectra), box // 2))
    for i in range(len(spectra)):
        for j in range(i + 1):
            product = (spectra[i] * spectra[j].conj()).real * twice
            sums[i, j] = sums[j, i] = np.bincount(shells, product.ravel())[: box // 2]
    return sums


def _fsc(sums: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """FSC of halves whose noises have these levels; sums : of two signals and two noises."""
    a, b = levels
    cross = sums[0, 1] + b * sums[0, 3] + a * sums[1, 2] + a * b * sums[2, 3]
    first = sums[0, 0] + 2 * a * sums[0, 2] + a**2 * sums[2, 2]
    second = sums[1, 1] + 2 * b * sums[1, 3] + b**2 * sums[3, 3]
    return cross / np.sqrt(np.maximum(first * second, 1e-60))


def fsc_crossing(frequencies, curve, threshold: float = FSC_THRESHOLD) -> float:
    """Frequency at which a curve falls below a threshold; half that of shell 1 if it is nowhere
    above, and the last where it never falls."""
    found = signal_end(frequencies, curve, threshold)
    return found.frequency if found else float(frequencies[1]) / 2
