"""CryoRes as far as its slides (2023) tell it, for comparison: one cube in, three heads.

The slides give pre-processing, labels, losses and optimiser. Of the network they give only that it
is three-dimensional and has three heads; the U-Net here is ours.
"""

from __future__ import annotations

import keras
from keras import layers


def build_single_map_paper(config):
    """Build the network.

    config : dict with size (voxels of the cube), filters (list, one number for each level)

    Input: (batch, size, size, size, 1), a whole map rescaled to the cube, mean 0 and SD 1.
    Output: (batch, size, size, size, 3): the global resolution (Å, everywhere the same), the local
    one relative to it (Å, to be added), the probability of being in the molecule.
    """
    size, filters = config["size"], config["filters"]
    x = cube = keras.Input((size, size, size, 1), name="cube")
    skips = []
    for level, count in enumerate(filters):
        if level:
            skips.append(x)
            x = layers.MaxPooling3D(2, name=f"pool_{level}")(x)
        x = _conv(x, count, f"encode_{level + 1}")
    pooled = layers.GlobalAveragePooling3D(name="pool")(x)
    pooled = layers.Dense(filters[-1], activation="relu", name="dense")(pooled)
    for level, skip in reversed(list(enumerate(skips))):
        x = layers.UpSampling3D(2, name=f"up_{level + 1}")(x)
        x = layers.Concatenate(name=f"join_{level + 1}")([x, skip])
        x = _conv(x, filters[level], f"decode_{level + 1}")
    whole = layers.Dense(1, name="global")(pooled)
    whole = layers.UpSampling3D(size, name="spread")(layers.Reshape((1, 1, 1, 1))(whole))
    relative = layers.Conv3D(1, 1, name="relative")(x)
    mask = layers.Conv3D(1, 1, activation="sigmoid", name="mask")(x)
    told = layers.Concatenate(name="told")([whole, relative, mask])
    return keras.Model(cube, told, name="single_map_paper")


def _conv(x, filters, name):
    return layers.Conv3D(
        filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=name
    )(x)
