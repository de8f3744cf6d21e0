"""Training of single-map resolution: its settings and samples, its loss and metrics, and the
network compiled with them."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from cryodl.features.context import context_features
from cryodl.networks.architectures import is_backbone
from cryodl.networks.backbone import resolution_bins
from cryodl.networks.configs import BACKBONE, SINGLE_MAP
from cryodl.networks.cryores import build_single_map, global_weight, ratio_bins
from cryodl.simulation.reconstruction_set import StoredReconstruction
from cryodl.training.augment import draw_input, random_crop, rough_mask
from cryodl.training.fit import optimizer
from cryodl.training.losses import start_from
from cryodl.training.reconstructions import read_source, reconstruction_sample

# resolution (Å), weight, share inside the molecule, global resolution (Å), aspect resolution (Å)
TARGETS = 5


def thinned(values):
    """Every other step along each axis: neighbours have nearly the same resolution."""
    return values[:, ::2, ::2, ::2]


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
        predicted = pooled(y_pred)
        resolution, weight, _, whole, aspect = (thinned(y_true)[..., i] for i in range(TARGETS))
        logits = thinned(y_pred)[..., 3:]
        count = network["bins"]
        end = count + network["ratios"]
        total = ops.maximum(ops.sum(weight), 1.0)
        local = _binned(logits[..., :count], resolution, resolution_bins(network), config)
        share = resolution / whole
        ratio = _binned(logits[..., count:end], share, ratio_bins(network), config, 2.0)
        by_aspect = 0.0
        if is_backbone(network):
            by_aspect = _binned(logits[..., end:], aspect, resolution_bins(network), config)
        true = ops.log(whole[:, 0, 0, 0])
        has = ops.cast(ops.sum(weight, axis=(1, 2, 3)) > 12, "float32")
        error = ops.abs(predicted - true)
        global_loss = ops.sum(has * error) / ops.maximum(ops.sum(has), 1.0)
        return (
            ops.sum(weight * (local + ratio + by_aspect)) / total
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
    """One figure of the prediction on crops.

    part : "error", mean absolute error (Å) of the local resolution by itself; "relative", of
        global times ratio; "whole", of the global one; "aspect", of the aspect resolution; "miou",
        of the mask.
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
            inside, true = y_pred[..., 0] > 0, y_true[..., 2] > 0.5
            both = ops.sum(ops.cast(ops.logical_and(inside, true), "float32"), (1, 2, 3))
            either = ops.sum(ops.cast(ops.logical_or(inside, true), "float32"), (1, 2, 3))
            self.total.assign_add(ops.sum(both / ops.maximum(either, 1.0)))
            self.count.assign_add(ops.cast(ops.shape(y_pred)[0], "float32"))
            return
        if self.part == "whole":
            error = ops.abs(ops.exp(pooled(y_pred)) - y_true[:, 0, 0, 0, 3])
            weight = ops.ones_like(error)
        else:
            logits, weight = thinned(y_pred)[..., 3:], thinned(weight[..., None])[..., 0]
            count = network["bins"]
            end = count + network["ratios"]
            true = thinned(y_true)[..., 4 if self.part == "aspect" else 0]
            if self.part == "error":
                mean = _mean(logits[..., :count], resolution_bins(network))
            elif self.part == "aspect":
                mean = _mean(logits[..., end:], resolution_bins(network))
            else:
                mean = _mean(logits[..., count:end], ratio_bins(network))
                mean = mean * ops.exp(pooled(y_pred))[:, None, None, None]
            error = ops.abs(mean - true)
        self.total.assign_add(ops.sum(weight * error))
        self.count.assign_add(ops.sum(weight))

    def result(self):
        return self.total / ops.maximum(self.count, 1e-6)

    def get_config(self):
        return {"config": self.config, "part": self.part}


def _mean(logits, centres):
    centres = ops.convert_to_tensor(np.asarray(centres, "float32"))
    return ops.sum(ops.softmax(logits, axis=-1) * centres, axis=-1)


DEPOSITIONS = 2  # of an experiment from particles, of which a chunk is made
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
    "kinds": ["masked"],  # of maps, as `checks.input` names them
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
# one network for what is asked of a map, from experiments from particles
BACKBONE_TRAINING: dict[str, Any] = {
    **PARTICLES,
    "averaging": 0.998,
    "monitor": "val_loss",  # of all answers; the error of one rises while those of others fall
    "crops": 8,
    "reuse": 2,  # making samples takes half of the time of a step: they need not be used up
    "plain": 0.4,  # share of maps as refinement programs write them
    "coarse": 0.3,  # share of maps with large voxels
    "network": BACKBONE,
}


def samples(experiment, rng, config) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops of one input made of an experiment, each in one of 48 orientations.

    Returns a list of (x, y), float16: features (c / 2, c / 2, c / 2, CONTEXT_CHANNELS) and targets
    (c / 2, c / 2, c / 2, TARGETS).
    """
    if isinstance(experiment, StoredReconstruction):  # read once, and deposited in two ways
        source = read_source(experiment)
        made = [reconstruction_sample(source, rng, config) for _ in range(DEPOSITIONS)]
    else:
        made = [whole_sample(experiment, rng, config)]
    each = -(-config["crops"] // len(made))
    return [
        random_crop(flattened, bands, extra, target, config, rng)
        for flattened, bands, extra, target in made
        for _ in range(each)
    ]


def whole_sample(experiment, rng, config, kind=None):
    """Features and targets of a whole experiment, as `context_features` and the half grid give
    them."""
    if isinstance(experiment, StoredReconstruction):
        return reconstruction_sample(read_source(experiment), rng, config)
    density, truth = draw_input(experiment, rng, kind)
    # In use the first pass has the mask of a simple rule, which at times is wrong, and a second
    # pass the network's own.
    inside = rough_mask(truth, rng) if rng.random() < config["second_look"] else None
    flattened, bands, extra = context_features(density, config["voxel_size"], inside)
    return flattened, bands, extra, half_grid_targets(experiment, truth, config, density != 0)


def half_grid_targets(experiment, molecule, config, shown=True):
    """Targets, shape (z / 2, y / 2, x / 2, TARGETS), float32.

    molecule : ndarray (z, y, x), bool, the mask to predict
    shown : ndarray (z, y, x), bool, where the map was not cut away: elsewhere nothing is learnt
    """
    mask = experiment.load("mask") * shown
    network = config["network"]
    weight = _block_mean(mask)
    snr = np.clip(experiment.load("snr"), network["bins_from"], network["bins_to"])
    resolution = np.divide(_block_mean(snr * mask), weight, where=weight > 0,
                           out=np.full(weight.shape, experiment.resolution))  # fmt: skip
    whole = np.full(weight.shape, experiment.resolution)
    weight = (weight > 0.5).astype(np.float32)
    found = [resolution, weight, _block_mean(molecule), whole, resolution]
    return np.stack(found, axis=-1).astype(np.float32)


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
    parts = ["error", "relative", "whole", "miou"]
    parts += ["aspect"] if is_backbone(config["network"]) else []
    model.compile(
        optimizer=optimizer(config),
        loss=SingleMapLoss(config),
        metrics=[SingleMapError(config, part) for part in parts],
    )
    return model
