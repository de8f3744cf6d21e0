"""True local resolution of a simulated map: from signal, noise and ideal density, band by band.

signal-to-noise resolution
    Where the local correlation of the full map with its noiseless twin falls to 0.5, which is an
    FSC of 0.143 between half maps (Rosenthal & Henderson 2003). With signal and noise known apart
    that is where the local power of the signal is a third of the noise's. No filter moves it; but
    it is never finer than what the map still holds: two voxels of the coarsest grid it went
    through, or the frequency beyond which a filter has left less than HELD of its amplitude.
aspect resolution
    The cut-off of the low-passed ideal density that the map resembles most: from the local
    amplitudes T(s) of the map relative to those of the atoms. For a flat (Wilson) spectrum the
    correlation with a low-pass at s_c is A(s_c) / sqrt(N(s_c)), A = integral of T s² and N =
    integral of s² up to s_c; at its maximum T(s_c) is half the mean of T below s_c. Sharpening and
    blurring move it.

Bands lie evenly in the logarithm of the frequency; what is near is weighted by a Gaussian of WINDOW
standard deviation. Results lie on a coarse grid of their own, on which that Gaussian is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.simulation.filters import FourierBox
from cryodl.simulation.specimen import Specimen

WINDOW = 7.0  # Å
COARSEST, BANDS_FROM, FINEST = 28.0, 14.0, 2.05  # Å, Å, voxels
BANDS = 21  # from BANDS_FROM on
BAND_WIDTH = 0.75  # of the distance between its edges
CORRELATION = 0.5
HELD = 0.01
GRID = 3.5  # Å, at most, of the coarse grid
SNR_AT_FSC_0143 = 1 / 3


@dataclass(frozen=True)
class Bands:
    """Local power in bands.

    signal, noise, ideal : ndarrays (bands, m, m, m), float32
    frequencies : ndarray (bands,), 1/Å, of their middles;  edges : ndarray (bands + 1,)
    spacing : Å, between points of the coarse grid; its first point is the map's first voxel
    """

    signal: np.ndarray
    noise: np.ndarray
    ideal: np.ndarray
    frequencies: np.ndarray
    edges: np.ndarray
    spacing: float


def measure_bands(signal, noise, ideal, voxel_size: float) -> Bands:
    """Local power of three densities in bands.

    signal, noise, ideal : ndarrays (n, n, n): the full map's two parts, and the atoms' density
    """
    import scipy.fft

    n = len(signal)
    edges = band_edges(voxel_size)
    spectra = [scipy.fft.rfftn(part, workers=1) for part in (signal, noise, ideal)]
    points = _even(min(n, n * voxel_size / GRID + 1))
    powers = np.empty((3, len(edges) - 1, points, points, points), np.float32)
    for band, (low, high) in enumerate(zip(edges[:-1], edges[1:])):
        powers[:, band] = _band_powers(spectra, (low, high), n, voxel_size, points)
    middles = (edges[:-1] + edges[1:]) / 2
    return Bands(powers[0], powers[1], powers[2], middles, edges, n * voxel_size / points)


def band_edges(voxel_size: float) -> np.ndarray:
    """Frequencies, 1/Å, between which the bands lie."""
    fine = np.geomspace(BANDS_FROM, max(FINEST * voxel_size, 0.3), BANDS + 1)
    if fine[-1] > BANDS_FROM / 1.2:  # voxels of more than 5.7 Å
        fine = np.geomspace(BANDS_FROM, BANDS_FROM / 1.2, 4)
    step = fine[0] / fine[1]
    more = int(np.log(COARSEST / BANDS_FROM) / np.log(step))
    coarse = BANDS_FROM * step ** np.arange(more, 0, -1)
    return 1 / np.concatenate([coarse, fine])


def signal_to_noise_resolution(bands: Bands, finest: float = 0.0) -> np.ndarray:
    """Å at every point of the coarse grid; ndarray (m, m, m), float32, not below `finest`."""
    ratio = bands.signal / np.maximum(bands.signal + bands.noise, 1e-30)
    return np.maximum(first_fall(np.sqrt(ratio), bands.frequencies), np.float32(finest))


def local_aspect_resolution(bands: Bands, gain, finest: float = 0.0) -> np.ndarray:
    """Å at every point of the coarse grid; ndarray (m, m, m), float32, not below `finest`.

    gain : ndarray (bands,) or (bands, m, m, m), amplitude of the filter that the full map had
    """
    gain = np.asarray(gain, np.float32)
    gain = gain.reshape(len(gain), *(gain.shape[1:] or (1, 1, 1)))
    power = (bands.signal + bands.noise) / np.maximum(bands.ideal, 1e-30)
    amplitude = gain * np.sqrt(power)
    volume = np.diff(bands.edges**3).astype(np.float32)[:, None, None, None]
    volume[0] += bands.edges[0] ** 3  # what is coarser counts with the first band
    alike = np.cumsum(amplitude * volume, axis=0) / np.sqrt(np.cumsum(volume, axis=0))
    best = np.argmax(alike, axis=0)
    return np.maximum((1 / bands.edges[1:][best]).astype(np.float32), np.float32(finest))


def first_fall(correlation, frequencies) -> np.ndarray:
    """Å at which curves first fall below CORRELATION, joined by straight lines.

    correlation : ndarray (bands, ...);  frequencies : ndarray (bands,), 1/Å
    Returns ndarray (...), float32; the last band where a curve never falls.
    """
    below = correlation < CORRELATION
    first = np.where(below.any(axis=0), below.argmax(axis=0), len(frequencies) - 1)
    before = np.maximum(first - 1, 0)
    high, low = (np.take_along_axis(correlation, i[None], axis=0)[0] for i in (before, first))
    part = np.clip((high - CORRELATION) / np.maximum(high - low, 1e-9), 0, 1)
    part = np.where(below.any(axis=0), part, 1)
    found = frequencies[before] + part * (frequencies[first] - frequencies[before])
    return (1 / found).astype(np.float32)


def held_to(frequencies, gain) -> float:
    """Å down to which a filter leaves HELD of its largest amplitude.

    frequencies, gain : ndarrays (bins,)
    """
    kept = np.flatnonzero(np.asarray(gain) >= HELD * np.max(gain))
    return float(1 / max(frequencies[kept[-1]], frequencies[1]))


def _band_powers(spectra, band, n: int, voxel_size: float, points: int):
    """Local power of spectra in one band, on the coarse grid; ndarray (parts, m, m, m)."""
    import scipy.fft

    low, high = band
    width = BAND_WIDTH * (high - low)
    # the square of a band reaches twice as far as the band
    size = _even(min(n, 4 * (high + width) * n * voxel_size + 2))
    axis, half = np.fft.fftfreq(size, 1 / size), np.arange(size // 2 + 1)
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + half**2)
    radius /= n * voxel_size
    shape = np.exp(-(((radius - (low + high) / 2) / width) ** 2)).astype(np.float32)
    sigma = WINDOW / (n * voxel_size)  # of the box
    around = np.exp(-2 * (np.pi * sigma * radius * n * voxel_size) ** 2).astype(np.float32)
    found = []
    for spectrum in spectra:
        part = scipy.fft.irfftn(_cropped(spectrum, size) * shape, s=(size,) * 3, workers=1)
        part *= np.float32((size / n) ** 1.5 * (size / n) ** 1.5)
        power = scipy.fft.rfftn(part**2, workers=1) * around
        power = _cropped(power, points) if points < size else _padded(power, points)
        found.append(scipy.fft.irfftn(power, s=(points,) * 3, workers=1) * (points / size) ** 3)
    return np.maximum(found, 0)


def _cropped(spectrum, size: int):
    """The low frequencies of a real transform, for a grid of `size`; its Nyquist planes are 0."""
    if size == len(spectrum):
        return spectrum
    keep = np.fft.fftfreq(size, 1 / size).astype(int)
    part = spectrum[np.ix_(keep, keep, np.arange(size // 2 + 1))]
    part[size // 2], part[:, size // 2], part[:, :, size // 2] = 0, 0, 0
    return part


def _padded(spectrum, size: int):
    if size == len(spectrum):
        return spectrum
    held = len(spectrum)
    whole = np.zeros((size, size, size // 2 + 1), spectrum.dtype)
    at = np.fft.fftfreq(held, 1 / held).astype(int)
    whole[np.ix_(at, at, np.arange(held // 2 + 1))] = spectrum
    return whole


def _even(size: float) -> int:
    import scipy.fft

    return 2 * scipy.fft.next_fast_len(max(int(size) // 2, 4))


def aspect_resolution(frequencies, amplitude, *, edge=0.0):
    """Cut-off (Å) of the low-passed ideal map that a map with these amplitudes resembles most.

    frequencies : ndarray (n,), 1/Å, evenly spaced from 0 to Nyquist
    amplitude : ndarray (n,), radial amplitude relative to the ideal molecule
    edge : float, 1/Å, distance of a low-pass filter's nominal cut-off before its half-way point;
        half the width of a raised cosine that starts at its cut-off
    """
    volume = frequencies**2
    projection = np.cumsum(amplitude * volume)
    correlation = projection / np.sqrt(np.maximum(np.cumsum(volume), 1e-12))
    best = frequencies[int(np.argmax(correlation))]
    return 1 / max(best - edge, frequencies[1])


def snr_resolution(frequencies, ratio):
    """Last resolution (Å) at which the signal-to-noise ratio of the full map is at least 1/3.

    frequencies : ndarray (n,), 1/Å;  ratio : ndarray (n,), power of signal over power of noise
    """
    seen = np.flatnonzero(ratio >= SNR_AT_FSC_0143)
    last = frequencies[seen[-1]] if len(seen) else frequencies[1]
    return 1 / max(last, frequencies[1])


WORST = 40.0  # Å; coarser than any feature by which a resolution could be judged
STEPS = 24, 10  # of B-factor and of noise


def local_fields(specimen: Specimen, resolution: float, box: FourierBox):
    """Local B-factor (Å²) and occupancy, averages over about a resolution; two (z, y, x)."""
    n = box.size
    index = np.rint(specimen.positions / box.voxel_size).astype(int) % n
    flat = (index[:, 2] * n + index[:, 1]) * n + index[:, 0]
    sigma = max(resolution / 2, 2.0, box.voxel_size)
    gaussian = np.exp(-2 * (np.pi * sigma * box.frequencies) ** 2)
    q = specimen.occupancies
    fields = []
    for weight in (np.ones_like(q), q, q * specimen.b_factors):
        grid = np.bincount(flat, weight, minlength=n**3).reshape(box.shape)
        fields.append(box.to_map(box.to_spectrum(grid), gaussian))
    count, occupied, weighted = (np.maximum(field, 1e-12) for field in fields)
    low, high = np.float32(specimen.b_factors.min()), np.float32(specimen.b_factors.max())
    return np.clip(weighted / occupied, low, high), np.clip(occupied / count, q.min(), 1)


def local_resolutions(b_factor, variance, tables, gain, frequencies, drawn: dict[str, Any]):
    """Aspect and signal-to-noise resolution (Å) of every voxel given.

    b_factor : ndarray (m,), Å²
    variance : ndarray (m,), of the noise, over squared occupancy, relative to its table
    tables : ndarrays (bins,), power per coefficient of a box full of ideal atoms (no B-factor), of
        the same as the half maps show them (fall-off, solvent), and of the full map's noise
    gain : ndarray (bins,), the deposited map's filter

    Returns two ndarrays (m,), float32. The aspect is that of signal and noise together, since both
    are seen, and no bound by the noise is laid on it: training takes the worse of the two.
    """
    from scipy.ndimage import map_coordinates

    fine = np.linspace(0, 0.5 / drawn["voxel_size"], 2000)
    ideal, signal, noise, gain = (np.interp(fine, frequencies, t) for t in (*tables, gain))
    b_axis, b_place = _axis(b_factor, STEPS[0])
    log_axis, v_place = _axis(np.log(variance), STEPS[1])
    tabulated = np.zeros((2, *STEPS))
    for i, b in enumerate(b_axis):
        seen = signal * np.exp(-b * fine**2 / 2)
        for j, log_variance in enumerate(log_axis):
            heard = noise * np.exp(log_variance)
            amplitude = gain * np.sqrt((seen + heard) / ideal)
            tabulated[0, i, j] = aspect_resolution(fine, amplitude)
            tabulated[1, i, j] = snr_resolution(fine, seen / heard)
    tabulated = np.clip(tabulated, 2 * drawn["voxel_size"], WORST)
    places = [b_place, v_place]
    aspect, snr = (
        map_coordinates(t, places, order=1, mode="nearest", output=np.float32) for t in tabulated
    )
    return aspect, snr


def _axis(values, steps: int):
    """Evenly spaced numbers over the values' range, and where among them the values lie."""
    low, high = float(values.min()), float(values.max())
    high = max(high, low + 1e-3)
    return np.linspace(low, high, steps), (values - low) * ((steps - 1) / (high - low))
