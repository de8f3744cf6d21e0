"""Training the network that takes one map: its samples and its start."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from ..maps.whole import whole_features
from ..networks.configs import SINGLE_MAP
from ..networks.single_map import build_single_map
from ..simulate.reconstruction_set import StoredReconstruction
from .crops import crop
from .initial import start_from
from .reconstructions import read_source, reconstruction_sample
from .single_map_input import draw_input, rough_mask
from .single_map_loss import SingleMapError, SingleMapLoss

DEPOSITIONS = 2  # of an experiment from particles, of which a handful is made
TRAINING: dict[str, Any] = {
    "voxel_size": 1.0,
    "crop": 64,  # voxels
    "crops": 4,  # taken of every input made
    "buffer": 800,  # crops among which batches are drawn; of few maps they are learnt by heart
    "reuse": 3,  # times that each is drawn
    "batch": 4,
    "learning_rate": 1.0e-3,
    "warm_up": 150,  # steps
    "epoch": 150,
    "patience": 30,
    "monitor": "val_error",
    "limits": [2.2, 10.5],  # Å
    "border": 3,  # steps of a crop's border, beyond which the net sees too little to learn from
    "label_width": 0.6,  # bins, of the soft labels
    "solvent": 0.15,  # share of crops taken anywhere, for the mask
    "second_look": 0.5,  # share of inputs made with a mask about as good as the network's
    "mask_weight": 5.0,
    "global_weight": 4.0,
    "kinds": ["masked"],  # of maps, as maps/trained.py names them
    "network": SINGLE_MAP,
}
# of experiments from particles, which take seconds to read and to deposit
PARTICLES: dict[str, Any] = {
    "limits": [2.2, 13.0],
    "crops": 12,
    "reuse": 5,
    "kinds": ["quiet rim", "thresholded", "masked"],
    "voxel_sizes": [0.5, 6.0],  # Å, of the maps
}


def samples(experiment, rng, config) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops of one input made of an experiment, each in one of 48 orientations.

    Returns a list of (x, y), float16: features (c / 2, c / 2, c / 2, WHOLE_CHANNELS) and targets
    (c / 2, c / 2, c / 2, TARGETS).
    """
    if isinstance(experiment, StoredReconstruction):  # read once, and deposited in two ways
        source = read_source(experiment)
        made = [reconstruction_sample(source, rng, config) for _ in range(DEPOSITIONS)]
    else:
        made = [whole_sample(experiment, rng, config)]
    each = -(-config["crops"] // len(made))
    return [
        crop(levelled, bands, extra, target, config, rng)
        for levelled, bands, extra, target in made
        for _ in range(each)
    ]


def whole_sample(experiment, rng, config, kind=None):
    """Features and targets of a whole experiment, as `whole_features` and the half grid give
    them."""
    if isinstance(experiment, StoredReconstruction):
        return reconstruction_sample(read_source(experiment), rng, config)
    density, truth = draw_input(experiment, rng, kind)
    # In use the first look has the mask of a simple rule, which at times is wrong, and a second
    # look the network's own.
    inside = rough_mask(truth, rng) if rng.random() < config["second_look"] else None
    levelled, bands, extra = whole_features(density, config["voxel_size"], inside)
    return levelled, bands, extra, half_grid_targets(experiment, truth, config, density != 0)


def half_grid_targets(experiment, molecule, config, shown=True):
    """Targets, shape (z / 2, y / 2, x / 2, TARGETS), float32.

    molecule : ndarray (z, y, x), bool, the mask to tell
    shown : ndarray (z, y, x), bool, where the map was not cut away: elsewhere nothing is told
    """
    mask = experiment.load("mask") * shown
    network = config["network"]
    weight = _block_mean(mask)
    snr = np.clip(experiment.load("snr"), network["bins_from"], network["bins_to"])
    resolution = np.divide(_block_mean(snr * mask), weight, where=weight > 0,
                           out=np.full(weight.shape, experiment.resolution))  # fmt: skip
    whole = np.full(weight.shape, experiment.resolution)
    weight = (weight > 0.5).astype(np.float32)
    return np.stack([resolution, weight, _block_mean(molecule), whole], axis=-1).astype(np.float32)


def _block_mean(data):
    z, y, x = (n // 2 for n in data.shape)
    return data.reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5), dtype=np.float64)


def sample_maker(config):
    """What SampleStream needs."""
    return partial(samples, config=config)


def validation_crops(experiments, config, seed, each=1):
    """(x, y) of fixed crops, `each` of every experiment."""
    config = {**config, "crops": each, "solvent": 0.0}
    made = []
    for i, experiment in enumerate(experiments):
        made += samples(experiment, np.random.default_rng([seed, i]), config)
    x, y = zip(*made)
    return np.stack(x).astype(np.float32), np.stack(y).astype(np.float32)


def compiled(config, initial=None):
    """The network ready to train; initial : keras.Model to start from, or None."""
    keras.utils.set_random_seed(config.get("seed", 0))
    model = build_single_map(config["network"], with_logits=True)
    if initial is not None:
        start_from(model, initial, partly=True)
    model.compile(
        optimizer=keras.optimizers.Adam(config["learning_rate"], clipnorm=1.0),
        loss=SingleMapLoss(config),
        metrics=[SingleMapError(config, part) for part in ("error", "relative", "whole", "miou")],
    )
    return model
