"""Train the classifiers published by Avramov et al. (2019), as published: boxes of 64³ voxels of
1 Å, scaled from 0 to 1, at 2.5, 7.5 and 12.5 Å; gradient descent at 0.01 (sections 4.1 to 4.4)."""

from __future__ import annotations

from functools import partial

import numpy as np

from cryodl.networks import build
from cryodl.networks.configs import PAPER_CNN, PAPER_DNN
from cryodl.simulation.model_map import uniform_maps
from cryodl.training.export import write_published_bundle
from cryodl.training.stream import SampleStream

RESOLUTIONS = 2.5, 7.5, 12.5  # Å
NETWORKS = {"paper_cnn": (PAPER_CNN, 75), "paper_dnn": (PAPER_DNN, 150)}  # and the batch
RATE = 0.01


def min_max(data: np.ndarray) -> np.ndarray:
    """Scale densities linearly to 0 ... 1."""
    low, high = float(data.min()), float(data.max())
    return (data - np.float32(low)) * np.float32(1 / max(high - low, 1e-30))


def make_samples(box, structure, rng):
    """A structure's maps at the three resolutions: x (box, box, box, 1), y class from 0."""
    maps = uniform_maps(structure, RESOLUTIONS, box, rng)
    return [(min_max(data)[..., None].astype(np.float16), i) for i, data in enumerate(maps)]


def train_paper(run, structures, held_out):
    """Train a classifier as published and write its bundle; run : Run, of one of NETWORKS."""
    import keras

    config, batch = NETWORKS[run.network]
    batch = run.batch_size or batch
    keras.utils.set_random_seed(run.seed)
    model = build(config)
    model.compile(
        optimizer=keras.optimizers.SGD(run.learning_rate or RATE),
        loss="sparse_categorical_crossentropy",
    )
    make = partial(make_samples, config["box"])
    with SampleStream(make, structures, run.seed, workers=run.workers) as stream:
        done = run.train_steps(stream.batches(batch, buffer=4 * batch), model.train_on_batch)
    rng = np.random.default_rng(run.seed + 999)
    right = []
    for structure in held_out[:60]:
        for x, y in make(structure, rng):
            found = np.asarray(model.predict_on_batch(x[None].astype(np.float32)))
            right.append(int(found.argmax()) == y)
    accuracy = round(float(np.mean(right)), 4)
    bundle = write_published_bundle(
        run.output, model, "resolution-class", config, "min_max", "Avramov2019",
        {"data": f"{len(structures)} structures at 2.5, 7.5 and 12.5 Å", **done},
        {"accuracy": accuracy, "maps": len(right)},
    )  # fmt: skip
    run.say(f"wrote {run.output}: {accuracy:.1%} of {len(right)} validation maps in their class")
    return bundle
