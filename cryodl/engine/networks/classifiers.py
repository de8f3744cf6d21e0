"""Networks that answer with one resolution for a whole map: a 3D CNN and a dense network.

The published ones (Avramov et al. 2019, sections 4.3 and 4.4) read a box of 64³ voxels and choose
one of three classes; they hold 262 and 68 million weights. Ours answer with a distribution over
bins of resolution, from which classes, a number and its interval follow. The CNN is the
local-resolution network, whose findings around every voxel are averaged over the molecule, so that
it takes a map of any size; the dense network reads a description of the map that no rotation
changes.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from .unet3d import build_unet3d

TRUNK, HEAD = "trunk", "head"


def build_resolution_cnn(config):
    """Build the network that pools over the molecule.

    config : dict with local (config of the U-Net), bands, hidden, dropout, bins

    Input: (batch, z, y, x, channels + 1), float32, local features on the half grid
    (`maps.features`), and last the weight of the step in the mean over the molecule; sizes are
    multiples of 2. Output: (batch, bins), probabilities.

    Its layers "trunk" and "head" are networks of their own, so that a large map can be read in
    tiles, and the head be trained on means made once.
    """
    channels = config["local"]["channels"]
    whole = keras.Input((None, None, None, channels + 1), name="features_and_weight")
    evidence = build_trunk(config)(whole[..., :channels])
    mean = MeanOver(name="mean")([evidence, whole[..., channels:]])
    return keras.Model(whole, build_head(config)(mean), name="resolution_cnn")


def evidence_size(config):
    """Numbers the trunk gives for every step."""
    local = config["local"]
    return local["half"] + local["bins"] + config["bands"]


def build_trunk(config):
    """Build the part that reads the surroundings of every step: the local-resolution U-Net.

    Its layers have the U-Net's names, so they can take its weights. Output: (batch, z, y, x,
    evidence): what its last layer reads, its distribution over local resolutions, and the bands.
    """
    unet = build_unet3d(config["local"], with_logits=True)
    found = [
        unet.get_layer("decode_2").output,
        layers.Softmax(name="local_resolution")(unet.output),
        unet.input[..., -config["bands"] :],
    ]
    return keras.Model(unet.input, layers.Concatenate(name="evidence")(found), name=TRUNK)


def build_head(config, *, with_logits=False):
    """Build the part that goes from the molecule's mean evidence to the answer."""
    mean = keras.Input((evidence_size(config),), name="mean_evidence")
    return keras.Model(mean, _dense(mean, config, with_logits), name=HEAD)


def build_resolution_dnn(config, *, with_logits=False):
    """Build the dense network, of the published one's hidden layers.

    config : dict with inputs, hidden (neurons of each layer), dropout, bins
    Input: (batch, inputs), float32, `maps.description`. Output: (batch, bins).
    """
    description = keras.Input((config["inputs"],), name="description")
    return keras.Model(description, _dense(description, config, with_logits), name="resolution_dnn")


def build_paper_dnn(config):
    """Build the published dense network (section 4.3).

    Input: (batch, 64, 64, 64, 1), densities from 0 to 1. Output: (batch, 3), probabilities of
    high, medium and low. In the paper: gradient descent at 0.01, batches of 150.
    """
    box = config["box"]
    density = keras.Input((box, box, box, 1), name="density")
    x = layers.Flatten(name="flatten")(density)
    for i, neurons in enumerate(config["hidden"]):
        x = layers.Dense(neurons, activation="relu", name=f"hidden_{i + 1}")(x)
    answer = layers.Dense(3, activation="softmax", name="classes")(x)
    return keras.Model(density, answer, name="paper_dnn")


def build_paper_cnn(config):
    """Build the published 3D CNN (section 4.4); input and output as of the dense one.

    In the paper: gradient descent at 0.01, batches of 75.
    """
    box = config["box"]
    x = density = keras.Input((box, box, box, 1), name="density")
    for i, (filters, kernel, activation) in enumerate(config["convolutions"]):
        x = layers.Conv3D(
            filters, kernel, padding="same", activation=activation, name=f"conv_{i + 1}"
        )(x)
        x = layers.MaxPooling3D(2, name=f"pool_{i + 1}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(config["dense"], activation="tanh", name="dense")(x)
    x = layers.Dropout(config["dropout"], name="dropout")(x)
    answer = layers.Dense(3, activation="softmax", name="classes")(x)
    return keras.Model(density, answer, name="paper_cnn")


@keras.saving.register_keras_serializable("cryodl")
class MeanOver(layers.Layer):
    """Weighted mean over space: values (batch, z, y, x, c), weights (batch, z, y, x, 1)."""

    def call(self, inputs):
        values, weights = inputs
        axes = (1, 2, 3)
        return ops.sum(values * weights, axes) / ops.maximum(ops.sum(weights, axes), 1e-6)

    def compute_output_shape(self, shapes):
        return shapes[0][0], shapes[0][-1]


def _dense(x, config, with_logits):
    for i, neurons in enumerate(config["hidden"]):
        x = layers.Dense(neurons, activation="relu", name=f"hidden_{i + 1}")(x)
        x = layers.Dropout(config["dropout"], name=f"dropout_{i + 1}")(x)
    logits = layers.Dense(config["bins"], dtype="float32", name="resolution_bins")(x)
    return logits if with_logits else layers.Softmax(name="probabilities")(logits)
