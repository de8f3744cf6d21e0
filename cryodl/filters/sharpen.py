"""The radial fall-off of a map: estimated as a B-factor, changed by one, or flattened away.

A map is compared with the spectrum that atoms give, which is not flat: it falls to 7 Å, rises again
to 5 Å (secondary structure) and then falls like single atoms. Only what a map loses beyond that is
fall-off (Rosenthal & Henderson 2003, section on amplitude scaling).

Networks read maps of one radial spectrum, a power law: an isotropic filter multiplies a spectrum by
a radial gain, and a map brought to a fixed power law has forgotten that gain, but for the
frequencies that were filtered to nothing. What remains is how signal and noise differ from place to
place and in their texture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryodl.filters.shells import inverse, shell_planes, transform
from cryodl.maps.edges import along, half_cosine
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
FLATTEN_FROM = 15.0  # Å; the gain of coarser features is that of this one
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
    data = volume.data - np.float32(_background(volume.data))
    if mask is not None:
        data = data * mask
    spectrum = transform(data)
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
    clipped = np.clip(s, min(1 / FLATTEN_FROM, limit), limit)
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
    background = np.float32(_background(volume.data))
    spectrum = transform(volume.data - background)
    fine = 4 * max(volume.shape)
    table = np.interp(np.arange(fine) / (fine * volume.voxel_size), s, gain).astype(np.float32)
    for plane, shell in zip(spectrum, shell_planes(volume.shape, 4)):
        plane *= table[shell]
    return volume.with_data(inverse(spectrum, volume.shape) + background)


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


# The course is that of equal power in bands of equal relative width: amplitude as s^-1.5.
SLOPE = 1.5
FLAT_TO = 1 / 40  # cycles per voxel; below, a box holds too few waves to measure their power
EMPTY = 1e-3  # of the largest levelled amplitude: below it a frequency counts as filtered away
SMOOTH = 0.06  # natural logarithm of the frequency over which the spectrum is averaged
EDGE = 2.0  # voxels, SD of the soft border of the weights
BORDER = 8.0  # voxels over which the box's border fades


def flatten_to_power_law(data: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A map with amplitudes that fall as s^-1.5, wherever it has any.

    data : ndarray, shape (z, y, x), background about constant
    inside : ndarray (z, y, x), bool, in the molecule, whose spectrum is brought to the course

    Returns ndarray, shape (z, y, x), float32, in units of its standard deviation inside; zeros
    where the map is flat.
    """
    return flatten_with_course(data, inside)[0]


def flatten_with_course(data: np.ndarray, inside: np.ndarray, at=()):
    """The same, and what was taken away.

    at : frequencies, cycles per voxel
    Returns the levelled map, and the logarithm of the amplitudes at these frequencies over the
    course, from log(EMPTY) to 0 at the largest: ndarray, shape of `at`.
    """
    import scipy.fft
    from scipy.ndimage import gaussian_filter

    outside = data[~inside]
    background = np.float32(np.median(outside[:: max(1, outside.size // 200_003)] if outside.size
                                      else data))  # fmt: skip
    density = data - background
    density *= border_weights(data.shape)
    soft = gaussian_filter(inside.astype(np.float32), EDGE, mode="nearest")
    shape = tuple(scipy.fft.next_fast_len(n + 8, real=True) for n in data.shape)
    shells = Shells(shape)
    amplitude = shells.amplitude(transform(density * soft, shape))
    del soft
    gain = _gain(shells.frequencies, amplitude)
    spectrum = transform(density, shape)
    shells.multiply(spectrum, gain)
    levelled = inverse(spectrum, shape)[tuple(slice(0, n) for n in data.shape)].astype(
        np.float32, copy=False
    )
    spread = float(levelled[inside].std())
    taken = np.interp(at, shells.frequencies, np.log(gain))
    taken = np.log(gain[shells.frequencies <= 0.5].min()) - taken
    if not spread > 0:
        return np.zeros(data.shape, np.float32), np.full_like(taken, np.log(EMPTY))
    return levelled / np.float32(spread), taken


def border_weights(shape):
    """1, falling to 0 at the box's border: a step there would show at every frequency."""
    weights = np.ones(shape, np.float32)
    for axis, n in enumerate(shape):
        near = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
        weights *= along(axis, half_cosine(near / BORDER, rising=True).astype(np.float32))
    return weights


def _gain(frequencies, amplitude):
    """Gain of every shell."""
    s = np.maximum(frequencies, FLAT_TO)
    course = s**SLOPE
    # Power averaged over neighbouring shells: a single one of a small box scatters.
    logarithm = np.log(s)
    above = np.searchsorted(logarithm, logarithm + SMOOTH, side="right")
    below = np.searchsorted(logarithm, logarithm - SMOOTH, side="left")
    total = np.r_[0, np.cumsum((amplitude * course) ** 2)]
    levelled = np.sqrt((total[above] - total[below]) / (above - below))
    largest = levelled[frequencies <= 0.5].max()
    return 1 / np.sqrt(levelled**2 + (EMPTY * largest) ** 2 + 1e-30)


class Shells:
    """Shells of a real transform, in steps of half a Fourier voxel of the longest axis.

    shape : of the map, voxels (z, y, x)
    """

    def __init__(self, shape) -> None:
        self.shape = tuple(shape)
        self.step = 0.5 / max(shape)
        self.frequencies = np.arange(round(0.87 / self.step) + 2) * self.step

    def planes(self):
        """Shell of every coefficient, plane by plane."""
        return shell_planes(self.shape, 2, np.float32)

    def amplitude(self, spectrum) -> np.ndarray:
        """Root mean square of every shell; those beyond the corners or without a coefficient
        take their neighbours'."""
        count = len(self.frequencies)
        power, number = np.zeros(count), np.zeros(count)
        for plane, shell in zip(spectrum, self.planes()):
            values = plane.real**2 + plane.imag**2
            power += np.bincount(shell.ravel(), values.ravel(), minlength=count)
            number += np.bincount(shell.ravel(), minlength=count)
        held = number > 0
        mean = np.sqrt(power[held] / number[held])
        return np.interp(self.frequencies, self.frequencies[held], mean)

    def multiply(self, spectrum, gain) -> None:
        """Apply a radial gain in place."""
        gain = gain.astype(np.float32)
        for plane, shell in zip(spectrum, self.planes()):
            plane *= gain[shell]
