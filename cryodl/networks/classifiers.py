"""Networks that answer with classes of resolution: of a whole map, and of every voxel.

Of a whole map: the published ones (Avramov et al. 2019, sections 4.3 and 4.4) read a box of 64³
voxels and choose one of three classes; they hold 262 and 68 million weights. Ours answer with a
distribution over bins of resolution, from which classes, a number and its interval follow. The CNN
is the single-map network, whose findings around every voxel are averaged over the molecule, so that
it takes a map of any size; the dense network reads a description of the map that no rotation
changes, and so does the end of the CNN, beside what was averaged.

Of every voxel: ours is the local-resolution U-Net, whose distribution over fine bins is summed up
within ten classes; so an expected resolution comes with them, and training can start from the
shipped weights. The published one (section 4.5) reads cubes of 16³ voxels and holds 90 million
weights.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from cryodl.networks.backbone import build_unet3d, resolution_bins
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


def class_shares(config):
    """Share of each bin that lies in each class, ndarray (bins, classes)."""
    centres = np.log(resolution_bins(config))
    step = centres[1] - centres[0]
    edges = np.concatenate([[-np.inf], np.log(config["edges"]), [np.inf]])
    low, high = (centres - step / 2)[:, None], (centres + step / 2)[:, None]
    return np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None) / step


def build_local_classes(config):
    """Build the network that answers with classes.

    config : of `build_unet3d`, with edges (Å, between the classes)
    Input: as of `build_unet3d`. Output: (batch, z, y, x, classes + 1), the classes' probabilities
    and the expected resolution in Å.
    """
    model = build_unet3d(config, with_logits=True)
    probability = layers.Softmax(name="probabilities")(model.output)
    answer = BinsToClasses(class_shares(config), resolution_bins(config), name="classes")
    return keras.Model(model.input, answer(probability), name="local_classes")


@keras.saving.register_keras_serializable("cryodl")
class BinsToClasses(layers.Layer):
    """Sum bins up into classes, and take their mean."""

    def __init__(self, shares, centres, **kwargs):
        super().__init__(**kwargs)
        self.shares, self.centres = np.asarray(shares).tolist(), list(centres)

    def call(self, probability):
        table = np.concatenate([self.shares, np.reshape(self.centres, (-1, 1))], axis=1)
        return ops.matmul(probability, ops.convert_to_tensor(table.astype("float32")))

    def compute_output_shape(self, shape):
        return (*shape[:-1], len(self.shares[0]) + 1)

    def get_config(self):
        return {**super().get_config(), "shares": self.shares, "centres": self.centres}


def build_paper_unet(config):
    """Build the published U-Net.

    config : dict with cube (16), filters (64 to 1024), dropout (0.5), classes (10)
    Input: (batch, 16, 16, 16, 1), densities from 0 to 1. Output: (batch, 16, 16, 16, 10),
    probabilities. In the paper: Adam, categorical cross entropy, batches of 32.
    """
    cube, filters = config["cube"], config["filters"]

    def conv(x, number, kernel, name):
        return layers.Conv3D(
            number, kernel, padding="same", activation="relu", kernel_initializer="he_normal",
            name=name,
        )(x)  # fmt: skip

    x = density = keras.Input((cube, cube, cube, 1), name="density")
    skips = []
    for i, number in enumerate(filters):
        x = conv(conv(x, number, 3, f"left_{i}a"), number, 3, f"left_{i}b")
        x = layers.SpatialDropout3D(config["dropout"], name=f"dropout_{i}")(x)
        if i < len(filters) - 1:
            skips.append(x)
            x = layers.MaxPooling3D(2, name=f"pool_{i}")(x)
    for i, number in reversed(list(enumerate(filters[:-1]))):
        x = conv(layers.UpSampling3D(2, name=f"up_{i}")(x), number, 2, f"right_{i}")
        x = layers.Concatenate(name=f"join_{i}")([skips[i], x])
        x = conv(conv(x, number, 3, f"right_{i}a"), number, 3, f"right_{i}b")
    answer = layers.Conv3D(
        config["classes"], 1, activation="softmax", kernel_initializer="he_normal", name="classes"
    )(x)
    return keras.Model(density, answer, name="paper_unet")
