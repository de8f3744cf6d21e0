"""Post-processing as it is trained: settings, loss and metrics, the network and the weights that it
starts from. All settings end up in the spec."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from cryodl.features.context import CONTEXT_CHANNELS
from cryodl.features.local_spectrum import CHANNELS
from cryodl.networks.configs import POSTPROCESS
from cryodl.networks.enhance import build_postprocess_unet
from cryodl.training.fit import optimizer

_COMMON: dict[str, Any] = {
    "voxel_size": 1.0,
    "region": 96,  # voxels cut from an experiment and taken apart at a time
    "margin": 8,  # of it left out at each side, where bands wrap around and windows end
    "crop": 40,  # voxels trained on
    "crops": 12,  # taken from every region, each turned at random
    "border": 2,  # steps of the half grid at a crop's sides that the loss leaves out
    "batch": 12,
    "buffer": 240,  # crops among which batches are mixed
    "learning_rate": 1e-3,
    "warm_up": 150,
    "epoch": 150,
    "patience": 30,
    "monitor": "val_error",
    "at_molecule": 0.85,  # share of crops about an atom, the others anywhere
    "half_map": 0.35,  # share of regions from one half map
    "deposited": 0.2,  # ... from the map as deposited, where that is not cut out tightly
    "empty": 0.12,  # ... from the difference of the half maps, noise alone, of which nothing comes
    "shaped": 0.5,  # ... of these, with the outline of a molecule
    "filtered": 0.3,  # share of regions with a B-factor, up to which (Å²)
    "bfactor": [-40.0, 200.0],
    "noisier": 0.2,  # ... with noise added, up to this much of the noise's standard deviation
    "noise": 1.0,
    "corrupted": 0.2,  # ... with patches corrupted, as in the paper
    "masked": 0.2,  # ... masked, half of these with a hard edge
    "blend": 1.0,  # share of the model's density in the bundle; the model knows no margin
    "network": POSTPROCESS,
}

TRAINING: dict[str, dict[str, Any]] = {
    "tight": {**_COMMON, "model": "tight", "mask": "tight", "limits": [2.2, 7.0]},
    "wide": {**_COMMON, "model": "wide", "mask": "wide", "limits": [2.2, 7.0], "blend": 0.0},
    "highres": {**_COMMON, "model": "highres", "mask": "tight", "limits": [2.2, 4.0]},
}

HEADS = "scaled", "model"  # what training asks for; see `samples`


@keras.saving.register_keras_serializable("cryodl")
class InnerError(keras.losses.Loss):
    """Mean absolute error (Sanchez-Garcia et al. 2021), a crop's borders left out."""

    def __init__(self, border=2, name="loss", **kwargs):
        super().__init__(name=name, reduction=None)
        self.border = border

    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(inner(y_true, self.border) - inner(y_pred, self.border)))

    def get_config(self):
        return {"border": self.border, "name": self.name}


@keras.saving.register_keras_serializable("cryodl")
class InnerErrorMetric(keras.metrics.Mean):
    """The same, over all batches."""

    def __init__(self, border=2, name="error", **kwargs):
        super().__init__(name=name)
        self.border = border

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        difference = inner(y_true, self.border) - inner(ops.stop_gradient(y_pred), self.border)
        super().update_state(ops.abs(difference))

    def get_config(self):
        return {"border": self.border, "name": self.name}


@keras.saving.register_keras_serializable("cryodl")
class InnerCorrelation(keras.metrics.Metric):
    """Correlation of prediction and target, over all voxels of all batches."""

    def __init__(self, border=2, name="correlation", **kwargs):
        super().__init__(name=name)
        self.border = border
        self.sums = self.add_weight(shape=(6,), name="sums", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        a = inner(ops.convert_to_tensor(y_true), self.border)
        b = inner(ops.stop_gradient(ops.convert_to_tensor(y_pred)), self.border)
        means = [ops.mean(v) for v in (ops.ones_like(a), a, b, a * a, b * b, a * b)]
        self.sums.assign_add(ops.stack(means))

    def result(self):
        n, a, b, aa, bb, ab = (self.sums[i] / ops.maximum(self.sums[0], 1.0) for i in range(6))
        variance = ops.maximum((aa - a * a) * (bb - b * b), 1e-12)
        return n * (ab - a * b) / ops.sqrt(variance)

    def get_config(self):
        return {"border": self.border, "name": self.name}


def inner(x, border):
    return x[:, border:-border, border:-border, border:-border] if border else x


def compiled_network(config, initial=None):
    """The network of a training config, ready to fit.

    initial : keras.Model whose weights of equal path and shape it starts from, or None. From the
        local-resolution network it takes the backbone; channels it does not read start at 0.
    """
    keras.utils.set_random_seed(config.get("seed", 0))
    model = training_network(config)
    if initial is not None:
        take_weights(model, initial)
    model.compile(
        optimizer=optimizer(config),
        loss=InnerError(config["border"]),
        metrics=[InnerErrorMetric(config["border"]), InnerCorrelation(config["border"])],
    )
    return model


def training_network(config):
    """The network that predicts both."""
    return build_postprocess_unet(config["network"], names=HEADS)


def take_weights(model, initial) -> int:
    """Copy weights of equal path where they fit; returns how many did.

    Of a network that reads context features only the local ones are known here.
    """
    found = {weight.path: np.asarray(weight) for weight in initial.weights}
    for path, given in list(found.items()):
        for head in HEADS:  # a bundle's blended head starts both
            found.setdefault(path.replace("density_", f"{head}_"), given)
    count = 0
    for weight in model.weights:
        if weight.path not in found:
            continue
        given = found[weight.path]
        if given.ndim != len(weight.shape):
            continue
        if tuple(given.shape) != tuple(weight.shape):
            if given.shape[-2] == CONTEXT_CHANNELS:
                given = given[..., :CHANNELS, :]
            if given.shape[-1] != weight.shape[-1] or given.shape[-2] > weight.shape[-2]:
                continue
            wider = 0.3 * np.asarray(weight)  # what it did not read before weighs little at first
            wider[..., : given.shape[-2], :] = given
            given = wider
        weight.assign(given)
        count += 1
    return count
