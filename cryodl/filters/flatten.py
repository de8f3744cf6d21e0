"""Spectral flattening: every map brought to one radial power law, amplitude as s^-1.5.

An isotropic filter multiplies a map's spectrum by a radial gain. A map whose radial spectrum was
brought to a fixed power law has forgotten that gain, but for the frequencies that were filtered to
nothing. What remains is how signal and noise differ from place to place and in their texture.
"""

from __future__ import annotations

import numpy as np

from cryodl.compute.parallel import thread_count
from cryodl.filters.shells import shell_planes
from cryodl.maps.edges import along, half_cosine

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
    return level_and_course(data, inside)[0]


def level_and_course(data: np.ndarray, inside: np.ndarray, at=()):
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
    amplitude = shells.amplitude(scipy.fft.rfftn(density * soft, s=shape, workers=thread_count()))
    del soft
    gain = _gain(shells.frequencies, amplitude)
    spectrum = scipy.fft.rfftn(density, s=shape, workers=thread_count())
    shells.multiply(spectrum, gain)
    levelled = scipy.fft.irfftn(spectrum, s=shape, overwrite_x=True, workers=thread_count())
    levelled = levelled[tuple(slice(0, n) for n in data.shape)].astype(np.float32, copy=False)
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
