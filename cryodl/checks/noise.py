"""Inverted contrast, noise alone, or no noise at all: what the statistics of densities show.

Noise, white or smoothed or low-passed, has random phases; those of a molecule are ordered. So a map
is compared with surrogates of its own spectrum whose phases are drawn at random (Theiler et al.
1992, Physica D 58, 77): skewness and kurtosis on three scales, and how unevenly the power is spread
over the box. A map computed from a model, or thresholded, is known by the missing noise around it.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import numpy as np

from cryodl.filters.shells import radial_frequencies
from cryodl.maps.crop import box_around
from cryodl.maps.mask import coarse_mask, outside_value
from cryodl.maps.normalise import block_mean
from cryodl.maps.volume import Volume

SURROGATE_BLOCK = 4.0  # Å; densities are averaged over so much
MOST = 48  # blocks along the edge of a cube of as many
SURROGATE_LEAST = 1000  # blocks from which a distribution can be judged
COPIES = 24
SCALES = 0.0, 1.0, 2.0  # blocks, SDs of the Gaussians under which it is looked at
POWER = 2.0  # blocks, SD of the window of the local power
# What noise that is rounded, cropped or not quite Gaussian may do, beside the copies' own scatter.
TOLERANCE = np.array([0.04, 0.05, 0.06, 0.1, 0.12, 0.02])
ASKEW = slice(0, 3)  # of what `differences` returns
ORDERED = 3.5  # mean square over squared mean of the power in a shell: of noise 2, of tubes 7


def coarse_blocks(data: np.ndarray, voxel_size: float) -> np.ndarray:
    """Means over about 4 Å, without those at the border: ndarray (z, y, x), float64.

    data : ndarray, shape (z, y, x), float32;  voxel_size : Å
    """
    size = max(
        1, round(SURROGATE_BLOCK / voxel_size), ceil((data.size / MOST**3) ** (1 / 3) - 1e-9)
    )
    whole = data[tuple(slice(0, n // size * size) for n in data.shape)]
    inner = (slice(1, -1),) * 3  # smoothing varies at a border
    return block_mean(whole, size)[inner].astype(np.float64) if whole.size else np.zeros((0,) * 3)


def differences(blocks: np.ndarray) -> np.ndarray | None:
    """Standard deviations by which blocks differ from noise: skewness on three scales, kurtosis on
    two, evenness of the power. None where there are too few, or all are the same.

    blocks : ndarray (z, y, x), as from `coarse_blocks`
    """
    import scipy.fft

    if blocks.size < SURROGATE_LEAST or not np.ptp(blocks) > 0:
        return None
    amplitude = np.abs(scipy.fft.rfftn(blocks - blocks.mean()))
    copies = [scipy.fft.irfftn(amplitude * p, s=blocks.shape) for p in _random_phases(blocks.shape)]
    (own,), found = _moments(blocks[None]), _moments(np.stack(copies))
    scatter = np.hypot(np.std(found, axis=0), TOLERANCE)
    return (own - np.mean(found, axis=0)) / scatter


@lru_cache(maxsize=1)
def _random_phases(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Coefficients of absolute value 1, the same at every call; COPIES of a real transform."""
    import scipy.fft

    rng, found = np.random.default_rng(0), []
    for _ in range(COPIES):
        phases = scipy.fft.rfftn(rng.normal(size=shape))
        phases /= np.abs(phases) + 1e-30
        found.append(phases)
    return found


def is_ordered(blocks: np.ndarray) -> bool:
    """Whether power is gathered in a few coefficients, as a filament's in its layer lines."""
    import scipy.fft

    shape = blocks.shape
    power = np.abs(scipy.fft.rfftn(blocks - blocks.mean())) ** 2
    radius = radial_frequencies(shape)
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
    """What `differences` compares: ndarray (maps, 6) of maps, ndarray (maps, z, y, x)."""
    from scipy.ndimage import gaussian_filter

    def smoothed(maps: np.ndarray, scale: float) -> np.ndarray:  # all maps at once
        return gaussian_filter(maps, (0, scale, scale, scale), mode="wrap")

    blocks = np.stack([one - one.mean() for one in blocks])
    scales = [smoothed(blocks, scale) if scale else blocks for scale in SCALES]
    found = []
    for power, *at_scales in zip(smoothed(blocks * blocks, POWER), *scales):
        skewness, kurtosis = [], []
        for smooth in at_scales:
            smooth = (smooth - smooth.mean()) / max(smooth.std(), 1e-30)
            squares = smooth * smooth
            skewness.append(float(np.mean(squares * smooth)))
            kurtosis.append(float(np.mean(squares * squares)))
        # single blocks of noise need not be Gaussian: the kurtosis of those says nothing
        found.append([*skewness, *kurtosis[1:], power.std() / max(power.mean(), 1e-30)])
    return np.array(found)


BLOCK = 8.0  # Å; densities are averaged over so much, where a molecule is more than its atoms
BLOCKS = 500  # blocks from which a distribution can be judged, 30 where a mask shows the outside
LEAST_MASKED = 30
SKEWNESS = -1.0  # ten real maps have 0.7 to 7
CORNERS = -0.5  # standard deviations from the median, of solvent in the corners of a box
FEW_BELOW, FEW_SKEWNESS = -0.08, -0.3  # of the voxels of a small masked molecule
BELOW = -0.5  # standard deviations; masked maps have 0.1 to 5
# Standard deviations from noise of the same spectrum: sixty maps of noise, white or smoothed or
# low-passed or rounded, have 3.5 at most, unmasked real and simulated maps 8 and more.
AS_NOISE, AGAINST = 4.5, -6.0

INVERTED = (
    "the contrast looks inverted, the molecule less dense than what is around it: what is said of "
    "the map means nothing; multiply it by -1, in Python: volume = cryodl.read_map('map.mrc'); "
    "cryodl.write_map('fixed.mrc', volume.with_data(-volume.data)); or by relion_image_handler "
    "--multiply_constant -1"
)
NOISE = (
    f"no molecule stands out of the noise: averaged over {BLOCK:g} Å the densities spread as noise "
    "of the same spectrum does; what is said of the map means nothing"
)


def contrast_warning(volume: Volume, support: np.ndarray | None) -> str | None:
    """A sentence where a map looks inverted, or like noise alone.

    support : ndarray (z, y, x), bool, as `existing_mask` finds it, or None
    """
    size = max(1, round(BLOCK / volume.voxel_size))
    blocks = block_mean(volume.data, size).astype(np.float64)
    if support is not None:
        held = blocks[block_mean(support.astype(np.float32), size) > 0.9]
        outside = float(outside_value(volume.data, support))
        if held.size < LEAST_MASKED:  # a small molecule is judged by its voxels, less surely
            return INVERTED if _all_below(volume.data[support] - outside) else None
        if not held.std() > 0:
            return None
        return INVERTED if (held.mean() - outside) / held.std() < BELOW else None
    away = blocks - np.median(blocks)
    spread = float(blocks.std())
    if not spread > 0:
        return None
    away /= spread
    coarse = coarse_blocks(volume.data, volume.voxel_size)
    apart = differences(coarse)
    askew = away.size >= BLOCKS and np.mean(away**3) < SKEWNESS
    if apart is not None:
        faint = apart[ASKEW].max() < 0 and apart[ASKEW].min() < AGAINST
        if not askew and not faint and np.abs(apart).max() < AS_NOISE:
            return None if is_ordered(coarse) else NOISE
        askew |= faint
    # a molecule that fills more than half of the box has a tail below, too: its solvent
    return INVERTED if askew and _corners(away).mean() > CORNERS else None


def _all_below(values: np.ndarray) -> bool:
    """Whether densities lie below what is around them, their tail, too.

    values : ndarray (n,), less what is around them; masked real maps have means of 0
        standard deviations and skewnesses of 0.4 at least
    """
    values = values.astype(np.float64)
    spread = float(values.std())
    if not spread > 0:
        return False
    away = (values - values.mean()) / spread
    return bool(values.mean() / spread < FEW_BELOW and np.mean(away**3) < FEW_SKEWNESS)


def _corners(blocks: np.ndarray) -> np.ndarray:
    """The eight corners of an array, a tenth of each edge wide."""
    ends = [np.r_[: max(1, n // 10), -max(1, n // 10) : 0] for n in blocks.shape]
    return blocks[np.ix_(*ends)]


# Root mean square at the border of what is not constant, over that of all of it: sixteen masked
# real maps have 0.06 to 0.6, Gaussians of atoms 1e-8 to 1e-3, in bytes 0.025.
FADED = 0.03
NEAR, FAR = (4.0, 8.0), (12.0, 16.0)  # Å from the molecule
# Local spread FAR from the molecule, over that in it: real maps have 0.15 to 1; and over that NEAR
# it: of noise about 1, of ripples 0.45.
FAINT, FADING = 0.1, 0.6
EITHER = 0.01  # share of that border below the constant, from which on it is noise
VOXELS = 100  # voxels that a spread needs

CLEAN = (
    "the map holds no noise around its molecule, as if it was computed from a model, or its low "
    "densities were taken away: the networks have learnt from maps with noise, and what they say "
    "of this one is not reliable"
)


def clean_warning(
    volume: Volume, support: np.ndarray | None, inside: np.ndarray | None = None
) -> str | None:
    """A sentence where a map holds no noise.

    support : ndarray (z, y, x), bool, as `existing_mask` finds it, or None
    inside : ndarray (z, y, x), bool, roughly the molecule; None finds it
    """
    if support is not None:
        return CLEAN if _fades(volume.data, support) else None
    return CLEAN if _ripples(volume, coarse_mask(volume) if inside is None else inside) else None


def _fades(data: np.ndarray, support: np.ndarray) -> bool:
    from scipy.ndimage import binary_erosion

    border = support & ~binary_erosion(support, border_value=1)
    density = data[support] - outside_value(data, support)
    held = np.sqrt(np.mean(np.square(density, dtype=np.float64)))
    edge = data[border] - outside_value(data, support)
    if edge.size < VOXELS or not held > 0 or np.mean(edge < 0) > EITHER:
        return False
    return bool(np.sqrt(np.mean(np.square(edge, dtype=np.float64))) < FADED * held)


def _ripples(volume: Volume, inside: np.ndarray) -> bool:
    from scipy.ndimage import distance_transform_edt, uniform_filter

    if not inside.any():
        return False
    squares = np.square(volume.data - uniform_filter(volume.data, 3, mode="nearest"))
    part = box_around(inside, ceil(FAR[1] / volume.voxel_size))  # farther is not looked at
    squares, inside = squares[part], inside[part]
    away = distance_transform_edt(~inside) * volume.voxel_size
    spreads = []
    for where in (inside, *((away >= low) & (away < high) for low, high in (NEAR, FAR))):
        if np.count_nonzero(where) < VOXELS:
            return False
        spreads.append(float(np.sqrt(squares[where].mean(dtype=np.float64))))
    molecule, near, far = spreads
    return far < FAINT * molecule and far < FADING * near
