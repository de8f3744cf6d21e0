"""Samples for the training of local resolution: simulated boxes and crops of them.

`TRAINING` holds what a run needs to know, by range; every number of it ends up in the spec.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from cryodl.features.context import context_features
from cryodl.features.local_spectrum import CHANNELS, band_powers, space_to_depth
from cryodl.maps.normalise import local_normalise
from cryodl.maps.rotations import Rotation
from cryodl.networks.configs import HIGH, LOW
from cryodl.simulation.training_box import simulate_box
from cryodl.training.augment import rough_mask
from cryodl.training.stream import APART, Stream

_COMMON = {
    "box": 64,  # voxels simulated
    "crop": 40,  # voxels trained on, cut from the box around the molecule
    "batch": 12,
    "reuse": 6,  # crops taken from every simulated box
    "buffer": 200,  # boxes among which crops are mixed
    "clean": 0.55,  # share of clean boxes as in DeepRes; the others are experiments
    "plain": 0.7,  # share of clean boxes made as the paper's tests are
    "random_phases": 0.25,  # share of the other clean ones whose phases are random from a limit on
    "learning_rate": 1.5e-3,
    "warm_up": 200,  # steps
    "epoch": 150,  # steps between validations
    "validation": 40,  # boxes
    "atoms": 200,  # structures with fewer are left out
    "label_width": 0.6,  # bins, of the soft label
    "outer_weight": 0.25,  # of voxels between `near` and `far`; nearer ones weigh 1
    "near": 3.0,  # Å from the nearest atom
    "far": 6.0,
    "patience": 20,  # epochs without gain before the run stops early
}

TRAINING = {
    "low": {
        **_COMMON,
        "range": "low",
        "box": 96,  # in which there is solvent around most molecules
        "reuse": 3,
        "buffer": 100,
        "emptied": True,  # what a mask left out is without the traces of resampling, as in use
        "voxel_size": 1.0,
        "best": 2.3,
        "worst": 13.6,
        "limits": [2.5, 13.0],
        "network": LOW,
    },
    "high": {
        **_COMMON,
        "range": "high",
        "voxel_size": 0.5,
        "best": 1.4,
        "worst": 6.4,
        "limits": [1.5, 6.0],
        "network": HIGH,
    },
}


def _make_box(structures, cumulative, config, seed, number):
    """Box `number` of a stream: normalised density, the other channels and the truth, float16.

    cumulative : ndarray, shares up to each structure
    """
    rng = np.random.default_rng((seed, number))
    structure = structures[int(np.searchsorted(cumulative, rng.random()))]
    box = simulate_box(structure, config, rng)
    network = config["network"]
    resolution = np.clip(box.resolution, network["bins_from"], network["bins_to"])
    truth = np.stack([resolution, _weights(box.distance, config)], axis=-1)
    density, bands = _features(box, config, rng)
    return density.astype(np.float16), bands.astype(np.float16), truth.astype(np.float16)


def _features(box, config, rng):
    """Normalised density, and the other channels on the half grid."""
    if config["network"]["channels"] == CHANNELS:
        density = local_normalise(box.density)
        return density, band_powers(density, threads=1)
    inside = rough_mask(box.distance < 3, rng)  # on the half grid: up to three of its steps off
    for axis in range(3):
        inside = inside.repeat(2, axis)
    density, *more = context_features(
        box.density, config["voxel_size"], inside, flatten=False, threads=1
    )
    return density, np.concatenate(more, axis=-1)


def _weights(distance, config):
    """1 near atoms, less in the shell that a generous mask still holds, 0 in the solvent."""
    outer = np.where(distance <= config["far"], config["outer_weight"], 0)
    return np.where(distance <= config["near"], 1.0, outer)


class BoxStream(Stream):
    """Simulated boxes in a fixed order: box i depends only on the seed and on i.

    structures : list of Structure
    config : dict, see `TRAINING`
    seed : int
    workers : int, background processes; 0 simulates in the calling one

    Its chunks are (density, bands, truth):
    density : ndarray (n, n, n), float16, normalised
    bands : ndarray (n/2, n/2, n/2, channels - 8), float16, the channels next to the density:
        logarithm of local power, and the context of the map
    truth : ndarray (n/2, n/2, n/2, 2), float16: resolution in Å, weight in the loss
    """

    def __init__(self, structures, config, seed, *, workers=1):
        self.config, self.seed = config, seed
        self.structures = [s for s in structures if len(s) >= config["atoms"]]
        # Large complexes fill boxes as maps do, small ones are more varied: a compromise between
        # equal chance for every structure and equal chance for every atom.
        weight = np.array([min(len(s), 20_000) for s in self.structures]) ** 0.7
        cumulative = np.cumsum(weight) / np.sum(weight)
        make = partial(_make_box, self.structures, cumulative, config, seed)
        super().__init__(make, workers=workers)


def batches(stream, *, start=0):
    """Mix crops of the boxes of a stream into training batches, for ever.

    start : int, step at which a resumed run goes on
    Yields (x, y), float32: features, shape (batch, c/2, c/2, c/2, channels), and truth, shape
    (batch, c/2, c/2, c/2, 2).
    """
    config = stream.config
    rng = np.random.default_rng((stream.seed, 1, start))
    source = stream.chunks(start * APART)
    buffer: list = []
    left: list = []
    while True:
        pairs = []
        for _ in range(config["batch"]):
            fresh = 2 if len(buffer) < config["buffer"] else 1
            while fresh and len(buffer) < config["buffer"]:
                buffer.append(next(source))
                left.append(config["reuse"])
                fresh -= 1
            pick = int(rng.integers(len(buffer)))
            pairs.append(_crop_and_turn(buffer[pick], config["crop"], rng))
            left[pick] -= 1
            if not left[pick]:
                buffer.pop(pick)
                left.pop(pick)
        x, y = zip(*pairs)
        yield np.stack(x).astype(np.float32), np.stack(y).astype(np.float32)


def _crop_and_turn(sample, crop, rng):
    """Features and truth of a crop about a voxel of the molecule, in one of 48 orientations.

    It starts on an even voxel, so that the half grid fits. Solvent teaches nothing, so most of it
    is left out.

    sample : density, bands and truth
    """
    density, bands, truth = sample
    near = np.argwhere(truth[::2, ::2, ::2, 1] >= 1)  # of the quarter grid, to be quick
    centre = 4 * near[rng.integers(len(near))] if len(near) else np.full(3, density.shape[0] // 2)
    start = centre - crop // 2 + rng.integers(-crop // 4, crop // 4 + 1, 3)
    start = np.clip(start, 0, density.shape[0] - crop) // 2 * 2
    fine = tuple(slice(s, s + crop) for s in start)
    half = tuple(slice(s // 2, (s + crop) // 2) for s in start)
    turn = Rotation.draw(rng).turn
    x = turn(density[fine])
    # The voxels of a block are channels, so the density turns before it becomes features.
    features = np.empty((*(n // 2 for n in x.shape), 8 + bands.shape[-1]), np.float32)
    features[..., :8] = space_to_depth(x)
    features[..., 8:] = turn(bands[half])
    return features, turn(truth[half])


def fixed_boxes(structures, config, seed, count):
    """The first `count` boxes of a stream, whole: features and truth a network is validated on."""
    stream = BoxStream(structures, config, seed, workers=0)
    half = config["box"] // 2
    x = np.empty((count, half, half, half, config["network"]["channels"]), np.float32)
    y = np.empty((count, half, half, half, 2), np.float32)
    for i, (density, bands, truth) in zip(range(count), stream.chunks()):
        x[i, ..., :8], x[i, ..., 8:] = space_to_depth(density), bands
        y[i] = truth
    return x, y
