"""The backbone that the networks share: a small U-Net on the half and quarter grids.

Two rules shape it. Nothing in it averages over the tile or the batch, so a voxel's answer depends
only on its receptive field, in training as in use: it has no normalisation layers (its input is
normalised, and its residual blocks start as identities). And all the work is done on the half and
quarter grids; a map's eight voxels of every block and its local spectrum come as channels, so
nothing is lost by it. Its layers have the same names everywhere, so one network can start from
another's weights.
"""

import math

import keras
from keras import layers, ops


def backbone(x, config):
    """From features on the half grid to as many channels as config["half"] on the same grid.

    x : tensor (batch, z, y, x, channels), sizes multiples of 2
    config : dict with half, quarter (channels on either grid), quarter_blocks; and, for context
        that reaches further, eighth (channels on the grid of eight voxels) and eighth_blocks: sizes
        are multiples of 4 then
    """
    x = conv(x, config["half"], 3, "encode_1")
    skip = x = conv(x, config["half"], 3, "encode_2")
    x = conv(x, config["quarter"], 2, "down", strides=2)
    for i in range(config["quarter_blocks"]):
        if "eighth" in config and i == config["quarter_blocks"] - 1:
            x = _with_context(x, config)
        x = residual(x, config["quarter"], f"quarter_{i + 1}")
    x = layers.Conv3D(config["half"], 1, name="narrow")(x)
    x = layers.UpSampling3D(2, name="up")(x)
    x = layers.Add(name="join")([x, skip])
    x = conv(x, config["half"], 3, "decode_1")
    return conv(x, config["half"], 3, "decode_2")


def _with_context(x, config):
    """What the eighth grid adds to the quarter grid; nothing before it is trained."""
    y = conv(x, config["eighth"], 2, "down_eighth", strides=2)
    for i in range(config["eighth_blocks"]):
        y = residual(y, config["eighth"], f"eighth_{i + 1}")
    y = layers.Conv3D(config["quarter"], 1, kernel_initializer="zeros", name="narrow_eighth")(y)
    return layers.Add(name="join_eighth")([x, layers.UpSampling3D(2, name="up_eighth")(y)])


def receptive_radius(config):
    """Largest distance, in steps of the half grid, from which an input can change the outputs
    beyond a border between blocks of the quarter grid, where tiles begin and end."""
    quarter = 1 + 2 * config["quarter_blocks"]  # decode_1 and decode_2 reach into one more
    if "eighth" in config:
        quarter += 2 * (1 + 2 * config["eighth_blocks"]) - 1
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


def resolution_bins(config):
    """Centres, in Å, of the bins over which the network spreads its answer.

    Geometric, because 0.1 Å means more at 3 Å than at 12 Å; wider than the trained range at both
    ends, so that the mean of the distribution is not pushed inwards at the limits.
    """
    first, last = config["bins_from"], config["bins_to"]
    count = config["bins"]
    step = (math.log(last) - math.log(first)) / (count - 1)
    return [first * math.exp(step * i) for i in range(count)]


def build_unet3d(config, *, with_logits=False):
    """Build the network.

    config : dict with channels, half, quarter, quarter_blocks, bins, bins_from, bins_to.
    with_logits : bool, return the bin logits instead of the answer; training uses this.

    Input: (batch, z, y, x, channels), float32, features on the half grid (two voxels a step;
    `features.local_spectrum` or `features.context`); sizes are multiples of 2.
    Output: (batch, z, y, x, 2), resolution and its standard deviation in Å on the half grid; or
    the logits, (batch, z, y, x, bins).
    """
    features = keras.Input((None, None, None, config["channels"]), name="features")
    x = backbone(features, config)
    logits = layers.Conv3D(config["bins"], 1, dtype="float32", name="bins")(x)
    if with_logits:
        return keras.Model(features, logits, name="local_resolution_logits")
    answer = BinsToResolution(resolution_bins(config), name="resolution")(logits)
    return keras.Model(features, answer, name="local_resolution")


@keras.saving.register_keras_serializable("cryodl")
class BinsToResolution(layers.Layer):
    """Turn bin logits into mean and standard deviation (Å) of the resolution."""

    def __init__(self, centres, **kwargs):
        super().__init__(**kwargs)
        self.centres = list(centres)

    def call(self, logits):
        centres = ops.convert_to_tensor(self.centres, dtype="float32")
        probability = ops.softmax(logits, axis=-1)
        # One matrix product gives both moments; 1e-6 keeps the root real under rounding.
        moments = ops.matmul(probability, ops.stack([centres, centres * centres], axis=1))
        mean = moments[..., :1]
        variance = ops.maximum(moments[..., 1:] - mean * mean, 1e-6)
        return ops.concatenate([mean, ops.sqrt(variance)], axis=-1)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2)
