"""Radial filters of periodic boxes, on the CPU (numpy) or on the accelerator (keras.ops).

Every filter is a table over the radial frequency bins of the box, so that the random choices of an
experiment are small arrays made on the CPU, and only transforms and products run on the device.
Two namespaces offer the same five operations.
"""

from __future__ import annotations

import numpy as np

from cryodl.filters.shells import shell_planes
from cryodl.maps.edges import cosine_edge

EDGE = 0.02  # cycles per voxel, width of the raised cosine (DeepRes, section 2.1)
UNIT_RESOLUTION = 3.0  # Å; the unit of density is the maximum of the map at this resolution
OVERSAMPLING = 4  # radial bins per Fourier voxel


class NumpyFourier:
    """Fourier operations on numpy arrays; spectra are complex arrays."""

    @staticmethod
    def rfft3(x):
        import scipy.fft

        return scipy.fft.rfftn(x, axes=(-3, -2, -1), workers=1)

    @staticmethod
    def irfft3(spectrum, shape):
        import scipy.fft

        return scipy.fft.irfftn(spectrum, s=shape, axes=(-3, -2, -1), workers=1)

    @staticmethod
    def scale(spectrum, gain):
        return spectrum * gain

    @staticmethod
    def add(first, second):
        return first + second

    @staticmethod
    def take(table, bins):
        return np.asarray(table, np.float32)[bins]


class KerasFourier:
    """The same on Keras tensors; spectra are (real, imaginary) pairs, as keras.ops has them."""

    @staticmethod
    def rfft3(x):
        from keras import ops

        spectrum = ops.rfft(ops.convert_to_tensor(x))
        return _other_axes(spectrum, ops.fft)

    @staticmethod
    def irfft3(spectrum, shape):
        from keras import ops

        # The inverse of a complex transform is its conjugate's forward transform, conjugated.
        real, imag = _other_axes((spectrum[0], -spectrum[1]), ops.fft)
        size = float(shape[0] * shape[1])
        return ops.irfft((real / size, -imag / size), fft_length=shape[2])

    @staticmethod
    def scale(spectrum, gain):
        return spectrum[0] * gain, spectrum[1] * gain

    @staticmethod
    def add(first, second):
        return first[0] + second[0], first[1] + second[1]

    @staticmethod
    def take(table, bins):
        from keras import ops

        return ops.take(ops.convert_to_tensor(np.asarray(table, np.float32)), bins, axis=0)


def _other_axes(spectrum, transform):
    from keras import ops

    real, imag = spectrum
    for axis in (-2, -3):
        real, imag = ops.swapaxes(real, axis, -1), ops.swapaxes(imag, axis, -1)
        real, imag = transform((real, imag))
        real, imag = ops.swapaxes(real, axis, -1), ops.swapaxes(imag, axis, -1)
    return real, imag


def frequency_bins(shape):
    """Radial bin of every coefficient of a real transform.

    shape : (z, y, x), voxels
    Returns ndarray, shape (z, y, x // 2 + 1), int32; bin b stands for frequency
    b / (OVERSAMPLING * max(shape)) in cycles per voxel.
    """
    planes = shell_planes(shape, OVERSAMPLING, np.float32)
    return np.stack([plane.astype(np.int32) for plane in planes])


def bin_frequencies(shape, voxel_size):
    """Frequencies, in 1/Å, of the radial bins, up to the corner of the Fourier box."""
    step = OVERSAMPLING * max(shape)
    return np.arange(int(np.ceil(np.sqrt(0.75) * step)) + 1) / (step * voxel_size)


def larger_voxels(shape, voxels):
    """What a grid of larger voxels keeps of a real transform: a cube in Fourier space.

    shape : (z, y, x), voxels;  voxels : edge of the larger ones, in those of the map
    Returns ndarray, shape (z, y, x // 2 + 1), bool.
    """
    z, y = (np.abs(np.fft.fftfreq(n)) <= 0.5 / voxels for n in shape[:2])
    return z[:, None, None] & y[:, None] & (np.fft.rfftfreq(shape[2]) <= 0.5 / voxels)


def on_voxels(density, voxels):
    """A map, (z, y, x), as if it had been on a grid of larger voxels before."""
    if voxels == 1:
        return density
    spectrum = NumpyFourier.rfft3(density) * larger_voxels(density.shape, voxels)
    return NumpyFourier.irfft3(spectrum, density.shape).astype(np.float32)


def raised_cosine(frequencies, resolution, width):
    """Low-pass table: 1 up to 1 / resolution, then half a cosine down to 0 over `width` (1/Å).

    The convention of Xmipp's `transform_filter`, with which DeepRes's data were made (section 2.1:
    width 0.02 cycles per voxel). The half-way point lies at 1 / resolution + width / 2.
    """
    return cosine_edge(frequencies, 1 / resolution, width)


def radial_power(spectrum, bins, count):
    """Mean power |F|² per radial bin of a numpy spectrum (0 in empty bins).

    spectrum : complex ndarray as from a real transform;  bins : as from `frequency_bins`
    """
    flat = bins.ravel()
    power = (spectrum.real**2 + spectrum.imag**2).ravel()
    total = np.bincount(flat, power, minlength=count)
    number = np.bincount(flat, minlength=count)
    # Fine bins are uneven near the origin: fill the empty ones from their neighbours.
    filled = number > 0
    mean = np.interp(np.arange(count), np.flatnonzero(filled), total[filled] / number[filled])
    return mean


class FourierBox:
    """Radial filters over one box (see filters.py); spectra are whatever its namespace has.

    size : voxels along an edge
    voxel_size : Å
    device : bool, transform on the accelerator
    """

    def __init__(self, size: int, voxel_size: float, *, device: bool = False) -> None:
        self.size, self.voxel_size = size, voxel_size
        self.shape = (size, size, size)
        self.bins = frequency_bins(self.shape)
        self.frequencies = bin_frequencies(self.shape, voxel_size)  # 1/Å, of the radial tables
        self._xp = KerasFourier if device else NumpyFourier

    def to_spectrum(self, data: np.ndarray, *tables: np.ndarray):
        """Transform of a map, multiplied by radial tables."""
        return self.filter(self._xp.rfft3(np.asarray(data, np.float32)), *tables)

    def to_map(self, spectrum, *tables: np.ndarray) -> np.ndarray:
        """Map of a spectrum times radial tables; ndarray (z, y, x), float32."""
        return np.asarray(self._xp.irfft3(self.filter(spectrum, *tables), self.shape), np.float32)

    def filter(self, spectrum, *tables: np.ndarray):
        """A spectrum times radial tables."""
        if not tables:
            return spectrum
        return self._xp.scale(spectrum, self._xp.take(np.prod(tables, axis=0), self.bins))

    def cut(self, spectrum, native: float):
        """What a grid of `native` Å holds of a spectrum: a cube around its origin."""
        cube = larger_voxels(self.shape, native / self.voxel_size)
        return self._xp.scale(spectrum, cube.astype(np.float32))

    def add(self, first, second):
        """Sum of two spectra."""
        return self._xp.add(first, second)

    def power(self, spectrum) -> np.ndarray:
        """Mean power per coefficient in every radial bin."""
        return radial_power(self.as_complex(spectrum), self.bins, len(self.frequencies))

    @staticmethod
    def as_complex(spectrum) -> np.ndarray:
        """A spectrum of either namespace as a complex numpy array."""
        if isinstance(spectrum, tuple):
            return np.asarray(spectrum[0]) + 1j * np.asarray(spectrum[1])
        return np.asarray(spectrum)
