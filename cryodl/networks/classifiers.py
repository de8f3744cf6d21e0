"""Networks that answer with one resolution for a whole map: a 3D CNN and a dense network.

The published ones (Avramov et al. 2019, sections 4.3 and 4.4) read a box of 64³ voxels and choose
one of three classes; they hold 262 and 68 million weights. Ours answer with a distribution over
bins of resolution, from which classes, a number and its interval follow. The CNN is the
single-map network, whose findings around every voxel are averaged over the molecule, so that
it takes a map of any size; the dense network reads a description of the map that no rotation
changes, and so does the end of the CNN, beside what was averaged.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from cryodl.networks.cryores import build_single_map

TRUNK, HEAD = "trunk", "head"


def build_resolution_cnn(config):
    """Build the network that pools over the molecule.

    config : dict with local (config of the single-map network), passed, inputs, hidden, dropout,
        bins

    Inputs: (batch, z, y, x, channels + 1), float32, features on the half grid
    (`features.context`), and last the weight of the step in the mean over the molecule; sizes are
    multiples of 2. And (batch, inputs), `features.spectral_descriptor`. Output: (batch, bins),
    probabilities.

    Its layers "trunk" and "head" are networks of their own, so that a large map can be read in
    tiles, and the head be trained on means made once.
    """
    channels = config["local"]["channels"]
    whole = keras.Input((None, None, None, channels + 1), name="features_and_weight")
    evidence = build_trunk(config)(whole[..., :channels])
    mean = MeanOver(name="mean")([evidence, whole[..., channels:]])
    description = keras.Input((config["inputs"],), name="description")
    read = layers.Concatenate(name="read")([description, mean])
    return keras.Model([whole, description], build_head(config)(read), name="resolution_cnn")


def evidence_size(config):
    """Numbers the trunk gives for every step."""
    local = config["local"]
    return 2 * local["half"] + local["bins"] + config["passed"]


def build_trunk(config):
    """Build the part that reads the surroundings of every step: the single-map network.

    Its layers have that network's names, so they can take its weights. Output: (batch, z, y, x,
    evidence): what its last layers read, its distribution over local resolutions, and the last
    channels of the input.
    """
    network = build_single_map(config["local"], with_logits=True)
    found = [
        network.get_layer("decode_2").output,
        network.get_layer("others").output,
        layers.Softmax(name="local_resolution")(network.get_layer("bins").output),
        network.input[..., -config["passed"] :],
    ]
    return keras.Model(network.input, layers.Concatenate(name="evidence")(found), name=TRUNK)


def build_head(config, *, with_logits=False):
    """Build the part that goes from the description and the mean evidence to the answer."""
    read = keras.Input((config["inputs"] + evidence_size(config),), name="description_and_evidence")
    return keras.Model(read, _dense(read, config, with_logits), name=HEAD)


def build_resolution_dnn(config, *, with_logits=False):
    """Build the dense network, of the published one's hidden layers.

    config : dict with inputs, hidden (neurons of each layer), dropout, bins
    Input: (batch, inputs), float32, `features.spectral_descriptor`. Output: (batch, bins).
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
