"""Local resolution from a steerable sinusoid against noise, after ResMap (Kucukelbir, Sigworth &
Tagare 2014, Nature Methods 11, 63).

At every voxel the map, after pre-whitening, is compared with two models: noise alone, and noise
with a sinusoid of wavelength λ, of any direction and phase, under a soft window. The second is a
space of sixteen functions, which no rotation leaves: the window times a sinusoid, expanded in
spherical harmonics up to the third order (six even and ten odd functions, as many as ResMap's). Its
functions are orthogonal and the noise is white, so twice the logarithm of the likelihood ratio is
the energy of the map's projections on them over the variance of the noise, and follows a
chi-squared distribution of sixteen degrees of freedom where there is noise alone. Its mean over the
near neighbourhood follows one of 47 (measured). The resolution is the smallest λ up to which it
exceeds what noise does with probability p.

Where this departs from ResMap, and why. The window is wider than ResMap's kernels (a standard
deviation of 0.9 wavelengths, not about 0.23): with theirs, the strong coarse features of a map pass
for fine ones, and a simulated experiment at 10.7 Å read 6.2. A ratio at single points passes, at
even odds, where signal to noise is 0.7; its mean over neighbours at about 0.35, which is nearer to
an FSC of 0.143 (1/3). The noise is half the difference of the half maps, or what lies outside the
mask of a single map, with a variance that may change through the map. Wavelengths are swept in
small steps from coarse to fine, so that a chance detection beyond the signal's end is no
resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cryodl.half_maps.bands import (
    GRID,
    Gaps,
    Spectrum,
    Window,
    noise_model,
    resolution_range,
    sweep,
)
from cryodl.half_maps.monogenic import COARSEST, NOISE_WINDOW, PATIENCE
from cryodl.half_maps.threshold_sweep import Points, point_step, sweep_resolution
from cryodl.maps.volume import Volume

PERIODS = 0.9  # standard deviation of a function's window, in wavelengths
AROUND = 0.35  # ... and of the neighbourhood over which the ratio is averaged
FREEDOM = 47.0  # degrees of freedom that its mean has in white noise, as measured
FUNCTIONS = 16  # of the model: spherical harmonics of orders 0 to 3
STEP = 0.09  # between bands, in the logarithm of frequency
SHARE = 2.0  # standard deviations of a band's profile that are computed


def sinusoid_resolution(
    volume: Volume,
    inside: np.ndarray,
    difference: Volume | None = None,
    *,
    excluded: np.ndarray | None = None,
    p_value: float = 0.05,
    min_resolution: float | None = None,
    max_resolution: float | None = None,
    gaps: Gaps = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[np.ndarray, float]:
    """Local resolution where a sinusoid ceases to be likelier than noise.

    Parameters
    ----------
    p_value : probability with which noise passes for a sinusoid
    volume, inside, difference, excluded, min_resolution, max_resolution, gaps, progress : as
        `monogenic.monogenic_resolution` takes them

    Returns what that returns, and raises the same errors.
    """
    voxel = volume.voxel_size
    finest, coarsest = resolution_range(volume, min_resolution, max_resolution, COARSEST)
    found = noise_model(volume, inside, difference, coarsest, excluded)
    points = Points(found.inside, point_step(AROUND * finest / voxel))
    least = threshold(p_value)

    def margins(frequency: float, workers: int) -> np.ndarray:
        energy, scale = _energy(found.map, frequency, FUNCTIONS, workers)
        near = AROUND / frequency / voxel
        here = Window(points.places, found.inside, scale, energy.shape, near)
        # The first function alone tells the variance, which is the same for all of them.
        variance, _ = _energy(found.noise or found.map, frequency, 1, workers)
        wide = NOISE_WINDOW * PERIODS / frequency / voxel
        around = Window(points.places, found.noisy, scale, variance.shape, wide)
        level = _noise_level(around, variance, everywhere=found.noise is None)
        return np.log(np.maximum(here.means(energy), 1e-30) / (least * level))

    return sweep_resolution(
        sweep(coarsest, finest, STEP, gaps), margins, points, found.box, volume.shape, voxel,
        patience=PATIENCE, coarsest=coarsest, progress=progress,
    )  # fmt: skip


def threshold(p_value: float) -> np.float32:
    """Summed squares of all functions, over the variance of one, that noise exceeds with p_value.

    Neighbours share most of their noise, so a neighbourhood's mean has FREEDOM degrees of freedom,
    more than its functions and fewer than functions times voxels.
    """
    from scipy.stats import chi2

    return np.float32(chi2.ppf(1 - p_value, FREEDOM) * FUNCTIONS / FREEDOM)


def _noise_level(around: Window, variance: np.ndarray, *, everywhere: bool):
    """Variance of the noise at each point; one for all where it is seen only outside the mask."""
    if everywhere:
        sums = around.sums(variance)
        full = around.counts > 0.5
        full = full if full.any() else around.counts >= around.counts.max()
        return np.float32(max(np.mean(sums[full] / around.counts[full]), 1e-30))
    return np.maximum(around.means(variance), np.float32(1e-30))


def _energy(spectrum: Spectrum, frequency: float, functions: int, workers: int):
    """Summed squares of the projections on the model's functions, and the scale of their grid."""
    width = SHARE / (2 * np.pi * PERIODS)  # of a band, relative to its frequency

    def kernels(kz, ky, kx, radius) -> Iterator[np.ndarray]:
        away = (radius / np.float32(frequency) - 1) * np.float32(2 * np.pi * PERIODS)
        profile = np.exp(-(away**2) / 2)
        yield profile
        if functions > 1:
            yield from (profile * part for part in harmonics(kz, ky, kx))

    total: np.ndarray | None = None
    low, high = frequency * max(0.0, 1 - width), frequency * (1 + width)
    high = min(high, 0.5 / spectrum.voxel_size)  # the same in all directions
    bands = spectrum.filtered(high / GRID, low, high, kernels, workers=workers)
    for field, scale in bands:  # noqa: B007 (all have one scale)
        field *= field
        total = field if total is None else np.add(total, field, out=total)
    return total, scale


def harmonics(z, y, x) -> Iterator[np.ndarray]:
    """Real spherical harmonics of orders 1 to 3 at unit vectors, their mean square over the sphere
    1; the odd ones times -i, which makes the transform of a real map's part real."""
    odd = np.complex64(-1j)
    for value in (x, y, z):
        yield odd * np.float32(3**0.5) * value
    a = np.float32(15**0.5)
    yield from (a * x * y, a * y * z, a * x * z, a / 2 * (x * x - y * y))
    yield np.float32(5**0.5 / 2) * (3 * z * z - 1)
    b, c, d = (np.float32(v**0.5) for v in (35 / 8, 105, 21 / 8))
    yield odd * b * y * (3 * x * x - y * y)
    yield odd * b * x * (x * x - 3 * y * y)
    yield odd * c * x * y * z
    yield odd * c / 2 * z * (x * x - y * y)
    yield odd * d * y * (5 * z * z - 1)
    yield odd * d * x * (5 * z * z - 1)
    yield odd * np.float32(7**0.5 / 2) * z * (5 * z * z - 3)
