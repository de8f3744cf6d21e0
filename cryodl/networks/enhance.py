"""The default post-processing network: it says how strong every band is to be at every voxel.

It reads a map taken apart into bands of even local power (`features.sub_bands`), and answers with a
gain for every band and voxel, and with a correction that no gain can give. Scaling a map's radial
amplitudes from place to place (LocScale) and masking it are such gains, so the network has
little else to learn, cannot shift the map, and what it shows stems from the map's own density. The
backbone (backbone.py) is that of the local-resolution network, whose weights it can start from; no
layer averages over the tile.
"""

import keras
from keras import layers, ops

from cryodl.networks.backbone import backbone

VOXELS = 8  # of a block of the half grid


def build_postprocess_unet(config, *, names=("density",)):
    """Build the network.

    config : dict with channels (before the groups), groups, half, quarter, quarter_blocks
    names : of its answers; training has it give two, which `blend_heads` makes one

    Input: (batch, z, y, x, channels + 8 * groups), features on the half grid
    (`SubBands.features`); sizes are multiples of 2.
    Output: (batch, z, y, x, 8), density of the voxels of every block; 8 for each answer.
    """
    count = config["channels"]
    features = keras.Input((None, None, None, count + VOXELS * config["groups"]), name="features")
    bands = Channels(count, count + VOXELS * config["groups"], name="bands")(features)
    x = layers.Concatenate(name="read")(
        [Channels(0, count, name="context")(features), SumGroups(name="flattened")(bands)]
    )
    x = backbone(x, config)
    heads = [_head(x, bands, config["groups"], name) for name in names]
    density = heads[0] if len(heads) == 1 else layers.Concatenate(name="heads")(heads)
    return keras.Model(features, density, name="postprocess")


def build_correction(config):
    """Build the network that corrects a filtered map (`methods.enhance.refine`).

    config : dict with channels, half, quarter, quarter_blocks, eighth, eighth_blocks

    Input: (batch, z, y, x, channels), features on the half grid; sizes are multiples of 4.
    Output: (batch, z, y, x, 16): what is added to the density of the voxels of every block, nothing
    before it is trained; and the logarithm of the standard deviation of what is then still wrong.
    """
    features = keras.Input((None, None, None, config["channels"]), name="features")
    x = backbone(features, config)
    answer = layers.Conv3D(
        2 * VOXELS, 1, name="correction", kernel_initializer="zeros", dtype="float32"
    )(x)
    return keras.Model(features, answer, name="correction")


def _head(x, bands, groups, name):
    """Bands times their gains, and a correction: density of the voxels of every block."""
    gains = layers.Conv3D(
        VOXELS * groups, 1, name=f"{name}_gains", kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(0.3), dtype="float32",
    )(x)  # fmt: skip
    scaled = layers.Multiply(name=f"{name}_scaled", dtype="float32")([bands, gains])
    correction = layers.Conv3D(
        VOXELS, 1, name=f"{name}_correction", kernel_initializer="zeros", dtype="float32"
    )(x)
    summed = SumGroups(name=f"{name}_summed", dtype="float32")(scaled)
    return layers.Add(name=name, dtype="float32")([summed, correction])


def blend_heads(two, one, share):
    """Give a network of one answer the weights of one with two: their weighted mean.

    two, one : keras.Model, as built with two names and with one
    share : of the second answer. Answers are linear in the last features, so nothing is lost.
    """
    first, second = [n.split("_gains")[0] for n in _layer_names(two) if n.endswith("_gains")]
    (only,) = [n.split("_gains")[0] for n in _layer_names(one) if n.endswith("_gains")]
    for layer in one.layers:
        if not layer.weights:
            continue
        kind = layer.name[len(only) :] if layer.name.startswith(f"{only}_") else None
        if kind is None:
            layer.set_weights(two.get_layer(layer.name).get_weights())
            continue
        pairs = zip(*(two.get_layer(name + kind).get_weights() for name in (first, second)))
        layer.set_weights([(1 - share) * a + share * b for a, b in pairs])


def _layer_names(model):
    return [layer.name for layer in model.layers]


@keras.saving.register_keras_serializable("cryodl")
class Channels(layers.Layer):
    """Some of the channels, first to last - 1."""

    def __init__(self, first, last, **kwargs):
        super().__init__(**kwargs)
        self.first, self.last = first, last

    def call(self, x):
        return x[..., self.first : self.last]

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.last - self.first)

    def get_config(self):
        return {**super().get_config(), "first": self.first, "last": self.last}


@keras.saving.register_keras_serializable("cryodl")
class SumGroups(layers.Layer):
    """The sum of a map's groups of bands, voxel by voxel of every block."""

    def call(self, x):
        total = x[..., :VOXELS]
        for first in range(VOXELS, x.shape[-1], VOXELS):
            total = ops.add(total, x[..., first : first + VOXELS])
        return total

    def compute_output_shape(self, shape):
        return (*shape[:-1], VOXELS)
