"""A first look at a map, to know up to where its spectrum may be flattened."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from ...maps.parts import bounding_box, bring_back, cut
from ...maps.volume import Volume
from ...tiles import predict_tiled
from .plan import tile_grid
from .prepare import prepare

OTHER_AXES = ((1, 2), (0, 2), (0, 1))
PROBE = 80  # Å, edge of the part of the molecule at which a first look is taken
AROUND = 64  # grid voxels around it that network and filters reach


def probe_resolution(
    volume: Volume, inside: np.ndarray, molecule: np.ndarray, spec: Any, model: Any
) -> float:
    """Median resolution (Å) of the molecule's middle: up to where to flatten a map's spectrum.

    inside : ndarray, shape (z, y, x), bool, mask;  molecule : likewise, as `prepare` takes it

    A map flattened further than its signal goes shows noise beyond it, which the network knows for
    noise; flattened to its signal's end it looks as those it was trained on.
    """
    middle = [int(np.median(np.flatnonzero(inside.any(axis=other)))) for other in OTHER_AXES]
    half = max(2, round(PROBE / 2 / volume.voxel_size))
    part = tuple(slice(max(0, m - half), m + half) for m in middle)
    near = np.zeros_like(inside)
    near[part] = inside[part]
    if not near.any():
        near = inside
    box = bounding_box(near)
    reach = ceil(AROUND * spec["voxel_size"] / volume.voxel_size)
    around = tuple(slice(max(0, first - reach), last + reach) for first, last in box)
    shifted = tuple((a - s.start, b - s.start) for (a, b), s in zip(box, around))
    near_by = molecule[around] if molecule[around].any() else None
    prepared = prepare(cut(volume, around), spec, shifted, near_by)
    grid = tile_grid(prepared.shape, spec)
    predicted = predict_tiled(prepared.data, model.predict_on_batch, grid, channels=2)
    values = bring_back(prepared.volume(predicted[..., 0]), volume, near, box)
    return float(np.median(values.data[near]))
