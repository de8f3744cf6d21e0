"""The network published as DeepRes (Ramírez-Aportela et al. 2019, section 2.2), for comparison.

A window of 13³ voxels around one voxel, scaled to unit norm, passes 32 filters of 13³ with 'same'
padding, a dense layer of 512 and one output neuron: 36 million weights, one voxel an answer.
"""

from __future__ import annotations

import keras
from keras import layers


def build_deepres_paper(config):
    """Build the published network.

    config : dict with window (13), filters (32), dense (512), dropout (0.25)

    Input: (batch, 13, 13, 13, 1), windows of unit norm. Output: (batch, 1), resolution in Å.
    Loss in the paper: mean squared error, Adam.
    """
    window = config["window"]
    x = density = keras.Input((window, window, window, 1), name="window")
    x = layers.Conv3D(config["filters"], window, padding="same", activation="relu", name="filters")(
        x
    )
    x = layers.Dropout(config["dropout"], name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(config["dense"], activation="relu", name="dense")(x)
    return keras.Model(density, layers.Dense(1, name="resolution")(x), name="deepres_paper")
