"""CryoRes as far as its slides (2023) tell it, for comparison: one cube in, three heads.

The slides give pre-processing, labels, losses and optimiser. Of the network they give only that it
is three-dimensional and has three heads; the U-Net here is ours.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from cryodl.maps.crop import significant_box
from cryodl.networks.configs import SINGLE_MAP_PAPER
from cryodl.training.augment import draw_input
from cryodl.training.export import write_published_bundle


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
    answer = layers.Concatenate(name="answer")([whole, relative, mask])
    return keras.Model(cube, answer, name="single_map_paper")


def _conv(x, filters, name):
    return layers.Conv3D(
        filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=name
    )(x)


EPOCHS, RATE, MOMENTUM = 500, 1e-7, 0.8
RELATIVE_WEIGHT = 1.0


def cube_of(data, box, size):
    """The part of a map in a box, rescaled to a cube by linear interpolation.

    data : ndarray (z, y, x);  box : (first, last + 1) along each axis;  size : voxels
    """
    from scipy.ndimage import map_coordinates

    along = [np.linspace(first, last - 1, size) for first, last in box]
    places = np.meshgrid(*along, indexing="ij")
    return map_coordinates(data, places, output=np.float32, order=1, mode="nearest")


def sample(experiment, rng, size):
    """One map and its labels: ndarrays (size, size, size, 1) and (size, size, size, 4), global
    and relative resolution (Å), mask, and the weight of the relative resolution."""
    density, molecule = draw_input(experiment, rng)
    box = significant_box(density)
    cube = cube_of(density, box, size)
    cube = (cube - cube.mean()) / max(float(cube.std()), 1e-30)
    near, whole = experiment.load("mask"), experiment.resolution
    relative = np.where(near > 0, experiment.load("snr") - whole, 0).astype(np.float32)
    parts = (relative, molecule.astype(np.float32), near)
    relative, molecule, near = (cube_of(part, box, size) for part in parts)
    labels = [np.full_like(cube, whole), relative, molecule > 0.5, near > 0.5]
    return cube[..., None], np.stack(labels, axis=-1).astype(np.float32)


@keras.saving.register_keras_serializable("cryodl")
class PaperLoss(keras.losses.Loss):
    """The three losses of the slides, added up."""

    def __init__(self, name="paper_loss", **kwargs):
        super().__init__(name=name, reduction=None)

    def call(self, y_true, y_pred):
        whole, relative, mask, weight = (y_true[..., i] for i in range(4))
        squared = ops.mean((y_pred[..., 0] - whole) ** 2)
        logarithm = ops.log(ops.abs(y_pred[..., 1] - relative) + 1) / float(np.log(10))
        logarithm = ops.sum(weight * logarithm) / ops.maximum(ops.sum(weight), 1.0)
        entropy = ops.mean(ops.binary_crossentropy(mask, y_pred[..., 2]))
        return squared + RELATIVE_WEIGHT * logarithm + entropy


def train_paper(run, experiments, validation):
    """Train CryoRes as far as it is known, at most 500 times each map, and write its bundle;
    run : Run."""
    keras.utils.set_random_seed(run.seed)
    network, size = SINGLE_MAP_PAPER, SINGLE_MAP_PAPER["size"]
    model = build_single_map_paper(network)
    rate = run.learning_rate or RATE
    model.compile(optimizer=keras.optimizers.SGD(rate, momentum=MOMENTUM), loss=PaperLoss())
    rng = np.random.default_rng(run.seed)

    def batches():
        while True:
            x, y = sample(experiments[rng.integers(len(experiments))], rng, size)
            yield x[None], y[None]

    most = EPOCHS * len(experiments)
    done = run.train_steps(batches(), model.train_on_batch, most=most)
    errors, overlaps = [], []
    for i, experiment in enumerate(validation):
        x, y = sample(experiment, np.random.default_rng((run.seed, i)), size)
        predicted = np.asarray(model.predict_on_batch(x[None]))[0]
        off = (predicted[..., 0] + predicted[..., 1] - y[..., 0] - y[..., 1])[y[..., 3] > 0]
        errors.append(float(np.sqrt(np.mean(off**2))))
        both, true = predicted[..., 2] > 0.5, y[..., 2] > 0.5
        overlaps.append(float((both & true).sum() / max((both | true).sum(), 1)))
    figures = {
        "rmse": round(float(np.mean(errors)), 3),
        "iou": round(float(np.mean(overlaps)), 3),
    }
    bundle = write_published_bundle(
        run.output, model, "single-map-resolution", network, "cube", "Dai2023",
        {"data": f"{len(experiments)} simulated experiments", **done}, figures,
        parameters={"deviations": 3.0},
    )  # fmt: skip
    run.say(f"wrote {run.output}: RMSE {np.mean(errors):.2f} Å, mask IoU {np.mean(overlaps):.2f}")
    return bundle
