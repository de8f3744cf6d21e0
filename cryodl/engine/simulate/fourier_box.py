"""A cubic periodic box and its Fourier transforms, on the CPU or on the accelerator."""

from __future__ import annotations

import numpy as np

from .filters import bin_frequencies, frequency_bins, namespace, radial_power


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
        self._xp = namespace(device)

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
        full, half = np.abs(np.fft.fftfreq(self.size)), np.fft.rfftfreq(self.size)
        limit = 0.5 * self.voxel_size / native
        z, y, x = full <= limit, full <= limit, half <= limit
        cube = z[:, None, None] & y[None, :, None] & x[None, None, :]
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
