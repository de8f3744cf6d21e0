"""What the network that takes one map is trained to make small, and the figures shown meanwhile."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from ..networks.single_map import global_weight, ratio_bins
from ..networks.unet3d import resolution_bins

TARGETS = 4  # resolution (Å), weight, share inside the molecule, global resolution (Å)


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
