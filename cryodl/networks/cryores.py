"""One map in; molecular mask, global and local resolution out (after CryoRes, slides of 2023).

The backbone is that of `unet3d`, whose rules hold here too: a voxel's prediction depends on its
receptive field alone. The global resolution needs the whole map, so it is a mean over voxels: each
gives what it would say of the whole map and how much that should count, and both are summed over
all tiles before they are divided. So it is exact, however the map is cut.

Local resolution is predicted twice, each as a distribution over bins: by itself, and relative to
the global one.
"""

from __future__ import annotations

import math

import keras
from keras import layers, ops

from cryodl.networks.architectures import is_backbone, reads_and_answers
from cryodl.networks.backbone import backbone, conv, resolution_bins


def build_single_map(config, *, with_logits=False):
    """Build the network.

    config : dict with channels, half, quarter, quarter_blocks, bins, bins_from, bins_to (Å),
        ratios, ratios_from, ratios_to
    with_logits : bool, return raw numbers instead of the answer; training uses this.

    Input: (batch, z, y, x, channels), float32, features of `features.context` on the half grid;
    sizes are multiples of 2.
    Output: (batch, z, y, x, 7): probability of being in the molecule; local resolution and its
    standard deviation (Å); local over global resolution and its standard deviation; what the voxel
    says of ln(global resolution / Å), and the weight this has (`methods.cryores.predict` reads it).
    Or the logits: mask, ln(global), ln(weight), bins, ratio bins.
    """
    features = keras.Input((None, None, None, config["channels"]), name="features")
    x = backbone(features, config)
    bins = layers.Conv3D(config["bins"], 1, dtype="float32", name="bins")(x)
    aspect = []
    if is_backbone(config):
        aspect = [layers.Conv3D(config["bins"], 1, dtype="float32", name="aspect")(x)]
    y = conv(x, config["half"], 1, "others")
    ratios = layers.Conv3D(config["ratios"], 1, dtype="float32", name="ratios")(y)
    rest = layers.Conv3D(
        3, 1, dtype="float32", name="mask_and_global", bias_initializer=MiddleBias(),
    )(y)  # fmt: skip
    logits = layers.Concatenate(name="logits", dtype="float32")([rest, bins, ratios, *aspect])
    if with_logits:
        return keras.Model(features, logits, name="single_map_logits")
    answer = SingleMapAnswer(config, name="answer", dtype="float32")(logits)
    return keras.Model(features, answer, name="single_map")


def build_backbone(config, *, with_logits=False):
    """As `build_single_map`, with context from the eighth grid and, as channels 7 and 8 of the
    answer, aspect resolution and its standard deviation (Å)."""
    return build_single_map(config, with_logits=with_logits)


def ratio_bins(config):
    """Centres of the bins of local over global resolution, evenly spaced in their logarithm."""
    return resolution_bins(
        {
            "bins": config["ratios"],
            "bins_from": config["ratios_from"],
            "bins_to": config["ratios_to"],
        }
    )


@keras.saving.register_keras_serializable("cryodl")
class MiddleBias(keras.initializers.Initializer):
    """Begin with a global resolution of 4.5 Å, the middle of the range."""

    def __call__(self, shape, dtype=None):
        return ops.convert_to_tensor([0.0, math.log(4.5), 0.0], dtype=dtype or "float32")


@keras.saving.register_keras_serializable("cryodl")
class SingleMapAnswer(layers.Layer):
    """Turn the logits into the seven channels of the answer."""

    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config

    def call(self, logits):
        count = self.config["bins"]
        ratios = 3 + count
        aspect = ratios + self.config["ratios"]
        inside = ops.sigmoid(logits[..., :1])
        weight = global_weight(logits)[..., None]
        return ops.concatenate(
            [
                inside,
                moments(logits[..., 3 : 3 + count], resolution_bins(self.config)),
                moments(logits[..., ratios:aspect], ratio_bins(self.config)),
                logits[..., 1:2],
                weight,
                *(
                    [moments(logits[..., aspect:], resolution_bins(self.config))]
                    if is_backbone(self.config)
                    else []
                ),
            ],
            axis=-1,
        )

    def compute_output_shape(self, shape):
        return (*shape[:-1], reads_and_answers(self.config)["network"][2])


def global_weight(logits):
    """How much each voxel counts for the global resolution: (batch, z, y, x)."""
    return ops.sigmoid(logits[..., 0]) * ops.exp(5 * ops.tanh(logits[..., 2] / 5))


def moments(logits, centres):
    """Mean and standard deviation of the distribution over bins: (..., 2)."""
    centres = ops.convert_to_tensor(centres, dtype="float32")
    probability = ops.softmax(logits, axis=-1)
    found = ops.matmul(probability, ops.stack([centres, centres * centres], axis=1))
    mean = found[..., :1]
    # 1e-6 keeps the root real under rounding.
    return ops.concatenate(
        [mean, ops.sqrt(ops.maximum(found[..., 1:] - mean * mean, 1e-6))], axis=-1
    )
