"""A map as the post-processing network reads it: the choice of bundle, the noise, the sub-bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.errors import BundleError, InputError, SettingError
from cryodl.features.sub_bands import CHANNELS, GROUPS, VOXELS, normalise_sub_bands
from cryodl.maps.mask import automatic_mask, existing_mask, outside_value
from cryodl.maps.volume import Volume
from cryodl.networks.architectures import OBJECT, TEXT, numbers, optional
from cryodl.networks.bundle import Bundle
from cryodl.networks.method_bundle import LIMITS, bundle_for, check_tiles

METHOD = "postprocess"
MODELS = {"tight": "enhance-tight", "wide": "enhance-wide", "highres": "enhance-highres"}
REQUIRED = {**LIMITS, "model": optional(TEXT)}
HALVES_CHANNELS = 8 + 8 + 1 + 1  # filtered map, noise, mask, resolution
CHANNELS_BEFORE = CHANNELS - GROUPS * VOXELS
REFINED = "enhance-refined"
READS_HALVES = {"filtered half maps": ("correction", {"channels": HALVES_CHANNELS})}
READS = {"whitened": ("postprocess_unet", {"channels": CHANNELS_BEFORE, "groups": GROUPS})}


def choose_bundle(model: str = "tight", bundle: Any = None) -> Bundle:
    """The bundle given, or the shipped one of a model.

    model : "tight", "wide" or "highres";  bundle : Bundle, name, folder, or None

    Raises
    ------
    SettingError : an unknown model
    BundleError : a bundle that cannot be found, or is for something else
    """
    if bundle is None:
        if model not in MODELS:
            raise SettingError(f"model {model!r} is unknown: choose one of {', '.join(MODELS)}")
        bundle = MODELS[model]
    bundle = bundle_for(METHOD, bundle, REQUIRED, READS)
    check_tiles(bundle)
    return bundle


TRUST, TRUST_ONE_MAP = "trust", "trust_one_map"  # tables of a spec


def choose_refining(bundle: Any = None, table: str = TRUST) -> Bundle:
    """The bundle given, or the shipped one, of a network that corrects filtered maps.

    table : of the trust, which it has for what it has learnt from

    Raises BundleError for one that cannot be found, or is for something else.
    """
    needed = {**LIMITS, TRUST: OBJECT, **_table(TRUST)}
    found = bundle_for(METHOD, REFINED if bundle is None else bundle, needed, READS_HALVES)
    if TRUST_ONE_MAP in found.spec:
        more = {TRUST_ONE_MAP: OBJECT, **_table(TRUST_ONE_MAP)}
        bundle_for(METHOD, found, more, READS_HALVES)
    if table not in found.spec:
        raise BundleError(
            f"the network '{found.spec['name']}' corrects half maps alone: give those, or another "
            "network"
        )
    check_tiles(found)
    return found


def _table(name: str) -> dict[str, Any]:
    return {f"{name}.departure": numbers(0, 1e3, ascending=True), f"{name}.share": numbers(0, 1)}


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
    given : whether mean and sd were given, and not measured
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
        raise SettingError("noise statistics are two numbers: give noise_mean= and noise_std=")
    if sd is not None and not (np.isfinite(sd) and sd > 0 and np.isfinite(mean)):
        raise SettingError(f"noise of mean {mean} and standard deviation {sd}: the second must be "
                           "above 0")  # fmt: skip
    if way == "stats" and sd is None:
        raise SettingError("normalisation stats needs noise_mean= and noise_std=")
    if way == "mask" and mask is None:
        raise SettingError("normalisation mask needs mask=")
    if way == "mask" and sd is not None:
        raise SettingError("normalisation mask measures the noise outside mask=: leave out "
                           "noise_mean= and noise_std=, or choose stats")  # fmt: skip
    if way == "auto":
        return "stats" if sd is not None else "mask" if mask is not None else "auto"
    return way


def find_noise(grid: Volume, way: str, *, mean=None, sd=None, inside=None) -> Noise:
    """Noise of a map.

    grid : the map, on the network's grid
    way : "auto", "stats" (mean and sd are given) or "mask" (noise is outside of `inside`)
    inside : ndarray, shape (z, y, x), bool, outside which noise lies; with given statistics, too,
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

    given = inside is not None
    inside = automatic_mask(grid) if inside is None else inside
    padded = np.pad(inside, [(0, -n % _COARSE) for n in inside.shape])
    z, y, x = (n // _COARSE for n in padded.shape)
    blocks = padded.reshape(z, _COARSE, y, _COARSE, x, _COARSE).any(axis=(1, 3, 5))
    if not given:
        steps = round(APART / grid.voxel_size / _COARSE)
        blocks = binary_dilation(blocks, iterations=max(1, steps))
    for axis in range(3):
        blocks = blocks.repeat(_COARSE, axis)
    region = ~blocks[tuple(slice(n) for n in inside.shape)]
    support = existing_mask(grid.data)
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
    support = existing_mask(data)
    if support is None:
        return float(np.median(data[::2, ::2, ::2]))
    return float(outside_value(data, support))


MULTIPLE = 4  # voxels: the network's total stride


def prepare(data: np.ndarray, noise: Noise) -> np.ndarray:
    """Features of a map on the half grid.

    data : ndarray, shape (z, y, x), on the network's grid
    noise : of the map

    Returns ndarray (z / 2, y / 2, x / 2, channels), float16, sizes rounded up to even ones.
    """
    missing = [(0, -n % MULTIPLE) for n in data.shape]
    density = np.pad(noise.normalise(data), missing, mode="edge")
    region = noise.region
    if region is not None:
        region = np.pad(region, missing)
    noise_sd = NOISE_SD if noise.given else None
    return normalise_sub_bands(density, region, noise_sd=noise_sd).features()


def to_density(blocks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Blocks' voxels as channels, (z / 2, y / 2, x / 2, 8), as a map of `shape`; float32."""
    z, y, x = blocks.shape[:3]
    data = blocks.reshape(z, y, x, 2, 2, 2).transpose(0, 3, 1, 4, 2, 5)
    return data.reshape(2 * z, 2 * y, 2 * x)[tuple(slice(n) for n in shape)]
