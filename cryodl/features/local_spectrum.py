"""Local spectra: how a map's power is spread over frequencies, around every voxel and in all.

Local resolution is where a local spectrum ends, and whether what is seen there resembles a
molecule. The first is computed, by band-pass filters of constant relative width; the second is for
the network to learn from the density itself. Both lie on the half grid (two voxels a step), the
density with the eight voxels of every block as channels, so nothing of it is lost.

The spectral descriptor is a map in a hundred numbers that no rotation, box or scale of intensity
changes: the radial spectrum, and what share of the local power each band holds, its mean over the
molecule and how it varies there.
"""

from __future__ import annotations

import numpy as np

from cryodl.compute.parallel import thread_count
from cryodl.filters.sharpen import radial_amplitude
from cryodl.filters.shells import inverse, low_frequencies, transform
from cryodl.maps.edges import along
from cryodl.maps.normalise import block_mean, refine
from cryodl.maps.volume import Volume

BANDS = 13  # band-pass filters
FIRST, LAST = 0.05, 0.5  # cycles per voxel, centres of the first and the last
BAND_FLOOR = 1e-3  # of the local power: below it a band counts as empty
SMOOTHING = 2.0  # standard deviation, half-grid steps, over which a band's power is averaged
CHANNELS = 8 + BANDS
_TO_UNIT = -2 / np.log(BAND_FLOOR)
_HALF_GRID_TO = 0.2  # cycles per voxel up to which a band fits the half grid
_LARGE = 2.5e7  # voxels, from which on one band at a time saves memory
_PAD = 12  # voxels of background, so that filters do not wrap around


def local_features(normalised):
    """Features of a map on the half grid.

    normalised : ndarray, shape (z, y, x), as from `local_normalise`

    Returns ndarray, shape (z', y', x', CHANNELS), float32, sizes halved and rounded up to even
    numbers: the voxels (0, 0, 0), (0, 0, 1) ... (1, 1, 1) of every block, then the bands from
    coarse to fine. Step (k, j, i) is the middle of its block, voxel (2 k + 0.5, 2 j + 0.5, ...).
    """
    normalised = _pad_to_stride(normalised)
    features = np.empty((*(n // 2 for n in normalised.shape), CHANNELS), np.float32)
    features[..., :8] = space_to_depth(normalised)
    band_powers(normalised, out=features[..., 8:])
    return features


def _pad_to_stride(data):
    """Add planes of background (0) up to multiples of four, the networks' total stride."""
    missing = [(0, -n % 4) for n in data.shape]
    return np.pad(data, missing) if any(n % 4 for n in data.shape) else data


def space_to_depth(data):
    """Blocks of 2³ voxels as channels: (z, y, x) to (z / 2, y / 2, x / 2, 8)."""
    z, y, x = (n // 2 for n in data.shape)
    blocks = data.reshape(z, 2, y, 2, x, 2).transpose(0, 2, 4, 1, 3, 5)
    return blocks.reshape(z, y, x, 8)


def band_centres():
    """Centres of the bands, cycles per voxel, evenly spaced in their logarithm."""
    return FIRST * (LAST / FIRST) ** (np.arange(BANDS) / (BANDS - 1))


def band_powers(data, *, out=None, threads=None):
    """Logarithm of the local power in every band: -1 for none, 1 for all of the local power.

    data : ndarray, shape (z, y, x), even sizes, locally normalised
    out : ndarray, shape (z / 2, y / 2, x / 2, BANDS), float32, to write into, or None
    threads : int, bands worked on at a time; None takes two, or one where the map is large
    """
    from concurrent.futures import ThreadPoolExecutor

    import scipy.fft

    half = tuple(n // 2 for n in data.shape)
    if out is None:
        out = np.empty((*half, BANDS), np.float32)
    shape = tuple(2 * scipy.fft.next_fast_len((n + _PAD) // 2, real=True) for n in data.shape)
    if threads is None:
        threads = min(2, thread_count()) if data.size < _LARGE else 1
    workers = thread_count() if data.size >= _LARGE else 1
    spectrum = transform(data, shape)
    spectrum = _at_block_middles(spectrum, shape)
    fine = (spectrum, _log_frequency(shape, 1.0))
    coarse_shape = tuple(n // 2 for n in shape)
    coarse = (low_frequencies(spectrum, shape, coarse_shape), _log_frequency(coarse_shape, 0.5))

    def write(band):
        centre = band_centres()[band]
        if centre * 1.25 <= _HALF_GRID_TO:
            filtered = _band(*coarse, centre)
        else:
            filtered = _folded(_band(*fine, centre), shape)
        signal = inverse(filtered, coarse_shape, workers=workers)
        power = _window_mean(np.square(signal[tuple(slice(0, n) for n in half)]))
        out[..., band] = np.log(power + np.float32(BAND_FLOOR)) * _TO_UNIT + 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, reversed(range(BANDS))))  # the long ones first
    return out


_STEPS = 64  # table entries for each step from band to band


def _log_frequency(shape, scale):
    """Logarithm of the radial frequency of every coefficient, in 1 / _STEPS of a band step.

    scale : voxels of the full grid per voxel of this one, inverted
    Returns ndarray, uint16, counted from half an octave-like step below the first band.
    """
    step = np.log(LAST / FIRST) / (BANDS - 1)
    z, y = (np.fft.fftfreq(n).astype(np.float32) * np.float32(scale) for n in shape[:2])
    x = np.fft.rfftfreq(shape[2]).astype(np.float32) * np.float32(scale)
    plane = y[:, None] ** 2 + x[None, :] ** 2
    lowest = np.float32(np.log(FIRST) - step)
    bins = np.empty((shape[0], shape[1], len(x)), np.uint16)
    for k, height in enumerate(z):
        logarithm = np.log(np.maximum(plane + height * height, 1e-12))
        logarithm *= 0.5
        logarithm -= lowest
        logarithm *= _STEPS / step
        bins[k] = np.clip(logarithm, 0, _STEPS * (BANDS + 3))
    return bins


def _band(spectrum, bins, centre):
    """The spectrum in one band."""
    return spectrum * band_gain(np.log(centre / FIRST) / np.log(LAST / FIRST) * (BANDS - 1))[bins]


def band_gain(band):
    """Gain of a band by `frequency_bins`: a squared cosine, two steps wide.

    Where two bands overlap their gains add up to 1.
    """
    away = np.arange(_STEPS * (BANDS + 3) + 1) / _STEPS - (band + 1)
    return (np.cos(np.pi / 2 * np.clip(away, -1, 1)) ** 2).astype(np.float32)


def frequency_bins(shape):
    """Index into `band_gain` of every coefficient of a map's real transform; ndarray, uint16."""
    return _log_frequency(shape, 1.0)


def _folded(spectrum, shape):
    """Spectrum of the samples on the half grid, aliases and all.

    A mean square over a window needs no more: each sample is a fair one of the band, wherever its
    frequency appears.
    """
    for axis in (0, 1):
        low, high = np.split(spectrum, 2, axis=axis)
        spectrum = low + high
    n = shape[2] // 2
    kept = n // 2 + 1
    # Only half of x is stored: the aliases are the conjugates at the opposite frequencies.
    opposite = [-np.arange(m // 2) % (m // 2) for m in shape[:2]]
    aliases = spectrum[..., n - kept + 1 :][..., ::-1][opposite[0]][:, opposite[1]]
    return spectrum[..., :kept] + np.conj(aliases)


def _window_mean(power):
    """Gaussian mean over the neighbourhood; the window is smooth, so a coarser grid will do."""
    from scipy.ndimage import gaussian_filter

    coarse = gaussian_filter(block_mean(power, 2), SMOOTHING / 2, mode="nearest", truncate=3.0)
    return refine(coarse, power.shape, 2)


def _at_block_middles(spectrum, shape):
    """Shift a map by half a voxel: the half grid samples it at the middles of its 2³ blocks."""
    for axis, n in enumerate(shape):
        frequency = np.fft.rfftfreq(n) if axis == 2 else np.fft.fftfreq(n)
        shift = np.exp(1j * np.pi * frequency).astype(np.complex64) / 2
        spectrum *= along(axis, shift)
    return spectrum


RADIAL_SHELLS = 53
RADIAL_FROM, RADIAL_TO = 0.03, 0.49  # cycles per voxel
RADIAL_FLOOR = -10.0  # logarithm of an amplitude that counts as none
PERCENTILES = 10, 50, 90
LENGTH = RADIAL_SHELLS + (1 + len(PERCENTILES)) * BANDS


def spectral_descriptor(normalised: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Describe the part of a map inside a molecule.

    normalised : ndarray, shape (z, y, x), as from `local_normalise`, sizes multiples of 4
    inside : ndarray, shape (z, y, x), bool, not empty

    Returns ndarray, shape (LENGTH,), float32, each number about between -1 and 1: the logarithm of
    the radial amplitude at RADIAL_SHELLS frequencies, then mean and percentiles of every band's
    power.
    """
    bands = band_powers(normalised)
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
    wanted = np.geomspace(RADIAL_FROM, RADIAL_TO, RADIAL_SHELLS)
    log = np.log(np.maximum(amplitude, 1e-30))
    log = np.interp(wanted, frequencies, log)
    return np.maximum(log - log.max(), RADIAL_FLOOR) * (-2 / RADIAL_FLOOR) + 1
