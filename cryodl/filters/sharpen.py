"""The radial fall-off of a map: estimate it as a B-factor, apply one, or flatten the spectrum.

A map is compared with the spectrum that atoms give, which is not flat: it falls to 7 Å, rises again
to 5 Å (secondary structure) and then falls like single atoms. Only what a map loses beyond that is
fall-off (Rosenthal & Henderson 2003, section on amplitude scaling).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryodl.compute.parallel import thread_count
from cryodl.filters.shells import shell_planes
from cryodl.maps.volume import Volume

# Logarithm of the radial amplitude of proteins and nucleic acids at s = 0.02, 0.04 ... 1.00 1/Å,
# relative to 0.1 1/Å: mean over forty complexes, electron scattering factors, atoms at B = 15 Å².
# benchmarks/reference_spectrum.py computes it.
REFERENCE_STEP = 0.02
REFERENCE = np.array(
    [2.443, 1.19, 0.515, 0.23, 0.0, -0.232, -0.396, -0.462, -0.431, -0.364,
     -0.366, -0.473, -0.623, -0.774, -0.928, -1.085, -1.227, -1.343, -1.438, -1.516,
     -1.585, -1.659, -1.749, -1.856, -1.982, -2.12, -2.262, -2.403, -2.541, -2.676,
     -2.811, -2.945, -3.076, -3.206, -3.334, -3.451, -3.565, -3.682, -3.805, -3.932,
     -4.064, -4.201, -4.35, -4.518, -4.704, -4.897, -5.089, -5.267, -5.414, -5.522]
)  # fmt: skip

FIT_FROM = 10.0  # Å; coarser features depend on solvent and mask
LEVEL_FROM = 15.0  # Å; the gain of coarser features is that of this one
LARGEST_LOG_GAIN = 7.0  # flattening stops here: beyond lies a map's low-pass, not its fall-off
FINEST = 0.02  # of Nyquist, kept away from where grids cut spectra


@dataclass(frozen=True)
class Guinier:
    """How a map's amplitudes fall off.

    bfactor : float, Å², as in exp(B s² / 4): negative where the map falls off faster than atoms do,
        0 if sharpened well; None where too little of the spectrum is there to fit
    resolution : float, Å, to which the fit went: where signal seems to end
    """

    bfactor: float | None
    resolution: float


def radial_amplitude(volume: Volume, mask=None):
    """Root mean square Fourier amplitude in shells one Fourier voxel (of the longest axis) wide.

    volume : Volume;  mask : ndarray (z, y, x) or None, weights applied before the transform
    Returns (frequencies, amplitudes): ndarray (n,), 1/Å, up to Nyquist, and ndarray (n,).
    """
    import scipy.fft

    data = volume.data - np.float32(_background(volume.data))
    if mask is not None:
        data = data * mask
    spectrum = scipy.fft.rfftn(data, workers=thread_count())
    count = max(volume.shape) // 2 + 1
    power, number = np.zeros(count), np.zeros(count)
    for plane, shell in zip(spectrum, shell_planes(volume.shape)):
        inside = shell < count
        values = plane.real[inside] ** 2 + plane.imag[inside] ** 2
        power += np.bincount(shell[inside], values, minlength=count)
        number += np.bincount(shell[inside], minlength=count)
    frequencies = np.arange(count) * (1 / max(volume.shape)) / volume.voxel_size
    return frequencies, np.sqrt(power / np.maximum(number, 1))


def estimate_bfactor(volume: Volume, resolution: float | None = None, *, mask=None) -> Guinier:
    """Fit ln(amplitude / atoms' amplitude) against s² from 10 Å to where the signal ends.

    volume : Volume
    resolution : Å, up to which to fit; None estimates it by `spectral_limit`
    mask : ndarray (z, y, x), True in the molecule; None takes the whole box
    """
    s, amplitude = radial_amplitude(volume, soften(mask))
    limit = spectral_limit(s, amplitude) if resolution is None else resolution
    seen = (s >= 1 / FIT_FROM) & (s <= 1 / limit) & (amplitude > 0)
    if seen.sum() < 4:
        return Guinier(None, float(limit))
    ratio = np.log(amplitude[seen]) - reference_log_amplitude(s[seen])
    slope = np.polyfit(s[seen] ** 2, ratio, 1)[0]
    return Guinier(float(4 * slope), float(limit))


def spectral_limit(s, amplitude) -> float:
    """Resolution (Å) where a spectrum drops off an edge, or else Nyquist.

    Amplitudes relative to atoms' fall smoothly as long as there is signal or noise; a low-pass or
    an old, coarser grid shows as a drop by a factor of more than 12 below the smooth course.
    """
    nyquist = s[-1] * (1 - FINEST)
    seen = (s >= 1 / FIT_FROM) & (s <= nyquist)
    if seen.sum() < 6:
        return float(1 / nyquist)
    frequency = s[seen]
    ratio = np.log(np.maximum(amplitude[seen], 1e-30)) - reference_log_amplitude(frequency)
    for i in range(4, len(ratio)):
        begin = max(0, i - 12)
        line = np.polyfit(frequency[begin:i] ** 2, ratio[begin:i], 1)
        ahead = ratio[i : i + 3]
        expected = np.polyval(line, frequency[i : i + 3] ** 2)
        if np.all(ahead < expected - 0.5) and ratio[min(i + 5, len(ratio) - 1)] < expected[0] - 2.5:
            return float(1 / frequency[i])
    return float(1 / nyquist)


def flatten_spectrum(volume: Volume, resolution: float, *, mask=None) -> Volume:
    """Give a map the radial amplitudes of atoms, up to a resolution.

    volume : Volume
    resolution : Å; beyond it the gain stays as it is there, so nothing new is cut off or raised
    mask : ndarray (z, y, x), True in the molecule, whose spectrum is made flat; None: the whole box
    """
    s, amplitude = radial_amplitude(volume, soften(mask))
    shells = max(3, round(len(s) / 40))
    smooth = _running_mean(np.log(np.maximum(amplitude, amplitude.max() * 1e-9)), shells)
    limit = min(1 / resolution, s[-1] * (1 - FINEST))
    log_gain = reference_log_amplitude(s) - smooth
    clipped = np.clip(s, min(1 / LEVEL_FROM, limit), limit)
    log_gain = np.interp(clipped, s, log_gain)
    log_gain = np.minimum(log_gain - log_gain.min(), LARGEST_LOG_GAIN)
    return _apply(volume, s, np.exp(log_gain))


def match_spectrum(volume: Volume, like: Volume, *, mask) -> Volume:
    """Give a map the radial amplitudes that another has inside a mask.

    volume, like : Volume, on one grid
    mask : ndarray (z, y, x), True in the molecule
    """
    s, amplitude = radial_amplitude(volume, soften(mask))
    wanted = radial_amplitude(like, soften(mask))[1]
    shells = max(3, round(len(s) / 40))
    log_gain = _running_mean(
        np.log(np.maximum(wanted, wanted.max() * 1e-6))
        - np.log(np.maximum(amplitude, amplitude.max() * 1e-6)),
        shells,
    )
    log_gain = np.minimum(log_gain, log_gain[s <= 1 / FIT_FROM].mean() + LARGEST_LOG_GAIN)
    return _apply(volume, s, np.exp(log_gain))


def apply_bfactor(volume: Volume, bfactor: float) -> Volume:
    """Multiply amplitudes by exp(-B s² / 4): a negative B (Å²) sharpens, a positive one blurs."""
    s = np.linspace(0, np.sqrt(0.75) / volume.voxel_size, 2000)
    return _apply(volume, s, np.exp(-bfactor * np.minimum(s, 0.5 / volume.voxel_size) ** 2 / 4))


def reference_log_amplitude(s):
    """Logarithm of atoms' radial amplitude at frequencies s (1/Å), from the table above."""
    grid = REFERENCE_STEP * np.arange(1, len(REFERENCE) + 1)
    return np.interp(s, grid, REFERENCE)


def _apply(volume, s, gain):
    import scipy.fft

    background = np.float32(_background(volume.data))
    spectrum = scipy.fft.rfftn(volume.data - background, workers=thread_count())
    fine = 4 * max(volume.shape)
    table = np.interp(np.arange(fine) / (fine * volume.voxel_size), s, gain).astype(np.float32)
    for plane, shell in zip(spectrum, shell_planes(volume.shape, 4)):
        plane *= table[shell]
    data = scipy.fft.irfftn(spectrum, s=volume.shape, overwrite_x=True, workers=thread_count())
    return volume.with_data(data + background)


def _background(data):
    return np.median(data[::2, ::2, ::2])


def soften(mask):
    """A mask with a soft edge, so that it adds no high frequencies of its own; None stays None."""
    if mask is None:
        return None
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(mask.astype(np.float32), 2.0)


def _running_mean(values, width):
    return np.convolve(
        np.pad(values, width, mode="edge"), np.ones(2 * width + 1) / (2 * width + 1), "valid"
    )
