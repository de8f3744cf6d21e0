"""Training the network that takes one map: its samples, loss and start."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from ..maps.whole import stack, whole_features
from ..networks.configs import SINGLE_MAP
from ..networks.single_map import build_single_map, global_weight, ratio_bins
from ..networks.unet3d import resolution_bins
from .single_map_input import draw_input, rough_mask

TRAINING: dict[str, Any] = {
    "voxel_size": 1.0,
    "crop": 64,  # voxels
    "crops": 10,  # taken of every input made
    "buffer": 120,  # crops among which batches are drawn
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
TARGETS = 4  # resolution (Å), weight, share inside the molecule, global resolution (Å)


def thinned(values):
    """Every other step along each axis: neighbours have nearly the same resolution."""
    return values[:, ::2, ::2, ::2]


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


@keras.saving.register_keras_serializable("cryodl")
class SingleMapLoss(keras.losses.Loss):
    """Cross entropies of mask, local and relative resolution; error of the global one.

    y_true : (batch, z, y, x, TARGETS);  y_pred : logits of `build_single_map`
    """

    def __init__(self, config, name="loss", **kwargs):
        super().__init__(name=name, reduction=None)
        self.config = config

    def call(self, y_true, y_pred):
        config, network = self.config, self.config["network"]
        inside, mask = y_true[..., 2], y_pred[..., 0]
        mask_loss = ops.mean(ops.softplus(mask) - inside * mask)
        told = pooled(y_pred)
        resolution, weight, _, whole = (thinned(y_true)[..., i] for i in range(TARGETS))
        logits = thinned(y_pred)[..., 3:]
        count = network["bins"]
        total = ops.maximum(ops.sum(weight), 1.0)
        local = _binned(logits[..., :count], resolution, resolution_bins(network), config)
        ratio = _binned(logits[..., count:], resolution / whole, ratio_bins(network), config, 2.0)
        true = ops.log(whole[:, 0, 0, 0])
        has = ops.cast(ops.sum(weight, axis=(1, 2, 3)) > 12, "float32")
        error = ops.abs(told - true)
        global_loss = ops.sum(has * error) / ops.maximum(ops.sum(has), 1.0)
        return (
            ops.sum(weight * (local + ratio)) / total
            + config["mask_weight"] * mask_loss
            + config["global_weight"] * global_loss
        )

    def get_config(self):
        return {"config": self.config, "name": self.name}


def pooled(logits):
    """ln(global resolution / Å) of every crop: (batch,)."""
    weight = global_weight(logits)
    axes = (1, 2, 3)
    return ops.sum(weight * logits[..., 1], axes) / ops.maximum(ops.sum(weight, axes), 1e-6)


def _binned(logits, value, centres, config, error_weight=0.5):
    centres = np.asarray(centres, "float32")
    step = float(np.log(centres[1] / centres[0]))
    offset = ops.log(value)[..., None] - ops.convert_to_tensor(np.log(centres))
    label = ops.softmax(-0.5 * (offset / (config["label_width"] * step)) ** 2, axis=-1)
    log_probability = ops.log_softmax(logits, axis=-1)
    mean = ops.sum(ops.exp(log_probability) * ops.convert_to_tensor(centres), axis=-1)
    return -ops.sum(label * log_probability, axis=-1) + error_weight * ops.abs(mean - value)


@keras.saving.register_keras_serializable("cryodl")
class SingleMapError(keras.metrics.Metric):
    """One figure of the answer on crops.

    part : "error", mean absolute error (Å) of the local resolution told by itself; "relative", of
        global times ratio; "whole", of the global one; "miou", of the mask.
    """

    def __init__(self, config, part, name=None, **kwargs):
        super().__init__(name=part)
        self.config, self.part = config, part
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        network = self.config["network"]
        y_true = ops.convert_to_tensor(y_true)  # PyTorch's trainer gives an array
        y_pred = ops.stop_gradient(ops.convert_to_tensor(y_pred))
        weight = y_true[..., 1]
        if self.part == "miou":
            told, true = y_pred[..., 0] > 0, y_true[..., 2] > 0.5
            both = ops.sum(ops.cast(ops.logical_and(told, true), "float32"), (1, 2, 3))
            either = ops.sum(ops.cast(ops.logical_or(told, true), "float32"), (1, 2, 3))
            self.total.assign_add(ops.sum(both / ops.maximum(either, 1.0)))
            self.count.assign_add(ops.cast(ops.shape(y_pred)[0], "float32"))
            return
        if self.part == "whole":
            error = ops.abs(ops.exp(pooled(y_pred)) - y_true[:, 0, 0, 0, 3])
            weight = ops.ones_like(error)
        else:
            logits, weight = thinned(y_pred)[..., 3:], thinned(weight[..., None])[..., 0]
            count = network["bins"]
            if self.part == "error":
                mean = _mean(logits[..., :count], resolution_bins(network))
            else:
                mean = _mean(logits[..., count:], ratio_bins(network))
                mean = mean * ops.exp(pooled(y_pred))[:, None, None, None]
            error = ops.abs(mean - thinned(y_true)[..., 0])
        self.total.assign_add(ops.sum(weight * error))
        self.count.assign_add(ops.sum(weight))

    def result(self):
        return self.total / ops.maximum(self.count, 1e-6)

    def get_config(self):
        return {"config": self.config, "part": self.part}


def _mean(logits, centres):
    centres = ops.convert_to_tensor(np.asarray(centres, "float32"))
    return ops.sum(ops.softmax(logits, axis=-1) * centres, axis=-1)
