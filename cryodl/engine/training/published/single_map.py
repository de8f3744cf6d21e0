"""Train a single map's resolution as CryoRes's slides (2023) tell it.

Maps are cut to the smallest box outside which density lies within mean ± 3 SD and rescaled to one
cube; squared error of the global resolution, log10(|error| + 1) of the relative one and cross
entropy of the mask, added up; stochastic gradient descent, rate 1e-7, momentum 0.8, 500 epochs.
The weight of the relative loss is not given; it is 1. The slides' labels are EMDB's and ResMap's
resolutions of real maps, here those of simulated experiments.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from ...maps.parts import significant_box
from ...networks.configs import SINGLE_MAP_PAPER
from ...networks.single_map_paper import build_single_map_paper
from ..single_map_input import draw_input
from .run import save_published, train_steps

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


def train_paper(experiments, validation, output, args):
    """Train for `args.steps` maps (or `args.minutes`; at most 500 times all) and write a bundle."""
    keras.utils.set_random_seed(args.seed)
    network, size = SINGLE_MAP_PAPER, SINGLE_MAP_PAPER["size"]
    model = build_single_map_paper(network)
    rate = args.learning_rate or RATE
    model.compile(optimizer=keras.optimizers.SGD(rate, momentum=MOMENTUM), loss=PaperLoss())
    rng = np.random.default_rng(args.seed)

    def batches():
        while True:
            x, y = sample(experiments[rng.integers(len(experiments))], rng, size)
            yield x[None], y[None]

    done = train_steps(batches(), model.train_on_batch, args, most=EPOCHS * len(experiments))
    errors, overlaps = [], []
    for i, experiment in enumerate(validation):
        x, y = sample(experiment, np.random.default_rng((args.seed, i)), size)
        told = np.asarray(model.predict_on_batch(x[None]))[0]
        off = (told[..., 0] + told[..., 1] - y[..., 0] - y[..., 1])[y[..., 3] > 0]
        errors.append(float(np.sqrt(np.mean(off**2))))
        both, true = told[..., 2] > 0.5, y[..., 2] > 0.5
        overlaps.append(float((both & true).sum() / max((both | true).sum(), 1)))
    figures = {
        "rmse": round(float(np.mean(errors)), 3),
        "iou": round(float(np.mean(overlaps)), 3),
    }
    save_published(
        output, model, "single-map-resolution", network, "cube", "Dai2023",
        {"data": f"{len(experiments)} simulated experiments", **done}, figures,
        parameters={"deviations": 3.0},
    )  # fmt: skip
    print(f"wrote {output}: RMSE {np.mean(errors):.2f} Å, mask IoU {np.mean(overlaps):.2f}")
