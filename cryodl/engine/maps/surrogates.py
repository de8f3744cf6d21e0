"""By how much a map differs from noise of its own spectrum: a test with surrogate data.

Noise, white or smoothed or low-passed, is told by its spectrum alone; a molecule also by phases. So
a map is compared with copies whose phases are drawn at random (Theiler et al. 1992, Physica D 58,
77): skewness and kurtosis on three scales, and how unevenly the power is spread over the box.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from .normalise import block_mean

BLOCK = 4.0  # Å; densities are averaged over so much
MOST = 48  # blocks along the edge of a cube of as many
LEAST = 1000  # blocks from which a distribution can be told
COPIES = 24
SCALES = 0.0, 1.0, 2.0  # blocks, SDs of the Gaussians under which it is looked at
POWER = 2.0  # blocks, SD of the window of the local power
# What noise that is rounded, cropped or not quite Gaussian may do, beside the copies' own scatter.
TOLERANCE = np.array([0.04, 0.05, 0.06, 0.1, 0.12, 0.02])
SKEWNESS = slice(0, 3)  # of what `differences` returns
ORDERED = 3.5  # mean square over squared mean of the power in a shell: of noise 2, of tubes 7


def coarse_blocks(data: np.ndarray, voxel_size: float) -> np.ndarray:
    """Means over about 4 Å, without those at the border: ndarray (z, y, x), float64.

    data : ndarray, shape (z, y, x), float32;  voxel_size : Å
    """
    size = max(1, round(BLOCK / voxel_size), ceil((data.size / MOST**3) ** (1 / 3) - 1e-9))
    whole = data[tuple(slice(0, n // size * size) for n in data.shape)]
    inner = (slice(1, -1),) * 3  # smoothing varies at a border
    return block_mean(whole, size)[inner].astype(np.float64) if whole.size else np.zeros((0,) * 3)


def differences(blocks: np.ndarray) -> np.ndarray | None:
    """Standard deviations by which blocks differ from noise: skewness on three scales, kurtosis on
    two, evenness of the power. None where there are too few, or all are the same.

    blocks : ndarray (z, y, x), as from `coarse_blocks`
    """
    import scipy.fft

    if blocks.size < LEAST or not np.ptp(blocks) > 0:
        return None
    amplitude = np.abs(scipy.fft.rfftn(blocks - blocks.mean()))
    rng = np.random.default_rng(0)
    copies = []
    for _ in range(COPIES):
        phases = scipy.fft.rfftn(rng.normal(size=blocks.shape))
        phases /= np.abs(phases) + 1e-30
        copies.append(_moments(scipy.fft.irfftn(amplitude * phases, s=blocks.shape)))
    scatter = np.hypot(np.std(copies, axis=0), TOLERANCE)
    return (_moments(blocks) - np.mean(copies, axis=0)) / scatter


def is_ordered(blocks: np.ndarray) -> bool:
    """Whether power is gathered in a few coefficients, as a filament's in its layer lines."""
    import scipy.fft

    shape = blocks.shape
    power = np.abs(scipy.fft.rfftn(blocks - blocks.mean())) ** 2
    z, y, x = np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), np.fft.rfftfreq(shape[2])
    radius = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    shell = np.rint(radius * max(shape)).astype(int)
    held = (radius < 0.5) & (shell > 0)
    count = np.bincount(shell[held])
    total, squares = (np.bincount(shell[held], power[held] ** n) for n in (1, 2))
    many = (count > 20) & (total > 0)
    if not many.any():
        return False
    gathered = np.log(squares[many] * count[many] / total[many] ** 2)
    return float(np.average(gathered, weights=total[many])) > np.log(ORDERED)


def _moments(blocks: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    blocks = blocks - blocks.mean()
    skewness, kurtosis = [], []
    for scale in SCALES:
        smooth = gaussian_filter(blocks, scale, mode="wrap") if scale else blocks
        smooth = (smooth - smooth.mean()) / max(smooth.std(), 1e-30)
        squares = smooth * smooth
        skewness.append(float(np.mean(squares * smooth)))
        kurtosis.append(float(np.mean(squares * squares)))
    power = gaussian_filter(blocks * blocks, POWER, mode="wrap")
    # single blocks of noise need not be Gaussian: the kurtosis of those tells nothing
    return np.array([*skewness, *kurtosis[1:], power.std() / max(power.mean(), 1e-30)])
