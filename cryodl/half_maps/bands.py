"""A map and its noise through a bank of band-pass filters, each on the coarsest grid that holds it.

The spectrum is divided by the noise's radial amplitude first (pre-whitening). Then within a band
all frequencies weigh the same, whatever B-factor was applied, and a filter that multiplies signal
and noise alike hardly changes what follows. The noise model of a map is the spectrum of half the
difference of its half maps, or of the solvent of a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cryodl.errors import InputError
from cryodl.filters.shells import inverse, low_frequencies, power_spectrum, scale_shells, transform
from cryodl.half_maps.threshold_sweep import taper, untapered
from cryodl.maps.crop import box_around
from cryodl.maps.mask import existing_mask
from cryodl.maps.volume import Volume

Gaps = Sequence[tuple[float, float]]

HALF_WIDTH = 0.15  # of a band, in the logarithm of frequency: localises to about three periods
STEP = 0.06  # between bands, likewise
LEAST_RANGE = 1.2  # coarsest over finest resolution looked at, at least
GRID = 1.5  # Nyquist frequency of a band's grid: |band|² then aliases only where the window is 0


def resolution_range(
    volume: Volume, finest: float | None, coarsest: float | None, default: float
) -> tuple[float, float]:
    """Finest and coarsest resolution (Å) that are looked at in a map.

    finest, coarsest : as asked for, or None;  default : the coarsest where it is not asked for
    A box holds waves of half its shortest edge in enough directions, and no longer ones.

    Raises InputError where nothing lies between the two.
    """
    edge = min(volume.shape) * volume.voxel_size
    finest = max(finest or 0.0, 2 * volume.voxel_size)
    if coarsest is None:
        coarsest = min(max(default, 2 * finest), edge / 2)
    if coarsest > edge / 2 or coarsest <= LEAST_RANGE * finest:
        raise InputError(
            f"nothing can be looked at from {coarsest:g} to {finest:g} Å: the box of "
            f"{volume.size} voxels of {volume.voxel_size:g} Å tells resolutions from "
            f"{edge / 2:g} to {2 * volume.voxel_size:g} Å; give others, or a larger box"
        )
    return finest, coarsest


def sweep(coarsest: float, finest: float, step: float = STEP, gaps: Gaps = ()) -> np.ndarray:
    """Centres of the bands, 1/Å, from 1 / coarsest to 1 / finest (Å), evenly spaced in log.

    gaps : (coarser, finer) Å, of which the whole map holds no signal; bands in them are left out
    """
    count = max(4, int(np.ceil(np.log(coarsest / finest) / step)) + 1)
    centres = np.geomspace(1 / coarsest, 1 / finest, count)
    for coarser, finer in gaps:
        centres = centres[(centres * coarser < 1) | (centres * finer > 1)]
    return centres


class Spectrum:
    """The whitened transform of a map, from which bands are taken.

    data : ndarray, shape (z, y, x);  voxel_size : Å
    noise : ndarray (shells,), mean |F|² of the noise; what has none in a shell is left as it is
    """

    def __init__(self, data: np.ndarray, voxel_size: float, noise: np.ndarray) -> None:
        self.shape, self.voxel_size = data.shape, voxel_size
        self.values = transform(data)
        gain = 1 / np.sqrt(np.maximum(noise, noise.max() * 1e-12))
        scale_shells(self.values, self.shape, gain)

    def band(self, frequency: float, *, riesz: bool, workers: int | None = None) -> Band:
        """The map in one band, and on request its three Riesz transforms.

        frequency : centre, 1/Å
        """
        centre = np.float32(frequency**2)

        def kernels(kz, ky, kx, radius):
            square = radius * radius
            weight = np.cos(np.log(square / centre) * (np.pi / 4 / HALF_WIDTH))
            yield weight
            if riesz:  # -i k / |k| (Felsberg & Sommer 2001)
                weight = weight * np.complex64(-1j)
                yield from (weight * k for k in (kz, ky, kx))

        reach = np.exp(HALF_WIDTH)
        found = self.filtered(
            frequency, frequency / reach, frequency * reach, kernels, workers=workers
        )
        fields, scales = zip(*found)
        return Band(list(fields), scales[0])

    def filtered(
        self,
        frequency: float,
        low: float,
        high: float,
        kernels: Callable[..., Iterator[np.ndarray]],
        *,
        workers: int | None = None,
    ) -> Iterator[tuple[np.ndarray, tuple[float, ...]]]:
        """The map through filters of one band, one after another, each with its grid's scale.

        frequency : 1/Å, that the grid holds GRID times;  low, high : 1/Å, between which there is
            anything
        kernels : kernels(z, y, x, radius) yields the filters' values at coefficients: the
            components of their unit vectors and their frequencies, ndarray (n,)
        """
        sizes = [self._size(n, frequency) for n in self.shape]
        part = low_frequencies(self.values, self.shape, sizes)
        z, y = (np.fft.fftfreq(m, 1 / m) for m in sizes[:2])
        axes = [z, y, np.arange(sizes[2] // 2 + 1)]
        kz, ky, kx = (
            (k / (n * self.voxel_size)).astype(np.float32) for k, n in zip(axes, self.shape)
        )
        square = kz[:, None, None] ** 2 + ky[:, None] ** 2 + kx**2
        index = np.flatnonzero((square > low**2) & (square < high**2))
        radius = np.sqrt(square.ravel()[index])
        scale = tuple(m / n for m, n in zip(sizes, self.shape))
        kept = part.ravel()[index] * np.float32(np.prod(scale))
        iz, rest = np.divmod(index, part.shape[1] * part.shape[2])
        iy, ix = np.divmod(rest, part.shape[2])
        units = (k[i] / radius for k, i in ((kz, iz), (ky, iy), (kx, ix)))
        for kernel in kernels(*units, radius):
            full = np.zeros(part.shape, np.complex64)
            full.ravel()[index] = kept * kernel
            yield inverse(full, tuple(sizes), workers=workers), scale

    def _size(self, n: int, frequency: float) -> int:
        """Even length of an axis on which the band has its Nyquist frequency to spare."""
        import scipy.fft

        least = 2 * GRID * frequency * self.voxel_size * n
        size = 2 * scipy.fft.next_fast_len(max(4, int(np.ceil(least / 2))))
        return size if size < n else n


@dataclass(frozen=True)
class Band:
    """Values of a band, and how many of its voxels fit one of the map's, along (z, y, x)."""

    fields: list[np.ndarray]
    scale: tuple[float, ...]


class Window:
    """Weighted sums in a Gaussian window around points, from fields on a band's grid.

    points : ndarray (3, n), voxels of the map, (z, y, x)
    inside : ndarray, shape (z, y, x) of the map, bool: only there do values count
    scale : of the band's grid;  shape : of it
    sigma : standard deviation of the Gaussian, in voxels of the map
    """

    def __init__(self, points, inside, scale, shape, sigma: float) -> None:
        self.sigma = [sigma * s for s in scale]
        # means of blocks come first, and count towards the window
        self.block = max(1, int(min(self.sigma)))
        taken = [
            np.minimum((np.arange(m) / s + 0.5).astype(int), n - 1)
            for m, s, n in zip(shape, scale, inside.shape)
        ]
        self.inside = inside[np.ix_(*taken)]
        shift = (self.block - 1) / 2
        steps = np.array(scale)[:, None]
        self.points = ((points * steps - shift) / self.block).astype(np.float32)
        self.counts = self._blur(self._blocks(self.inside.astype(np.float32)))

    def sums(self, field: np.ndarray) -> np.ndarray:
        """Windowed sums over the inside, on the grid of blocks."""
        return self._blur(self._blocks(field * self.inside))

    def at_points(self, sums: np.ndarray, every: int = 1) -> np.ndarray:
        """Values at the points, ndarray (n,), interpolated linearly."""
        from scipy.ndimage import map_coordinates

        return map_coordinates(sums, self.points[:, ::every], order=1, mode="nearest")

    def means(self, field: np.ndarray, every: int = 1) -> np.ndarray:
        """Windowed means over the inside, at the points, or at every so manieth; ndarray (n,)."""
        return self.at_points(self.sums(field) / np.maximum(self.counts, 1e-6), every)

    def _blur(self, blocks: np.ndarray) -> np.ndarray:
        """Bring blocks to the window's width."""
        from scipy.ndimage import gaussian_filter

        own = (self.block**2 - 1) / 12
        sigma = [np.sqrt(max(s**2 - own, 0)) / self.block for s in self.sigma]
        return gaussian_filter(blocks, sigma, mode="nearest", truncate=3.0)

    def _blocks(self, field: np.ndarray) -> np.ndarray:
        """Means of blocks; voxels left over at the far end are dropped."""
        for axis in range(3 if self.block > 1 else 0):
            size = max(1, field.shape[axis] // self.block)
            along = (slice(None),) * axis
            total = field[along + (slice(0, size * self.block, self.block),)].copy()
            for shift in range(1, min(self.block, field.shape[axis])):
                total += field[along + (slice(shift, size * self.block, self.block),)]
            total /= self.block
            field = total
        return field


def noise_power(data: np.ndarray) -> np.ndarray:
    """Mean |F|² of noise in each shell, smoothed over neighbouring shells; ndarray (shells,)."""
    power = power_spectrum(transform(data), data.shape)
    power[0] = power[1]
    if not power.max() > 0:
        return power  # no noise at all
    padded = np.pad(np.log(np.maximum(power, power.max() * 1e-12)), 1, mode="edge")
    return np.exp((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


_LEAST_NOISE = 0.02  # share of the box outside the mask that noise is measured from


@dataclass(frozen=True)
class NoiseModel:
    """The part of a map around its molecule, whitened by its noise.

    box : slices of the map (z, y, x)
    inside : ndarray, shape of the box, bool, the molecule
    noisy : likewise, where noise is measured
    map : Spectrum of the map
    noise : Spectrum of the noise, from half maps; None where only the map's surroundings show it
    """

    box: tuple[slice, ...]
    inside: np.ndarray
    noisy: np.ndarray
    map: Spectrum
    noise: Spectrum | None


def noise_model(
    volume: Volume,
    inside: np.ndarray,
    difference: Volume | None,
    coarsest: float,
    excluded: np.ndarray | None = None,
) -> NoiseModel:
    """Cut a map out around its molecule and measure its noise.

    volume : the map; of two half maps, their mean
    inside : ndarray, shape (z, y, x), bool
    difference : half the difference of the half maps; None takes the noise outside the mask
    coarsest : Å, by which the molecule's surroundings are wide
    excluded : ndarray, shape (z, y, x), bool, where no noise outside the mask is measured

    Raises
    ------
    InputError : no noise around the molecule of a single map
    """
    voxel = volume.voxel_size
    reach = int(np.ceil(coarsest / voxel))
    if difference is None:  # half of it is faded away, and noise is measured in the other half
        reach = max(2 * reach, reach + 2 * _margin(voxel))
    box = box_around(inside, reach)
    background = 0.0 if inside.all() else volume.data[~inside].mean()
    data = taper(volume.data - np.float32(background), box, reach // 2)
    if difference is None:
        noisy = np.zeros(data.shape, bool)  # where the map fades away its noise is no measure
        kept = untapered(box, volume.shape, reach // 2)
        noisy[kept] = outside_of(volume, inside, excluded)[box][kept]
        if noisy.mean() < _LEAST_NOISE / 10:
            raise InputError(
                "too little lies beside the mask to measure the noise in: give a tighter mask, a "
                "coarser max_resolution=, or half maps"
            )
        power = noise_power(data * noisy)
        return NoiseModel(box, inside[box], noisy, Spectrum(data, voxel, power), None)
    apart = taper(difference.data - difference.data.mean(), box, reach // 2)
    power = noise_power(apart)
    if not power.max() > 0:  # identical halves: whatever is there exceeds no noise at all
        power = noise_power(data)
    spectra = (Spectrum(values, voxel, power) for values in (data, apart))
    return NoiseModel(box, inside[box], inside[box], *spectra)


def _margin(voxel_size: float) -> int:
    """Voxels around the molecule that are taken for neither."""
    return max(1, round(5 / voxel_size))


def outside_of(
    volume: Volume, inside: np.ndarray, excluded: np.ndarray | None = None
) -> np.ndarray:
    """Voxels from which the noise of a single map is measured."""
    from scipy.ndimage import binary_dilation

    support = existing_mask(volume.data)
    grown = binary_dilation(inside, iterations=_margin(volume.voxel_size))
    outside = ~grown if support is None else ~grown & support
    if excluded is not None:
        outside &= ~excluded
    if outside.mean() < _LEAST_NOISE:
        raise InputError(
            f"only {outside.mean():.1%} of the box lies outside the mask and holds density: no "
            "noise to compare with; give the unmasked map, a tighter mask, or half maps"
        )
    return outside
