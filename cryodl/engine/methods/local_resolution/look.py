"""One look at a map: what the network says of it in the orientation in which it is given."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from math import ceil, floor
from typing import Any

import numpy as np

from ...device import device_scope
from ...maps.parts import bounding_box, bring_back
from ...maps.rotations import Pass
from ...maps.stages import Stages
from ...maps.volume import Volume
from ...tiles import predict_tiled
from .plan import tile_grid
from .prepare import Prepared, prepare
from .probe import probe_resolution


class Look:
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
        self, spec: Mapping[str, Any], loading: Future, stages: Stages, batch_size: int
    ) -> None:
        self.spec, self.loading, self.stages = spec, loading, stages
        self.batch_size = batch_size
        self.steps, self.grid_voxel_size = 0, 0.0

    def __call__(
        self, this: Pass, volume: Volume, inside: np.ndarray, molecule: np.ndarray
    ) -> list[np.ndarray]:
        """Resolution and standard deviation, ndarrays, shape (z, y, x), Å, 0 outside the mask.

        volume : density;  inside, molecule : ndarrays of its shape, bool, as `prepare` takes them
        """
        box = bounding_box(inside)
        with self.stages("prepare"):
            prepared = prepare(volume, self.spec, box, molecule)
        with self.stages("load"):
            model, device = self.loading.result()
        tiles = tile_grid(prepared.shape, self.spec, device)
        with self.stages("predict"), device_scope(device):
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
        with self.stages("finish"):
            values = (prepared.volume(predicted[..., i]) for i in (0, 1))
            return [bring_back(part, volume, inside, box).data for part in values]

    def first(
        self, this: Pass, volume: Volume, inside: np.ndarray, molecule: np.ndarray
    ) -> list[np.ndarray]:
        """Median resolution of the molecule's middle (`probe_resolution`), ndarray (1,), Å."""
        with self.stages("load"):
            model, device = self.loading.result()
        with self.stages("probe"), device_scope(device):
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
