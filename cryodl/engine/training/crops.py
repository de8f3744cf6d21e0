"""Crops of whole maps to train on."""

from __future__ import annotations

import numpy as np

from ..maps.whole import stack


def crop(levelled, bands, extra, target, config, rng):
    """A crop of a map's features and of its targets, in one of 48 orientations.

    levelled, bands, extra : as from `whole_features`
    target : (z / 2, y / 2, x / 2, n): resolutions in channel 0 (and 3), in channel 1 their weight
    Returns (x, y), float16.
    """
    size = config["crop"]
    shape = np.array(levelled.shape)
    if rng.random() < config["solvent"]:
        centre = rng.integers(0, shape)
    else:
        near = np.argwhere(target[::2, ::2, ::2, 1] > 0)
        centre = 4 * near[rng.integers(len(near))] if len(near) else shape // 2
    start = centre - size // 2 + rng.integers(-size // 4, size // 4 + 1, 3)
    start = np.clip(start, 0, np.maximum(shape - size, 0)) // 2 * 2
    fine = tuple(slice(s, s + size) for s in start)
    half = tuple(slice(s // 2, (s + size) // 2) for s in start)
    order = tuple(rng.permutation(3))
    flips = tuple(slice(None, None, int(step)) for step in rng.choice([-1, 1], 3))

    def turned(data):
        return data.transpose((*order, *range(3, data.ndim)))[flips]

    x = stack(*(turned(a) for a in (levelled[fine], bands[half], extra[half])))
    y = turned(target[half]).copy()
    y[..., 1] *= _inner(y.shape[:3], config["border"])
    # logarithms are taken of resolutions, so that what is added to a small map must not be 0
    beyond = np.zeros(y.shape[-1], np.float32)
    beyond[::3] = y[0, 0, 0, ::3]
    return _filled(x, size // 2), _filled(y, size // 2, beyond)


def _inner(shape, border):
    inner = np.zeros(shape, np.float32)
    inner[tuple(slice(border, n - border) for n in shape)] = 1
    return inner


def _filled(data, size, beyond=0.0):
    """Add planes where an experiment is smaller than a crop; beyond : their channels."""
    filled = np.empty((size, size, size, data.shape[-1]), np.float16)
    filled[...] = beyond
    z, y, x = data.shape[:3]
    filled[:z, :y, :x] = data
    return filled
