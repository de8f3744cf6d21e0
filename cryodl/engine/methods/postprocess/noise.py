"""What of a map is noise: found, or told by its statistics or by a mask.

DeepEMhancer brings the noise to mean 0 and standard deviation 0.1 (Sanchez-Garcia et al. 2021, Data
preparation). The same three numbers of ways are offered; what follows from them is the level of
noise in every band (`maps.whitened`), so that nothing depends on the unit of a map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError, SettingError
from ...maps.mask import automatic_mask
from ...maps.masked import masked_support, outside_value
from ...maps.volume import Volume

WAYS = ("auto", "stats", "mask")
NOISE_SD = 0.1  # of the normalised noise
APART = 8  # Å that noise is away from the molecule
_COARSE = 4  # voxels
AVERAGE = 2.5  # Å, standard deviation of the window in which a map is judged
SKEWED, PEAKED = 0.3, 0.6  # third and fourth moments beyond which a map is not mere noise
LEAST = 0.005  # share of the box: with less noise than that there is none


@dataclass(frozen=True)
class Noise:
    """Mean and standard deviation of a map's noise, in its unit; where it was measured.

    region : ndarray, shape (z, y, x), bool; None where no place holds noise alone
    given : whether mean and sd were told, and not measured
    """

    mean: float
    sd: float
    region: np.ndarray | None
    given: bool = False

    def normalise(self, data: np.ndarray) -> np.ndarray:
        """A map whose noise has mean 0 and standard deviation 0.1, where any is known."""
        scale = NOISE_SD / self.sd if self.sd > 0 else 1.0
        return (data - np.float32(self.mean)) * np.float32(scale)


def check_normalisation(way: str, mean, sd, mask) -> str:
    """The way of normalisation; "auto" becomes "stats" or "mask" where these are given.

    Raises SettingError for an unknown way, or one that lacks what it needs.
    """
    if way not in WAYS:
        raise SettingError(f"normalisation {way!r} is unknown: choose one of {', '.join(WAYS)}")
    if (mean is None) != (sd is None):
        raise SettingError("noise statistics are two numbers: give --noise-mean and --noise-std")
    if sd is not None and not (np.isfinite(sd) and sd > 0 and np.isfinite(mean)):
        raise SettingError(f"noise of mean {mean} and standard deviation {sd}: the second must be "
                           "above 0")  # fmt: skip
    if way == "stats" and sd is None:
        raise SettingError("normalisation stats needs --noise-mean and --noise-std")
    if way == "mask" and mask is None:
        raise SettingError("normalisation mask needs --mask")
    if way == "mask" and sd is not None:
        raise SettingError("normalisation mask measures the noise outside --mask: leave out "
                           "--noise-mean and --noise-std, or choose stats")  # fmt: skip
    if way == "auto":
        return "stats" if sd is not None else "mask" if mask is not None else "auto"
    return way


def find_noise(grid: Volume, way: str, *, mean=None, sd=None, inside=None) -> Noise:
    """Noise of a map.

    grid : the map, on the network's grid
    way : "auto", "stats" (mean and sd are given) or "mask" (noise is outside of `inside`)
    inside : ndarray, shape (z, y, x), bool, outside which noise lies; with told statistics, too,
        how the noise is spread over frequencies
    """
    data = grid.data
    if not np.ptp(data):
        raise InputError(f"the map is constant ({float(data.flat[0]):g}): give another one")
    region = _region(grid, inside if way != "auto" else None)
    if way == "stats":
        return Noise(float(mean), float(sd), region, True)
    if region is None:
        return Noise(_background(data), 0.0, None)
    values = data[region]
    return Noise(float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)), region)


def _region(grid: Volume, inside) -> np.ndarray | None:
    """Where there is noise: away from the molecule, and not cut out by a mask."""
    from scipy.ndimage import binary_dilation

    told = inside is not None
    inside = automatic_mask(grid) if inside is None else inside
    padded = np.pad(inside, [(0, -n % _COARSE) for n in inside.shape])
    z, y, x = (n // _COARSE for n in padded.shape)
    blocks = padded.reshape(z, _COARSE, y, _COARSE, x, _COARSE).any(axis=(1, 3, 5))
    if not told:
        steps = round(APART / grid.voxel_size / _COARSE)
        blocks = binary_dilation(blocks, iterations=max(1, steps))
    for axis in range(3):
        blocks = blocks.repeat(_COARSE, axis)
    region = ~blocks[tuple(slice(n) for n in inside.shape)]
    support = masked_support(grid.data)
    if support is not None:
        region &= support
    if region.mean() >= LEAST:
        return region
    return np.ones(region.shape, bool) if support is None and looks_like_noise(grid) else None


def looks_like_noise(grid: Volume) -> bool:
    """Whether a map's density at about 10 Å is spread like a normal distribution.

    Molecule and solvent give a skewed or flat one; and there is nothing else to tell noise by where
    it fills the box.
    """
    from scipy.ndimage import gaussian_filter

    # Round the box, since values mirrored at a border would count twice.
    smooth = gaussian_filter(grid.data, AVERAGE / grid.voxel_size, mode="wrap", truncate=3.0)
    smooth = (smooth - smooth.mean(dtype=np.float64)) / max(float(smooth.std()), 1e-30)
    squares = smooth * smooth  # a power of 3 or 4 takes numpy twenty times longer
    skewness, kurtosis = float((squares * smooth).mean()), float((squares * squares).mean())
    return abs(skewness) < SKEWED and abs(kurtosis - 3) < PEAKED


def _background(data) -> float:
    """The commonest value: what a mask left outside, or else the median."""
    support = masked_support(data)
    if support is None:
        return float(np.median(data[::2, ::2, ::2]))
    return float(outside_value(data, support))
