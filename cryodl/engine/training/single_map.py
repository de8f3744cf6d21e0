"""Training the network that takes one map: its samples and its start."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from ..maps.whole import stack, whole_features
from ..networks.configs import SINGLE_MAP
from ..networks.single_map import build_single_map
from .single_map_input import draw_input, rough_mask
from .single_map_loss import TARGETS, SingleMapError, SingleMapLoss

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
    "network": SINGLE_MAP,
}


def samples(experiment, rng, config) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops of one input made of an experiment, each in one of 48 orientations.

    Returns a list of (x, y), float16: features (c / 2, c / 2, c / 2, WHOLE_CHANNELS) and targets
    (c / 2, c / 2, c / 2, TARGETS).
    """
    levelled, bands, extra, target = whole_sample(experiment, rng, config)
    return [_crop(levelled, bands, extra, target, config, rng) for _ in range(config["crops"])]


def whole_sample(experiment, rng, config, kind=None):
    """Features and targets of a whole experiment, as `whole_features` and the half grid give
    them."""
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


def _crop(levelled, bands, extra, target, config, rng):
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
    return _filled(x, size // 2), _filled(y, size // 2)


def _inner(shape, border):
    inner = np.zeros(shape, np.float32)
    inner[tuple(slice(border, n - border) for n in shape)] = 1
    return inner


def _filled(data, size):
    """Add empty planes where an experiment is smaller than a crop."""
    missing = [(0, size - n) for n in data.shape[:3]] + [(0, 0)]
    filled = np.pad(data, missing)
    if data.shape[-1] == TARGETS:  # logarithms are taken of these
        for channel in (0, 3):
            filled[..., channel] = np.where(filled[..., channel] > 0, filled[..., channel],
                                            data[0, 0, 0, 3])  # fmt: skip
    return filled.astype(np.float16)


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


def start_from(model, source) -> int:
    """Copy the weights of another network where path and shape agree; where its kernel reads
    fewer channels the others start at nothing.

    Returns how many were taken.
    """
    found = {weight.path: weight for weight in source.weights}
    taken = 0
    for weight in model.weights:
        other = found.get(weight.path)
        if other is None:
            continue
        value = ops.convert_to_numpy(other)
        if value.shape != tuple(weight.shape):
            same = value.shape[:-2] + value.shape[-1:] == (*weight.shape[:-2], weight.shape[-1])
            if not same or value.shape[-2] > weight.shape[-2]:
                continue
            more = weight.shape[-2] - value.shape[-2]
            value = np.pad(value, [(0, 0)] * (value.ndim - 2) + [(0, more), (0, 0)])
        weight.assign(value)
        taken += 1
    return taken


def compiled(config, initial=None):
    """The network ready to train; initial : keras.Model to start from, or None."""
    keras.utils.set_random_seed(config.get("seed", 0))
    model = build_single_map(config["network"], with_logits=True)
    if initial is not None:
        start_from(model, initial)
    model.compile(
        optimizer=keras.optimizers.Adam(config["learning_rate"], clipnorm=1.0),
        loss=SingleMapLoss(config),
        metrics=[SingleMapError(config, part) for part in ("error", "relative", "whole", "miou")],
    )
    return model
