"""Local resolution as it is trained: loss, metric, the network compiled with them, and the weights
of another network to start from or to average with."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from cryodl.errors import BundleError
from cryodl.networks.backbone import build_unet3d, resolution_bins
from cryodl.training.fit import optimizer


def start_from(model, source, *, partly: bool = False) -> int:
    """Copy the weights of another network where path and shape agree; where its kernel reads
    fewer channels the others start at nothing.

    partly : some weights of the model may stay as they are

    Returns how many were taken. Raises BundleError where the source lacks what the model needs.
    """
    found = {weight.path: ops.convert_to_numpy(weight) for weight in source.weights}
    missing = []
    for weight in model.weights:
        value = _fitting(found.get(weight.path), tuple(weight.shape))
        if value is None:
            missing.append(weight.path)
        else:
            weight.assign(value)
    taken = len(model.weights) - len(missing)
    if not taken or (missing and not partly):
        raise BundleError(
            f"the network to start from lacks {missing[0]} as it is here: give one of the same "
            "kind, or none"
        )
    return taken


def _fitting(value, shape):
    """A weight in the shape asked for, channels that it lacks at 0 and those beyond left out; None
    where it does not fit."""
    if value is None or value.shape == shape:
        return value
    if value.shape[:-2] + value.shape[-1:] != (*shape[:-2], shape[-1]):
        return None
    more = max(0, shape[-2] - value.shape[-2])
    return np.pad(value[..., : shape[-2], :], [(0, 0)] * (value.ndim - 2) + [(0, more), (0, 0)])


@keras.saving.register_keras_serializable("cryodl")
class BinnedResolutionLoss(keras.losses.Loss):
    """Cross entropy with a soft label, plus the error of the mean in Å.

    y_true : (batch, z, y, x, 2), resolution in Å and weight
    y_pred : (batch, z, y, x, bins), logits
    The cross entropy teaches how sure to be, the second term keeps the mean unbiased.
    """

    def __init__(self, network, width=0.6, error_weight=0.5, name="loss", **kwargs):
        super().__init__(name=name, reduction=None)
        self.network, self.width, self.error_weight = network, width, error_weight

    def call(self, y_true, y_pred):
        resolution, weight = y_true[..., 0], y_true[..., 1]
        centres = np.asarray(resolution_bins(self.network), "float32")
        step = float(np.log(centres[1] / centres[0]))
        offset = ops.log(resolution)[..., None] - ops.convert_to_tensor(np.log(centres))
        label = ops.softmax(-0.5 * (offset / (self.width * step)) ** 2, axis=-1)
        log_probability = ops.log_softmax(y_pred, axis=-1)
        entropy = -ops.sum(label * log_probability, axis=-1)
        mean = ops.sum(ops.exp(log_probability) * ops.convert_to_tensor(centres), axis=-1)
        each = entropy + self.error_weight * ops.abs(mean - resolution)
        return ops.sum(weight * each) / ops.maximum(ops.sum(weight), 1.0)

    def get_config(self):
        return {
            "network": self.network,
            "width": self.width,
            "error_weight": self.error_weight,
            "name": self.name,
        }


@keras.saving.register_keras_serializable("cryodl")
class ResolutionError(keras.metrics.Metric):
    """Mean absolute error (Å) of the mean of the distribution, over weighted voxels."""

    def __init__(self, network, name="error", **kwargs):
        super().__init__(name=name)
        self.network = network
        self.total = self.add_weight(name="total", initializer="zeros")
        self.weight = self.add_weight(name="weight", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        centres = np.asarray(resolution_bins(self.network), "float32")
        y_true = ops.convert_to_tensor(y_true)  # PyTorch's trainer gives an array
        y_pred = ops.stop_gradient(ops.convert_to_tensor(y_pred))
        mean = ops.sum(ops.softmax(y_pred, axis=-1) * ops.convert_to_tensor(centres), axis=-1)
        weight = y_true[..., 1]
        self.total.assign_add(ops.sum(weight * ops.abs(mean - y_true[..., 0])))
        self.weight.assign_add(ops.sum(weight))

    def result(self):
        return self.total / ops.maximum(self.weight, 1.0)

    def get_config(self):
        return {"network": self.network, "name": self.name}


def average_weights(weights, config, initial, share):
    """A mean of trained weights and of those that training began with, saved next to the former.

    On the way from one to the other the loss is flat or lower, and the mean does better on what the
    later training saw less of (Wortsman et al. 2022, arXiv:2203.05482).

    weights : path;  initial : keras.Model that it started from;  share : of its weights
    Returns the path of the averaged weights.
    """
    model, first = (build_unet3d(config["network"], with_logits=True) for _ in range(2))
    model.load_weights(weights)
    start_from(first, initial)
    for weight, source in zip(model.weights, first.weights):
        weight.assign((1 - share) * np.asarray(weight) + share * np.asarray(source))
    path = weights.with_name("averaged.weights.h5")
    model.save_weights(path)
    return path


def compiled_network(config, initial=None):
    """The local-resolution network of a training config, ready to fit.

    initial : keras.Model with the same backbone to start from, or None
    """
    keras.utils.set_random_seed(config.get("seed", 0))
    network = config["network"]
    model = build_unet3d(network, with_logits=True)
    if initial is not None:
        start_from(model, initial)
    model.compile(
        optimizer=optimizer(config),
        loss=BinnedResolutionLoss(network, config["label_width"]),
        metrics=[ResolutionError(network)],
    )
    return model
