"""The trunk that the networks share: a small U-Net on the half and quarter grids.

Two rules shape it. Nothing in it averages over the tile or the batch, so a voxel's answer depends
only on its receptive field, in training as in use: it has no normalisation layers (its input is
normalised, and its residual blocks start as identities). And all the work is done on the half and
quarter grids; a map's eight voxels of every block and its local spectrum come as channels, so
nothing is lost by it. Its layers have the same names everywhere, so one network can start from
another's weights.
"""

from keras import layers


def trunk(x, config):
    """From features on the half grid to as many channels as config["half"] on the same grid.

    x : tensor (batch, z, y, x, channels), sizes multiples of 2
    config : dict with half, quarter (channels on either grid), quarter_blocks
    """
    x = conv(x, config["half"], 3, "encode_1")
    skip = x = conv(x, config["half"], 3, "encode_2")
    x = conv(x, config["quarter"], 2, "down", strides=2)
    for i in range(config["quarter_blocks"]):
        x = residual(x, config["quarter"], f"quarter_{i + 1}")
    x = layers.Conv3D(config["half"], 1, name="narrow")(x)
    x = layers.UpSampling3D(2, name="up")(x)
    x = layers.Add(name="join")([x, skip])
    x = conv(x, config["half"], 3, "decode_1")
    return conv(x, config["half"], 3, "decode_2")


def receptive_radius(config):
    """Largest distance, in steps of the half grid, from which an input can change the outputs
    beyond a border between blocks of the quarter grid, where tiles begin and end."""
    quarter = 1 + 2 * config["quarter_blocks"]  # decode_1 and decode_2 reach into one more
    return 2 * quarter + 2  # encode_1, encode_2


def conv(x, filters, kernel, name, strides=1):
    """A convolution with a ReLU."""
    return layers.Conv3D(
        filters, kernel, strides=strides, padding="same", activation="relu",
        kernel_initializer="he_normal", name=name,
    )(x)  # fmt: skip


def residual(x, filters, name):
    """Two convolutions beside the identity."""
    y = conv(x, filters, 3, f"{name}a")
    # Starts as the identity, so that depth costs nothing early in training.
    y = layers.Conv3D(filters, 3, padding="same", kernel_initializer="zeros", name=f"{name}b")(y)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
