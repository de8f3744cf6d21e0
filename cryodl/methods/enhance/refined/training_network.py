"""Training of what a network adds to a filtered map: settings, loss, metrics, the network."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from cryodl.methods.enhance.refined.correct import COARSEST
from cryodl.networks.configs import CORRECTION
from cryodl.networks.enhance import VOXELS, build_correction
from cryodl.training.fit import optimizer

TRAINING: dict[str, Any] = {
    "voxel_size": 1.0,  # of maps of 3 Å; three voxels in one resolution
    "crop": 48,  # voxels
    "crops": 8,  # taken of an experiment at a time
    "buffer": 480,  # crops among which batches are drawn
    "reuse": 2,  # times that each is drawn
    "batch": 8,
    "border": 3,  # steps of the half grid at a crop's sides that the loss leaves out
    "learning_rate": 1.0e-3,
    "warm_up": 100,
    "averaging": 0.998,
    "epoch": 100,
    "patience": 30,
    "monitor": "val_error",
    "limits": [2.0, COARSEST],  # Å
    "doubt_weight": 0.02,  # of the likelihood, from which the network learns how far it is off
    "model": "refined",
    "network": CORRECTION,
}
SUREST = -4.0  # logarithm of the least standard deviation


def _parts(y_true, y_pred, x_border):
    """Weights, what is wrong, and the logarithm of its standard deviation, a crop's middle."""
    b = x_border
    y_true = ops.convert_to_tensor(y_true)[:, b:-b, b:-b, b:-b]
    y_pred = ops.convert_to_tensor(y_pred)[:, b:-b, b:-b, b:-b]
    weight = y_true[..., :VOXELS]
    wrong = y_pred[..., :VOXELS] - (y_true[..., VOXELS : 2 * VOXELS])
    return weight, wrong, ops.maximum(y_pred[..., VOXELS:], SUREST)


@keras.saving.register_keras_serializable("cryodl")
class CorrectionLoss(keras.losses.Loss):
    """Squared error in the mask, and the likelihood of its predicted size.

    y_true : (batch, z, y, x, 16), mask and the correction wanted;  y_pred : as `build_correction`
    """

    def __init__(self, border=3, doubt_weight=0.02, name="loss", **kwargs):
        super().__init__(name=name, reduction=None)
        self.border, self.doubt_weight = border, doubt_weight

    def call(self, y_true, y_pred):
        weight, wrong, doubt = _parts(y_true, y_pred, self.border)
        square = ops.square(wrong)
        likelihood = doubt + 0.5 * ops.stop_gradient(square) * ops.exp(-2 * doubt)
        each = square + self.doubt_weight * likelihood
        return ops.sum(weight * each) / ops.maximum(ops.sum(weight), 1.0)

    def get_config(self):
        return {"border": self.border, "doubt_weight": self.doubt_weight, "name": self.name}


@keras.saving.register_keras_serializable("cryodl")
class CorrectionError(keras.metrics.Metric):
    """Mean squared error in the mask, of that of the map that was filtered alone."""

    def __init__(self, border=3, name="error", **kwargs):
        super().__init__(name=name)
        self.border = border
        self.sums = self.add_weight(shape=(2,), name="sums", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        weight, wrong, _ = _parts(y_true, ops.stop_gradient(y_pred), self.border)
        _, before, _ = _parts(y_true, ops.zeros_like(y_pred), self.border)
        found = [ops.sum(weight * ops.square(values)) for values in (wrong, before)]
        self.sums.assign_add(ops.stack(found))

    def result(self):
        return self.sums[0] / ops.maximum(self.sums[1], 1e-6)

    def get_config(self):
        return {"border": self.border, "name": self.name}


def compiled_network(config, initial=None):
    """The network of a training config, ready to fit; initial : keras.Model to start from."""
    keras.utils.set_random_seed(config.get("seed", 0))
    model = build_correction(config["network"])
    if initial is not None:
        model.set_weights(initial.get_weights())
    model.compile(
        optimizer=optimizer(config),
        loss=CorrectionLoss(config["border"], config["doubt_weight"]),
        metrics=[CorrectionError(config["border"])],
    )
    return model
