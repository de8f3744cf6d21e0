"""Fourier shell correlation of two half maps, with the part that a mask makes taken off.

FSC: Harauz & van Heel 1986; threshold 0.143: Rosenthal & Henderson 2003; correction: Chen et al.
2013, Ultramicroscopy 135, 24 (high-resolution noise substitution).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..maps.volume import Volume
from .fourier import (
    inverse,
    power_spectrum,
    scale_shells,
    shell_frequencies,
    shell_planes,
    shell_sums,
    transform,
)
from .halves import have_signal

THRESHOLDS = (0.143, 0.5)
RANDOMISE_BELOW = 0.8  # unmasked FSC from which on phases are made random
SAFE_SHELLS = 2  # beyond that, in which a mask still mixes kept and random phases


@dataclass(frozen=True)
class FscCurve:
    """Correlation in shells.

    Attributes
    ----------
    frequencies : ndarray (shells,), 1/Å, from 0 to Nyquist
    unmasked, masked : ndarray (shells,)
    randomised : ndarray (shells,), masked, of maps whose phases beyond `randomised_from` are random
    corrected : ndarray (shells,), (masked - randomised) / (1 - randomised) beyond that
    randomised_from : Å; None where the FSC never falls below 0.8 and nothing was made random
    signal : whether the half maps have signal in common at all
    """

    frequencies: np.ndarray
    unmasked: np.ndarray
    masked: np.ndarray
    randomised: np.ndarray
    corrected: np.ndarray
    randomised_from: float | None
    signal: bool

    def resolution(self, threshold: float = 0.143, kind: str = "corrected") -> float | None:
        """Resolution (Å) where one of the curves first crosses a threshold.

        None where the half maps have no signal in common; Nyquist where it is never crossed.
        """
        return crossing(self.frequencies, getattr(self, kind), threshold) if self.signal else None


def estimate_fsc(half1: Volume, half2: Volume, mask: np.ndarray, *, seed: int = 0) -> FscCurve:
    """FSC of two half maps: without a mask, within it, and corrected for what the mask does.

    Parameters
    ----------
    half1, half2 : Volume, on one grid
    mask : ndarray, shape (z, y, x), weights from 0 to 1 with a soft edge
    seed : of the random phases
    """
    shape, voxel_size = half1.shape, half1.voxel_size
    spectra = [transform(half.data) for half in (half1, half2)]
    counts, unmasked = correlate(spectra, shape)
    _level(spectra, shape)
    weights = np.asarray(mask, np.float32)
    flat = (inverse(spectrum.copy(), shape) for spectrum in spectra)
    _, masked = correlate((transform(_cut_out(data, weights)) for data in flat), shape)
    frequencies = shell_frequencies(shape, voxel_size)
    below = np.flatnonzero(unmasked[1:] < RANDOMISE_BELOW)
    if not len(below):
        nothing = np.zeros_like(masked)
        return FscCurve(frequencies, unmasked, masked, nothing, masked, None, True)
    first = int(below[0]) + 1
    # a stream of its own: simulated maps may come from the same seed
    rng = np.random.default_rng([seed, 0x46534E])
    for spectrum in spectra:
        _randomise(spectrum, shape, first, rng)
    noisy = [transform(_cut_out(inverse(spectrum, shape), weights)) for spectrum in spectra]
    _, randomised = correlate(noisy, shape)
    corrected = masked.copy()
    beyond = slice(first + SAFE_SHELLS, None)
    corrected[beyond] = (masked - randomised)[beyond] / np.maximum(1 - randomised[beyond], 1e-6)
    signal = have_signal(unmasked, counts)
    return FscCurve(
        frequencies, unmasked, masked, randomised, corrected, float(1 / frequencies[first]), signal
    )


def correlate(
    spectra: Iterable[np.ndarray], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Count of coefficients and correlation in each shell, ndarrays (shells,).

    spectra : two transforms of maps of `shape`
    """
    a, b = spectra
    counts, cross, power1, power2 = shell_sums(
        shape,
        lambda k: a[k].real * b[k].real + a[k].imag * b[k].imag,
        lambda k: a[k].real ** 2 + a[k].imag ** 2,
        lambda k: b[k].real ** 2 + b[k].imag ** 2,
    )
    norm = np.sqrt(power1 * power2)
    fsc = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    fsc[0] = 1.0  # by convention; the mean densities say nothing
    return counts, fsc


def crossing(frequencies: np.ndarray, curve: np.ndarray, threshold: float) -> float | None:
    """Resolution (Å) at which a curve first falls below a threshold, interpolated linearly.

    frequencies, curve : ndarray (shells,), from frequency 0 on
    None where it is below from the first shell on; Nyquist where it never falls below.
    """
    below = np.flatnonzero(curve[1:] < threshold) + 1
    if not len(below):
        return float(1 / frequencies[-1])
    last = int(below[0])
    if last == 1:
        return None
    high, low = curve[last - 1], curve[last]
    part = (high - threshold) / (high - low)
    return float(1 / (frequencies[last - 1] + part * (frequencies[last] - frequencies[last - 1])))


def soft_mask(inside: np.ndarray, voxel_size: float, *, extend: float = 0.0, edge: float = 6.0):
    """A mask that falls from 1 to 0 along half a cosine.

    inside : ndarray, shape (z, y, x), bool
    extend : Å added all round;  edge : Å over which it falls, at least four voxels
    Returns ndarray, shape (z, y, x), float32, from 0 to 1.
    """
    from scipy.ndimage import distance_transform_edt

    if inside.all():
        return np.ones(inside.shape, np.float32)
    edge = max(edge, 4 * voxel_size)
    distance = distance_transform_edt(~inside, sampling=voxel_size).astype(np.float32)
    part = np.clip((distance - extend) / edge, 0, 1)
    return (0.5 + 0.5 * np.cos(np.pi * part)).astype(np.float32)


def _level(spectra: list[np.ndarray], shape: tuple[int, ...]) -> None:
    """Give all shells the same power, in place; both maps get one gain.

    The unmasked FSC does not change. A mask mixes neighbouring shells, and would let the strong
    ones leak into the weak ones: how much would depend on the B-factor applied to the maps.
    """
    power = np.sum([power_spectrum(spectrum, shape) for spectrum in spectra], axis=0)
    power[0] = power[1]
    gain = 1 / np.sqrt(np.maximum(power, power.max() * 1e-12))
    for spectrum in spectra:
        scale_shells(spectrum, shape, gain)


def _cut_out(data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Density within a mask, where the surroundings are 0: else the mask itself would correlate."""
    outside = 1 - weights
    total = float(outside.sum(dtype=np.float64))
    background = float((data * outside).sum(dtype=np.float64)) / total if total > 1 else data.mean()
    return (data - np.float32(background)) * weights


def _randomise(spectrum: np.ndarray, shape: tuple[int, ...], first: int, rng) -> None:
    """Give coefficients from shell `first` on the phases of noise, in place; the map stays real."""
    noise = transform(rng.standard_normal(shape, dtype=np.float32))
    for plane, phases, shell in zip(spectrum, noise, shell_planes(shape)):
        beyond = shell >= first
        values = phases[beyond]
        plane[beyond] = np.abs(plane[beyond]) * values / np.maximum(np.abs(values), 1e-20)
