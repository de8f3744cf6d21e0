"""Passes of the network of local classes, one for each rotation of the map; their calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import numpy as np

from cryodl.compute.device import device_scope
from cryodl.features.context import prepare_context
from cryodl.maps.crop import bounding_box, crop
from cryodl.maps.resample import resample_to
from cryodl.maps.rotations import Pass
from cryodl.maps.volume import Volume
from cryodl.methods.cost import Timer, cost_estimate, tile_grid
from cryodl.networks.tiles import predict_tiled

MEANS = 12  # maps kept while passes are averaged: the map turned, and the mean of every answer


class NetworkPass:
    """A network as what `mean_over` averages.

    spec : of the bundle
    loading : of the network and its device, as `load_network` gives both
    stages : where times are noted;  batch_size : tiles predicted at a time
    everything : whether classes that are nowhere the likeliest count, too
    tell : called with what the run will need, in the first pass
    finest : Å, that the map holds

    Attributes
    ----------
    count : of classes
    grid_voxel_size : Å, of the grid that the map was brought to
    """

    def __init__(
        self, spec: Mapping[str, Any], loading: Future, timer: Timer, batch_size: int,
        everything: bool, log, finest: float = 0.0,
    ) -> None:  # fmt: skip
        self.spec, self.loading, self.timer = spec, loading, timer
        self.batch_size, self.everything, self.log = batch_size, everything, log
        self.count, self.grid_voxel_size, self.finest = 0, 0.0, finest

    def __call__(
        self, this: Pass, volume: Volume, molecule: np.ndarray, inside: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Expected resolution (Å), then the probability of every class, 0 outside the mask.

        volume : density;  molecule, inside : ndarrays of its shape, bool

        Yields ndarrays, shape (z, y, x), of the part of the map that holds the mask.
        """
        with self.timer("prepare"):
            prepared = prepare_context(volume, self.spec["voxel_size"], molecule, inside)
        if this.number == 0:
            self.log(cost_estimate(volume, prepared, self.spec, passes=this.count, means=MEANS))
        model, device = self.loading.result()
        with self.timer("predict"), device_scope(device):
            prediction = predict_tiled(
                prepared.data, model.predict_on_batch, tile_grid(prepared, self.spec, device),
                channels=int(model.output_shape[-1]), batch_size=self.batch_size,
                progress=this.progress,
            )  # fmt: skip
        prediction = calibrated(prediction, self.spec["calibration"])
        prediction = possible(prediction, self.spec["network"].get("edges", ()), self.finest)
        self.count, self.grid_voxel_size = prediction.shape[-1] - 1, prepared.grid.voxel_size
        place = tuple(slice(first, last) for first, last in bounding_box(inside))
        like, within = crop(volume, place), inside[place]
        for i in (self.count, *range(self.count)):
            if self.everything or prediction[..., i].max() >= 1 / self.count:
                yield resample_to(prepared.volume(prediction[..., i]), like).data * within
            else:  # nowhere the likeliest
                yield np.zeros(like.shape, np.float32)


def calibrated(prediction: np.ndarray, calibration) -> np.ndarray:
    """Probabilities softened by the temperature, the last channel (expected Å) as it is."""
    power = 1 / calibration["temperature"]
    if power != 1:
        raised = np.power(np.maximum(prediction[..., :-1], 1e-9), power)
        prediction[..., :-1] = raised / raised.sum(axis=-1, keepdims=True)
    return prediction


def possible(prediction: np.ndarray, edges, finest: float) -> np.ndarray:
    """Probabilities of classes finer than a map holds, given to the first that it can hold.

    answer : ndarray (..., classes + 1), the last channel the expected resolution in Å
    edges : Å, between the classes;  finest : Å, as `finest_possible` gives it
    """
    first = int(np.searchsorted(edges, finest, side="right"))
    prediction[..., first] += prediction[..., :first].sum(axis=-1)
    prediction[..., :first] = 0
    np.maximum(prediction[..., -1], np.float32(finest), out=prediction[..., -1])
    return prediction
