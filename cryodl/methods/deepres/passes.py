"""Passes of the DeepRes network: one for each rotation, and a first one in the molecule's middle.

The first finds up to where the map's spectrum may be flattened.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from math import ceil, floor
from typing import Any

import numpy as np

from cryodl.compute.device import device_scope
from cryodl.maps.crop import bounding_box, crop, paste
from cryodl.maps.rotations import Pass
from cryodl.maps.volume import Volume
from cryodl.methods.cost import Timer
from cryodl.methods.deepres.prepare import Prepared, prepare, tile_grid
from cryodl.networks.tiles import predict_tiled

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
    prepared = prepare(crop(volume, around), spec, shifted, near_by)
    grid = tile_grid(prepared.shape, spec)
    predicted = predict_tiled(prepared.data, model.predict_on_batch, grid, channels=2)
    values = paste(prepared.volume(predicted[..., 0]), volume, near, box)
    return float(np.median(values.data[near]))


class NetworkPass:
    """A network as what `mean_over` averages.

    spec : of the bundle
    loading : of the network and its device, as `load_network` gives both
    stages : where times are noted;  batch_size : tiles predicted at a time

    Attributes
    ----------
    steps : that the network has read, of all looks
    grid_voxel_size : Å, of the grid that the map was brought to
    """

    def __init__(
        self, spec: Mapping[str, Any], loading: Future, timer: Timer, batch_size: int
    ) -> None:
        self.spec, self.loading, self.timer = spec, loading, timer
        self.batch_size = batch_size
        self.steps, self.grid_voxel_size = 0, 0.0

    def __call__(
        self, this: Pass, volume: Volume, inside: np.ndarray, molecule: np.ndarray
    ) -> list[np.ndarray]:
        """Resolution and standard deviation, ndarrays, shape (z, y, x), Å, 0 outside the mask.

        volume : density;  inside, molecule : ndarrays of its shape, bool, as `prepare` takes them
        """
        box = bounding_box(inside)
        with self.timer("prepare"):
            prepared = prepare(volume, self.spec, box, molecule)
        with self.timer("load"):
            model, device = self.loading.result()
        tiles = tile_grid(prepared.shape, self.spec, device)
        with self.timer("predict"), device_scope(device):
            predicted = predict_tiled(
                prepared.data,
                model.predict_on_batch,
                tiles,
                channels=2,
                batch_size=self.batch_size,
                progress=this.progress,
                skip=lambda part: not _any_inside(inside, volume, prepared, part),
            )
        self.steps += tiles.read_voxels
        self.grid_voxel_size = prepared.grid_voxel_size
        with self.timer("finish"):
            values = (prepared.volume(predicted[..., i]) for i in (0, 1))
            return [paste(part, volume, inside, box).data for part in values]

    def first(
        self, this: Pass, volume: Volume, inside: np.ndarray, molecule: np.ndarray
    ) -> list[np.ndarray]:
        """Median resolution of the molecule's middle (`probe_resolution`), ndarray (1,), Å."""
        with self.timer("load"):
            model, device = self.loading.result()
        with self.timer("probe"), device_scope(device):
            return [np.array([probe_resolution(volume, inside, molecule, self.spec, model)])]


def _any_inside(inside: np.ndarray, volume: Volume, prepared: Prepared, part: tuple) -> bool:
    """Whether a part of the network's grid touches the mask, or a voxel interpolated for it."""
    box = []
    for axis, s in enumerate(part):
        shift = prepared.origin[2 - axis] - volume.origin[2 - axis]
        first = (shift + (s.start - 1) * prepared.voxel_size) / volume.voxel_size
        last = (shift + s.stop * prepared.voxel_size) / volume.voxel_size
        box.append(slice(max(0, floor(first)), max(0, ceil(last) + 1)))
    return bool(inside[tuple(box)].any())
