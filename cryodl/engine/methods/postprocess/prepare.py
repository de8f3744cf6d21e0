"""From a map as it comes to what the network reads."""

from __future__ import annotations

import numpy as np

from ...maps.whitened import whiten
from .noise import NOISE_SD, Noise

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
    return whiten(density, region, noise_sd=NOISE_SD if noise.given else None).features()


def to_density(blocks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Blocks' voxels as channels, (z / 2, y / 2, x / 2, 8), as a map of `shape`; float32."""
    z, y, x = blocks.shape[:3]
    data = blocks.reshape(z, y, x, 2, 2, 2).transpose(0, 3, 1, 4, 2, 5)
    return data.reshape(2 * z, 2 * y, 2 * x)[tuple(slice(n) for n in shape)]
