"""Fourier transforms of whole maps on all cores, and their shells: radial sums, means and gains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cryodl.compute.parallel import thread_count


def transform(data: np.ndarray, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Fourier transform of real values: shape (z, y, x) to (z, y, x // 2 + 1), complex64.

    shape : (z, y, x) to which zeros are added first
    """
    import scipy.fft

    real = np.asarray(data, np.float32)
    return scipy.fft.rfftn(real, s=shape, workers=thread_count())


def inverse(
    spectrum: np.ndarray, shape: tuple[int, ...], *, workers: int | None = None
) -> np.ndarray:
    """Real values of shape (z, y, x), float32, of what `transform` gave; `spectrum` is used up."""
    import scipy.fft

    return scipy.fft.irfftn(spectrum, s=shape, overwrite_x=True, workers=workers or thread_count())


def radial_frequencies(
    shape: tuple[int, ...], voxel_size: float = 1.0, dtype: Any = np.float64
) -> np.ndarray:
    """Radial frequency (1/Å) of every coefficient of a real transform; (z, y, x // 2 + 1)."""
    z, y = (np.fft.fftfreq(n, voxel_size).astype(dtype) for n in shape[:2])
    x = np.fft.rfftfreq(shape[2], voxel_size).astype(dtype)
    return np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)


def low_frequencies(
    spectrum: np.ndarray, shape: tuple[int, ...], sizes: Sequence[int]
) -> np.ndarray:
    """The lowest frequencies of a real transform, which a coarser grid holds.

    spectrum : of a map of `shape` (z, y, x);  sizes : of the grid, at most those of the map
    """
    for axis in (0, 1):
        n, m = shape[axis], sizes[axis]
        if m < n:
            spectrum = spectrum.take(np.r_[0 : (m + 1) // 2, n - m // 2 : n], axis)
    return np.ascontiguousarray(spectrum[:, :, : sizes[2] // 2 + 1])


FINE = 8  # steps in a shell in which gains are interpolated


def shell_planes(shape: tuple[int, ...], steps: int = 1, dtype: Any = np.float64):
    """Shell of every coefficient, plane by plane along z; shells are 1 / (longest edge) wide.

    steps : into which each shell is divided;  dtype : in which radii are computed
    Yields ndarray (y, x // 2 + 1), int.
    """
    z, y = (np.fft.fftfreq(n).astype(dtype) for n in shape[:2])
    flat = y[:, None] ** 2 + np.fft.rfftfreq(shape[2]).astype(dtype) ** 2
    for height in z:
        yield np.rint(np.sqrt(flat + height**2) * dtype(max(shape) * steps)).astype(np.intp)


def shell_sums(shape: tuple[int, ...], *products) -> np.ndarray:
    """Sums over shells up to Nyquist, of coefficients and their mirror images.

    products : each a function of the plane's number that gives ndarray (y, x // 2 + 1), real
    Returns ndarray (1 + products, shells): the counts of coefficients first.
    """
    count = max(shape) // 2 + 1
    sums = np.zeros((1 + len(products), count))
    twice = np.full(shape[2] // 2 + 1, 2.0)  # the other half of the transform is its mirror image
    twice[0] = 1
    if shape[2] % 2 == 0:
        twice[-1] = 1
    for k, shell in enumerate(shell_planes(shape)):
        inside = shell < count
        index = shell[inside]
        weight = np.broadcast_to(twice, shell.shape)[inside]
        sums[0] += np.bincount(index, weight, count)
        for row, product in zip(sums[1:], products):
            row += np.bincount(index, weight * product(k)[inside], count)
    return sums


def shell_frequencies(shape: tuple[int, ...], voxel_size: float) -> np.ndarray:
    """Frequency of each shell, 1/Å, from 0 to Nyquist."""
    return np.arange(max(shape) // 2 + 1) / (max(shape) * voxel_size)


def scale_shells(spectrum: np.ndarray, shape: tuple[int, ...], gain: np.ndarray) -> None:
    """Multiply by a gain, in place; beyond Nyquist by that of Nyquist.

    gain : ndarray (shells,), above 0; between shells its logarithm is interpolated, so that what
        undoes a B-factor undoes it smoothly
    """
    radii = np.arange(FINE * max(shape) + 1) / FINE
    table = np.exp(np.interp(radii, np.arange(len(gain)), np.log(gain))).astype(np.float32)
    for plane, step in zip(spectrum, shell_planes(shape, FINE)):
        plane *= table[step]


def power_spectrum(spectrum: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Mean |F|² in every shell, ndarray (shells,)."""
    number, total = shell_sums(shape, lambda k: spectrum[k].real ** 2 + spectrum[k].imag ** 2)
    return total / np.maximum(number, 1)


def correlate(
    spectra: Iterable[np.ndarray], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Count of coefficients and correlation in each shell, ndarrays (shells,).

    spectra : two transforms of maps of `shape`
    """
    a, b = spectra
    counts, cross, power1, power2 = shell_sums(shape, *products(a, b))
    norm = np.sqrt(power1 * power2)
    fsc = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    fsc[0] = 1.0  # by convention; the mean densities say nothing
    return counts, fsc


def products(a: np.ndarray, b: np.ndarray):
    """Of two spectra, functions of a plane's number: cross power, and the power of each."""
    return (
        lambda k: a[k].real * b[k].real + a[k].imag * b[k].imag,
        lambda k: a[k].real ** 2 + a[k].imag ** 2,
        lambda k: b[k].real ** 2 + b[k].imag ** 2,
    )
