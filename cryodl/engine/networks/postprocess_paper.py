"""The network published as DeepEMhancer (Sanchez-Garcia et al. 2021, Neural network architecture).

A 3D U-Net of three levels, each of three convolutions of 32, 64 and 128 filters with group
normalisation and PReLU, strided convolutions down, transposed ones up, on cubes of 64³ voxels at
1 Å. Group normalisation averages over the cube, so its answer depends on how a map is cut.
"""

import keras
from keras import layers


def build_postprocess_paper(config):
    """Build the published network.

    config : dict with filters (32, 64, 128), convolutions (3), groups (8)

    Input: (batch, z, y, x, 1), noise of mean 0 and standard deviation 0.1; sizes are multiples of
    8. Output: the same shape. In the paper: mean absolute error, batches of 8 cubes of 64³.
    """
    x = density = keras.Input((None, None, None, 1), name="density")
    skips = []
    for level, filters in enumerate(config["filters"]):
        x = _block(x, filters, config, f"down_{level + 1}")
        skips.append(x)
        x = layers.Conv3D(filters, 3, strides=2, padding="same", name=f"stride_{level + 1}")(x)
    for level, filters in reversed(list(enumerate(config["filters"]))):
        x = layers.Conv3DTranspose(
            filters, 3, strides=2, padding="same", name=f"transpose_{level + 1}"
        )(x)
        x = layers.Concatenate(name=f"skip_{level + 1}")([x, skips[level]])
        x = _block(x, filters, config, f"up_{level + 1}")
    return keras.Model(density, layers.Conv3D(1, 1, name="enhanced")(x), name="postprocess_paper")


def _block(x, filters, config, name):
    for number in range(1, config["convolutions"] + 1):
        x = layers.Conv3D(filters, 3, padding="same", name=f"{name}_{number}")(x)
        x = layers.GroupNormalization(config["groups"], name=f"{name}_{number}_norm")(x)
        x = layers.PReLU(shared_axes=[1, 2, 3], name=f"{name}_{number}_prelu")(x)
    return x
