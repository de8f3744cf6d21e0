"""Fourier shell correlation of two half maps, with the part that a mask makes taken off.

FSC: Harauz & van Heel 1986; threshold 0.143: Rosenthal & Henderson 2003; correction: Chen et al.
2013, Ultramicroscopy 135, 24 (high-resolution noise substitution).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import numpy as np

from cryodl.filters.shells import (
    correlate,
    inverse,
    power_spectrum,
    scale_shells,
    shell_frequencies,
    shell_planes,
    transform,
)
from cryodl.filters.threshold import LEAST, SignalEnd, signal_end, stretches
from cryodl.half_maps.alignment import have_signal
from cryodl.half_maps.pair import half_sum
from cryodl.maps.crop import box_around
from cryodl.maps.edges import cosine_edge, distance_up_to
from cryodl.maps.mask import automatic_mask, existing_mask
from cryodl.maps.volume import Volume

THRESHOLDS = (0.143, 0.5)
RANDOMISE_BELOW = 0.8  # unmasked FSC from which on phases are made random
EDGE = 6.0  # Å over which a mask falls, at least
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
    randomised_from : Å, where the unmasked FSC falls below 0.8, or where its signal begins if it is
        nowhere so high; None where it never falls below and nothing was made random
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
        """Resolution (Å) where one of the curves falls below a threshold (see `signal_end`).

        None where the half maps have no signal in common; Nyquist where it is never crossed.
        """
        return (
            resolution_at(self.frequencies, getattr(self, kind), threshold) if self.signal else None
        )

    def signal_from(self, threshold: float = 0.143) -> float | None:
        """Å, of the first shell with signal, where shells before it hold none and are left out.

        Asked of the unmasked maps, since a mask mixes neighbouring shells. None: none is left out.
        """
        found = self._end("unmasked", threshold)
        return float(1 / self.frequencies[found.first]) if found and found.first > 1 else None

    def dips(self, threshold: float = 0.143, kind: str = "corrected") -> list[tuple[float, float]]:
        """Shells (Å) between which a curve lies below a threshold, to rise again beyond."""
        found = self._end(kind, threshold)
        at = self.frequencies
        return [(float(1 / at[a - 1]), float(1 / at[b])) for a, b in found.dips] if found else []

    def rises_from(self, threshold: float = 0.143, kind: str = "corrected") -> float | None:
        """Å, from where a curve is clearly above a threshold up to Nyquist, after its end."""
        found = self._end(kind, threshold)
        clear = stretches(getattr(self, kind), (1 + threshold) / 2, LEAST)
        if not found or not clear or clear[-1][1] < len(self.frequencies):
            return None
        rise = float(self.frequencies[clear[-1][0]])
        return 1 / rise if rise > found.frequency else None

    def xml(self) -> str:
        """The corrected curve as the EMDB takes it."""
        head = '<fsc title="FSC of half maps" xaxis="Resolution (A-1)" '
        lines = [head + 'yaxis="Correlation Coefficient">']
        for frequency, value in zip(self.frequencies, self.corrected):
            lines.append(f"  <coordinate><x>{frequency:.6f}</x><y>{value:.6f}</y></coordinate>")
        return "\n".join([*lines, "</fsc>", ""])

    def _end(self, kind: str, threshold: float) -> SignalEnd | None:
        return signal_end(self.frequencies, getattr(self, kind), threshold) if self.signal else None


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
    level_shells(spectra, shape)
    weights = np.asarray(mask, np.float32)
    _, masked = correlate(within((spectrum.copy() for spectrum in spectra), shape, weights), shape)
    frequencies = shell_frequencies(shape, voxel_size)
    first = _randomise_from(unmasked)
    if first == len(unmasked):
        nothing = np.zeros_like(masked)
        return FscCurve(frequencies, unmasked, masked, nothing, masked, None, True)
    # a stream of its own: simulated maps may come from the same seed
    rng = np.random.default_rng([seed, 0x46534E])
    for spectrum in spectra:
        _randomise(spectrum, shape, first, rng)
    _, randomised = correlate(list(within(spectra, shape, weights)), shape)
    corrected = masked.copy()
    beyond = slice(first + SAFE_SHELLS, None)
    corrected[beyond] = correct(masked[beyond], randomised[beyond])
    signal = have_signal(unmasked, counts)
    return FscCurve(
        frequencies, unmasked, masked, randomised, corrected, float(1 / frequencies[first]), signal
    )


def estimate_within(
    half1: Volume, half2: Volume, inside: np.ndarray
) -> tuple[np.ndarray, FscCurve]:
    """FSC within a binary mask, and the soft mask made of it.

    inside : ndarray, shape (z, y, x), bool
    Its edge falls over 6 Å, or over one resolution where that is more: a mask with finer detail
    than the maps counts their best parts alone, and mixes shells that are further apart.
    """
    weights = soft_mask(inside, half1.voxel_size)
    curve = estimate_fsc(half1, half2, weights)
    edge = curve.resolution() or 0.0
    if edge > max(EDGE, 4 * half1.voxel_size) and not inside.all():
        weights = soft_mask(inside, half1.voxel_size, edge=edge)
        curve = estimate_fsc(half1, half2, weights)
    return weights, curve


def mask_of_halves(half1: Volume, half2: Volume) -> np.ndarray:
    """Where the molecule is, of two half maps: ndarray, shape (z, y, x), bool.

    It is sought in their mean weighted by their FSC, which takes off the noise: in a noisy map a
    threshold above the noise leaves only the strongest parts, whose FSC is better than the whole's.
    """
    full = half_sum(half1, half2)
    if existing_mask(full.data) is not None:  # zeros around it tell where it is, unless filtered
        return automatic_mask(full)
    _, curve = correlate([transform(half.data) for half in (half1, half2)], full.shape)
    end = signal_end(np.arange(len(curve)), curve, THRESHOLDS[0])
    if end is None:
        return automatic_mask(full)
    curve[int(np.ceil(end.frequency)) :] = 0
    return automatic_mask(weight_by_fsc(full, curve))


def weight_by_fsc(volume: Volume, fsc: np.ndarray) -> Volume:
    """A full map whose shells are weighted by sqrt(2 FSC / (1 + FSC)) of its half maps.

    fsc : ndarray (shells,); negative values count as 0. Rosenthal & Henderson 2003, equation 18.
    """
    spectrum = transform(volume.data)
    scale_shells(spectrum, volume.shape, np.maximum(signal_amplitude(fsc), 1e-4))
    return volume.with_data(inverse(spectrum, volume.shape))


def up_to(volume: Volume, resolution: float | None) -> Volume:
    """A map without what is finer than its resolution (Å), which is noise; None leaves all."""
    if resolution is None:
        return volume
    held = shell_frequencies(volume.shape, volume.voxel_size) * resolution <= 1
    return weight_by_fsc(volume, held.astype(float))


def signal_amplitude(fsc: np.ndarray) -> np.ndarray:
    """Share of signal in the amplitudes of a full map, by the FSC of its half maps."""
    fsc = np.clip(fsc, 0, 1)
    return np.sqrt(2 * fsc / (1 + fsc))


def within(spectra: Iterable[np.ndarray], shape: tuple[int, ...], weights: np.ndarray):
    """Transforms of maps within a mask, of those of the maps, which are used up."""
    return (transform(cut_out(inverse(spectrum, shape), weights)) for spectrum in spectra)


def correct(masked: np.ndarray, randomised: np.ndarray) -> np.ndarray:
    """The masked FSC without what the mask adds, ndarray (shells,).

    A mask adds to a correlation and never takes off: a negative one of random phases is chance and
    counts as 0. Where it adds more than there is, nothing is left.
    """
    added = np.maximum(randomised, 0)
    left = (masked - added) / np.maximum(1 - added, 1e-6)
    return np.where(masked > added, left, np.minimum(masked, 0))


def resolution_at(frequencies: np.ndarray, curve: np.ndarray, threshold: float) -> float | None:
    """Resolution (Å) at which the signal of a curve falls below a threshold (see `signal_end`).

    frequencies, curve : ndarray (shells,), from frequency 0 on
    None where there is no signal; Nyquist where it never falls below.
    """
    found = signal_end(frequencies, curve, threshold)
    return 1 / found.frequency if found else None


def in_words(resolution: float, voxel_size: float) -> str:
    """A resolution (Å); one that the voxels end, within 1 %, may be better than they can show."""
    end = " or better (Nyquist)" if resolution <= 2.02 * voxel_size else ""
    return f"{resolution:.2f} Å{end}"


def _randomise_from(unmasked: np.ndarray) -> int:
    """First shell whose phases are made random; as many as there are shells if none is.

    It is the one where the FSC falls below 0.8, after shells that hold nothing, such as those of a
    high-passed map; or where signal begins if the FSC is nowhere so high.
    """
    high = stretches(unmasked, RANDOMISE_BELOW)
    if high:
        falls = (end for a, end in high if end - a >= LEAST and end < len(unmasked))
        return next(falls, high[0][1])
    begins = signal_end(np.arange(len(unmasked)), unmasked, THRESHOLDS[0])
    return begins.first if begins else 1


def soft_mask(inside: np.ndarray, voxel_size: float, *, extend: float = 0.0, edge: float = EDGE):
    """A mask that falls from 1 to 0 along half a cosine.

    inside : ndarray, shape (z, y, x), bool
    extend : Å added all round;  edge : Å over which it falls, at least four voxels
    Returns ndarray, shape (z, y, x), float32, from 0 to 1.
    """
    if inside.all():
        return np.ones(inside.shape, np.float32)
    weights = np.zeros(inside.shape, np.float32)
    if not inside.any():
        return weights
    edge = max(edge, 4 * voxel_size)
    most = (extend + edge) / voxel_size
    part = box_around(inside, ceil(most))  # beyond it all are 0
    distance = (distance_up_to(inside[part], most) * voxel_size).astype(np.float32)
    weights[part] = cosine_edge(distance, extend, edge)
    return weights


def level_shells(spectra: list[np.ndarray], shape: tuple[int, ...]) -> None:
    """Give all shells the same power, in place; both maps get one gain.

    The unmasked FSC does not change. A mask mixes neighbouring shells, and would let the strong
    ones leak into the weak ones: how much would depend on the B-factor applied to the maps.
    """
    power = np.sum([power_spectrum(spectrum, shape) for spectrum in spectra], axis=0)
    power[0] = power[1]
    gain = 1 / np.sqrt(np.maximum(power, power.max() * 1e-12))
    for spectrum in spectra:
        scale_shells(spectrum, shape, gain)


def cut_out(data: np.ndarray, weights: np.ndarray) -> np.ndarray:
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


def curve_notes(curve: FscCurve) -> list[str]:
    """What is unusual about the course of an FSC, and what is made of it."""
    notes = []
    begins = curve.signal_from()
    if begins:
        notes.append(
            f"the half maps hold no common signal coarser than {begins:.1f} Å, as after a "
            "high-pass filter: these shells are left out"
        )
    notes += [
        f"the FSC lies below 0.143 from {start:.1f} to {end:.1f} Å and rises again, as about a zero"
        " of the CTF: the resolution is where it falls beyond"
        for start, end in curve.dips()
    ]
    rise = curve.rises_from()
    if rise:
        notes.append(
            f"the FSC rises again from {rise:.1f} Å on and stays high up to the Nyquist frequency: "
            "that is not counted as signal; interpolation or filters that both half maps share "
            "make it"
        )
    return notes
