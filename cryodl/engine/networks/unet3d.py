"""The default local-resolution network: a small U-Net that reads the texture around every voxel.

The answer is a distribution over bins of resolution, from which the mean and the standard
deviation are taken inside the network: a voxel between two domains may be either, and says so.
"""

import math

import keras
from keras import layers, ops

from .trunk import trunk


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
    `maps.features` or `maps.whole`); sizes are multiples of 2.
    Output: (batch, z, y, x, 2), resolution and its standard deviation in Å on the half grid; or
    the logits, (batch, z, y, x, bins).
    """
    features = keras.Input((None, None, None, config["channels"]), name="features")
    x = trunk(features, config)
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
