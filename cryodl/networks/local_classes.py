"""Networks that put every voxel into one of ten classes of resolution (Avramov et al. 2019).

Ours is the local-resolution U-Net, whose distribution over fine bins is summed up within the
classes; so an expected resolution comes with them, and training can start from the shipped
weights. The published one (section 4.5) reads cubes of 16³ voxels and holds 90 million weights.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from cryodl.networks.backbone import build_unet3d, resolution_bins


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
