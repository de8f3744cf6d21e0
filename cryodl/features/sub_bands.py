"""Normalised sub-bands: a map in bands of frequency, each of even local power; for post-processing.

A map's amplitudes fall off, by its B-factor and by what was done to it, and differently in every
region. Dividing every band of frequencies by its own local root mean square takes all that away,
so that a sharpened and an unsharpened copy of a map agree, and detail stands beside coarse features
at the amplitudes that atoms have. What was divided out is kept, relative to all bands and to the
noise, for it separates signal from noise. Everything global (the noise, the largest local power) is
measured before a map is cut into tiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryodl.compute.parallel import thread_count
from cryodl.features.local_spectrum import (
    BAND_FLOOR,
    BANDS,
    FIRST,
    LAST,
    band_centres,
    band_gain,
    frequency_bins,
    space_to_depth,
)
from cryodl.filters.sharpen import reference_log_amplitude
from cryodl.filters.shells import inverse, transform
from cryodl.maps.normalise import block_mean, local_normalise, refine
from cryodl.maps.rotations import Rotation

GROUPS = 8  # everything below the bands, then the bands two by two, the last alone
VOXELS = 8  # of a block of the half grid
CHANNELS = VOXELS + 2 * BANDS + GROUPS * VOXELS
MOVES = 40.0  # Å², B-factor by which atoms here move more than the reference's
EMPTY = 1e-6  # of the local power of all bands: a band below it holds nothing
NOISE_FLOOR = 1e-3  # of a band's largest local power: noise is taken to be no less
NOISE_SPAN = -2.0, 7.0  # limits of the logarithm of power over noise
_PAD = 12
_COARSE = 4
_WINDOW = 4.0  # voxels, standard deviation of the window of local power
_OVERLAP = 0.75  # bands' powers together, of the power of their sum
_TO_UNIT = -2 / np.log(BAND_FLOOR)
_WIDER = 2.0  # coarse steps, window of the power of all bands


@dataclass(frozen=True)
class SubBands:
    """A map in bands of even local power.

    density : ndarray, shape (z, y, x), float32, locally normalised (maps.normalise)
    groups : ndarray, shape (GROUPS, z, y, x), float16: bands by their local root mean square,
        times what atoms have there; the first, below all bands, by its largest value
    relative : ndarray, shape (z / 2, y / 2, x / 2, BANDS), float16: logarithm of local power over
        that of all bands, -1 for none to 1 for all
    over_noise : the same shape: logarithm of local power over the noise's, 0 at the noise, 2 at
        1,000 times as much
    """

    density: np.ndarray
    groups: np.ndarray
    relative: np.ndarray
    over_noise: np.ndarray

    def features(self) -> np.ndarray:
        """Channels on the half grid, ndarray (z / 2, y / 2, x / 2, CHANNELS), float16.

        The voxels of every block; `relative`; `over_noise`; and the groups' voxels, group by group.
        """
        half = tuple(n // 2 for n in self.density.shape)
        out = np.empty((*half, CHANNELS), np.float16)
        out[..., :VOXELS] = space_to_depth(self.density)
        out[..., VOXELS : VOXELS + BANDS] = self.relative
        first = VOXELS + 2 * BANDS
        out[..., VOXELS + BANDS : first] = self.over_noise
        for number, group in enumerate(self.groups):
            begin = first + VOXELS * number
            out[..., begin : begin + VOXELS] = space_to_depth(group)
        return out

    def part(self, fine: tuple[slice, ...]) -> SubBands:
        """A part, whose slices start and stop at even voxels."""
        half = tuple(slice(s.start // 2, s.stop // 2) for s in fine)
        return SubBands(
            self.density[fine], self.groups[(slice(None), *fine)], self.relative[half],
            self.over_noise[half],
        )  # fmt: skip

    def turned(self, rotation: Rotation) -> SubBands:
        """The same with its axes in another order and direction."""
        turn = rotation.turn
        groups = np.stack([turn(group) for group in self.groups])
        return SubBands(turn(self.density), groups, turn(self.relative), turn(self.over_noise))


def normalise_sub_bands(data, noise, *, noise_sd=None, threads=None) -> SubBands:
    """Take a map apart.

    data : ndarray, shape (z, y, x), multiples of 4, any scale, background at 0
    noise : ndarray, shape (z, y, x), bool, where there is noise alone; None where there is no such
        place, as in a map that was cut out tightly
    noise_sd : standard deviation of the noise where it is known, in the unit of `data`; it sets the
        level, `noise` how that is spread over frequencies (evenly without one)
    threads : int, bands worked on at a time
    """
    from concurrent.futures import ThreadPoolExecutor

    import scipy.fft

    threads = min(2, thread_count()) if threads is None else threads
    workers = max(1, thread_count() // threads)
    scale = float(np.abs(data).max())
    data = np.asarray(data, np.float32) * np.float32(1 / scale if scale > 0 else 1)
    density = local_normalise(data)
    shape = tuple(2 * scipy.fft.next_fast_len((n + _PAD) // 2, real=True) for n in data.shape)
    here = tuple(slice(0, n) for n in data.shape)
    spectrum = transform(data, shape)
    bins = frequency_bins(shape)

    def band(gain):
        part = spectrum * gain[bins]
        return inverse(part, shape, workers=workers)[here]

    low = band(_below_bands())
    groups = np.zeros((GROUPS, *data.shape), np.float16)
    groups[0] = low / max(float(np.abs(block_mean(low, _COARSE)).max()), 1e-30)
    total = local_power(data - low) * np.float32(_OVERLAP)
    del low
    # A band counts as empty beside all of them: what is left there are rounding errors.
    empty = np.float32(EMPTY) * total + np.float32(1e-9) * total.max() + np.float32(1e-30)
    amplitudes = atom_amplitudes()
    powers: list = [None] * BANDS

    def write(group):
        whole = np.zeros(data.shape, np.float32)
        for number in group_bands(group):
            signal = band(band_gain(number))
            powers[number] = local_power(signal)
            gain = amplitudes[number] / np.sqrt(powers[number] + empty)
            signal *= refine(gain, data.shape, _COARSE)
            whole += signal
        groups[group] = whole

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, range(1, GROUPS)))
    levels = _noise_levels(powers, data, noise, bins, noise_sd, scale)
    relative, over_noise = _logarithms(powers, total, levels)
    half = tuple(n // 2 for n in data.shape)
    relative, over_noise = (_to_half_grid(values, half) for values in (relative, over_noise))
    return SubBands(density, groups, relative, over_noise)


def group_bands(group):
    """Numbers of the bands in a group (from 1)."""
    return range(2 * group - 2, min(2 * group, BANDS))


def local_power(signal):
    """Gaussian mean of the squares on a grid four times as coarse; ndarray, float32."""
    from scipy.ndimage import gaussian_filter

    coarse = block_mean(np.square(signal), _COARSE)
    return gaussian_filter(coarse, _WINDOW / _COARSE, mode="nearest", truncate=3.0)


def atom_amplitudes():
    """Root mean square of atoms' density in every band at 1 Å a voxel, in all bands together 1."""
    s = np.linspace(0.002, 0.5, 2000)
    power = np.exp(2 * reference_log_amplitude(s) - MOVES * s**2 / 2) * s**2
    step = np.log(LAST / FIRST) / (BANDS - 1)
    away = np.log(s[None, :] / band_centres()[:, None]) / step
    gains = np.cos(np.pi / 2 * np.clip(away, -1, 1)) ** 2
    found = np.sqrt((gains**2 * power).sum(axis=1))
    return (found / np.sqrt(np.sum(found**2))).astype(np.float32)


def _noise_levels(powers, data, noise, bins, noise_sd, scale):
    """Mean power of the noise in every band; ndarray (BANDS,)."""
    least = [NOISE_FLOOR * float(power.max()) for power in powers]
    weight = None if noise is None else block_mean(noise.astype(np.float32), _COARSE)
    if weight is not None and weight.any():
        found = np.array([float(np.average(power, weights=weight)) for power in powers])
        total = float(np.mean(np.square(data[noise], dtype=np.float64)))
    else:  # of white noise
        found = np.array([float(np.mean(np.square(band_gain(b))[bins])) for b in range(BANDS)])
        total = 1.0 if noise_sd is not None else np.inf
    if noise_sd is not None:
        found = found * ((noise_sd / scale) ** 2 / max(total, 1e-30))
    elif not np.isfinite(total):
        found = np.zeros(BANDS)
    return np.maximum(found, least)


def _logarithms(powers, total, levels):
    """Relative power and power over noise in every band, on the coarse grid."""
    from scipy.ndimage import gaussian_filter

    around = gaussian_filter(total, _WIDER, mode="nearest", truncate=3.0)
    around += np.float32(0.05**2) * around.max() + np.float32(1e-30)
    least = np.float32(1e-9) * total.max() + np.float32(1e-30)
    low, high = NOISE_SPAN
    relative, over_noise = [], []
    for power, level in zip(powers, levels):
        share = np.log(power / around + np.float32(BAND_FLOOR))
        relative.append(share * np.float32(_TO_UNIT) + 1)
        ratio = np.log((power + least) / (np.float32(level) + least))
        over_noise.append(np.clip(ratio, low, high) * np.float32(2 / high))
    return relative, over_noise


def _to_half_grid(values, half):
    out = np.empty((*half, len(values)), np.float16)
    for number, value in enumerate(values):
        out[..., number] = refine(value, half, 2)
    return out


def _below_bands():
    """Gain of what lies below the first band's middle and in no band."""
    held = np.sum([band_gain(number) for number in range(BANDS)], axis=0)
    held[np.argmax(held) :] = 1  # nor beyond the last
    return (1 - held).astype(np.float32)
