"""Post-processing of maps: one network, loaded once, for a map and its halves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cryodl.compute.device import device_scope, load_network
from cryodl.maps.resample import density_at, resample, resample_to
from cryodl.maps.rotations import Pass, mean_over, rotations
from cryodl.maps.volume import Volume
from cryodl.methods.cost import cost_sentence
from cryodl.methods.enhance.prepare import (
    MODELS,
    Noise,
    choose_bundle,
    find_noise,
    prepare,
    to_density,
)
from cryodl.networks.bundle import Bundle
from cryodl.networks.tiles import TileGrid, fitting_grid, predict_tiled

__all__ = ["MODELS", "Enhanced", "Enhancer"]

BYTES_PER_STEP = 2500.0  # of the half grid, that the network's activations take
ACTIVATIONS = {"cpu": 0.8e9, "gpu": 4e9}  # bytes at a time
SECONDS_PER_STEP = {"cpu": 4e-6, "gpu": 5e-8}
SECONDS_PER_VOXEL = 1.3e-6  # of the grid, for taking a map apart
BYTES_PER_VOXEL = 70.0
MEANS = 2  # maps kept while passes are averaged: the map turned, and the mean
START_SECONDS, LIBRARY_MEMORY = 2.0, 0.2e9


@dataclass(frozen=True)
class Enhanced:
    """A map after the network, on its grid of 1 Å.

    density : Volume; in units of the root mean square inside a molecule
    source : Volume, the input on this grid, in units of its noise (SD 0.1), background 0
    noise : of the input on this grid
    steps : of the half grid that the network read
    """

    density: Volume
    source: Volume
    noise: Noise
    steps: int


class Enhancer:
    """A post-processing network.

    model : "tight", "wide" or "highres"
    bundle : Bundle, name or folder in its place
    thorough : average over the 24 rotations of the cube, at 24 times the time
    batch_size : tiles predicted at a time
    device : "auto", "cpu" or "gpu"

    Raises
    ------
    SettingError, BundleError : one line with what was received and what to do
    """

    def __init__(
        self,
        model: str = "tight",
        bundle: Bundle | str | None = None,
        *,
        thorough: bool = False,
        batch_size: int = 1,
        device: str = "auto",
    ) -> None:
        self.bundle = choose_bundle(model, bundle)
        self.spec = self.bundle.spec
        self.rotations = rotations(thorough)
        self.batch_size = batch_size
        self.device = device
        self._network: Any = None

    def load(self) -> None:
        """Import the neural network library and build the network, if that was not done."""
        if self._network is None:
            self._network, self.device = load_network(self.bundle, self.device)

    def describe(self, volume: Volume, maps: int = 1) -> str:
        """What a run will do and need, in one sentence."""
        passes = len(self.rotations)
        scale = volume.voxel_size / self.spec["voxel_size"]
        shape = [max(1, round(n * scale)) for n in volume.shape]
        voxels = float(np.prod(shape))
        tiles = self._tiles([-(-n // 4) * 2 for n in shape], "cpu")
        seconds = voxels * SECONDS_PER_VOXEL + tiles.read_voxels * SECONDS_PER_STEP["cpu"]
        memory = LIBRARY_MEMORY + voxels * BYTES_PER_VOXEL + tiles.largest_read * BYTES_PER_STEP
        memory += MEANS * 4 * voxels if passes > 1 else 0.0
        seconds = START_SECONDS + maps * passes * seconds
        return cost_sentence(volume, self.spec, shape, len(tiles), seconds, memory, passes=passes)

    def to_grid(self, volume: Volume) -> Volume:
        """A map on the network's grid; in the middle of the box where orientations are averaged, so
        that a turned map lies on the turned grid."""
        return resample(volume, self.spec["voxel_size"], centred=len(self.rotations) > 1)

    def find_noise(self, volume: Volume, way: str = "auto", *, mean=None, sd=None, inside=None):
        """Noise of a map on the network's grid; `inside` is a mask (bool) on the map's own."""
        grid = self.to_grid(volume)
        if inside is not None:
            mask = volume.with_data(inside.astype(np.float32))
            inside = resample_to(mask, grid, "nearest").data > 0.5
        return self._noise(grid, way, inside, mean=mean, sd=sd)

    def _noise(self, grid: Volume, way: str, inside=None, **told) -> Noise:
        """Noise of a map on the network's grid, as most of its orientations have it."""
        found = find_noise(grid, way, inside=inside, **told)
        if len(self.rotations) == 1:
            return found

        def look(_, grid: Volume, inside: np.ndarray | None) -> list[np.ndarray]:
            noise = find_noise(grid, way, inside=inside, **told)
            region = np.zeros(grid.shape) if noise.region is None else noise.region
            return [region.astype(np.float32), np.array([noise.mean, noise.sd])]

        share, (mean, sd) = mean_over(self.rotations, look, grid, inside)
        region = share > 0.5
        return replace(found, mean=float(mean), sd=float(sd),
                       region=region if region.any() else None)  # fmt: skip

    def enhance(
        self,
        volume: Volume,
        noise: Noise | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Enhanced:
        """Post-process a map.

        volume : density, shape (z, y, x), any unit
        noise : of the map, as `find_noise` gives it; None finds it
        progress : called with (tiles done, tiles in all)
        """
        grid = self.to_grid(volume)
        if noise is None:
            noise = self._noise(grid, "auto")
        steps = 0

        def look(this: Pass, data: np.ndarray, region: np.ndarray | None) -> list[np.ndarray]:
            nonlocal steps
            features = prepare(data, replace(noise, region=region))
            self.load()
            tiles = self._tiles(features.shape[:3], self.device)
            steps += tiles.read_voxels
            with device_scope(self.device):
                blocks = predict_tiled(
                    features,
                    self._network.predict_on_batch,
                    tiles,
                    channels=8,
                    batch_size=self.batch_size,
                    progress=this.progress,
                )
            del features
            return [to_density(blocks, data.shape)]

        [density] = mean_over(self.rotations, look, grid.data, noise.region, progress=progress)
        source = grid.with_data(noise.normalise(grid.data))
        return Enhanced(grid.with_data(density), source, noise, steps)

    def paste(self, found: Volume, like: Volume, *, density: bool = True) -> Volume:
        """A map of the network's grid on the grid of the input.

        density : True for a density; False for what has hard edges, beyond whose values
            interpolation must not go
        """
        return density_at(found, like) if density else resample_to(found, like)

    def _tiles(self, shape, device: str) -> TileGrid:
        memory = ACTIVATIONS[device] / self.batch_size
        return fitting_grid(shape, self.spec, memory, BYTES_PER_STEP)
