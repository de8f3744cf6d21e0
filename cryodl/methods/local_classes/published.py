"""Train the U-Net published by Avramov et al. (2019, section 4.5), as published: cubes of 16³
voxels of maps scaled from 0 to 1, ten classes, Adam.

One thing is not as published: voxels whose resolution is not known do not count, where the
published code puts them into the class below 2 Å. And maps, not cubes, are held out.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from cryodl.methods.local_classes.samples import TRAINING, load_item
from cryodl.methods.resolution_class.published import min_max
from cryodl.networks import build
from cryodl.networks.configs import LOCAL_CLASSES, PAPER_UNET
from cryodl.training.export import write_published_bundle
from cryodl.training.stream import SampleStream

BATCH = 32
EDGES = np.array(LOCAL_CLASSES["edges"], float)
CUBES = 24  # of one map at a time


def make_cubes(config, item, rng, count=CUBES):
    """Cubes of a map: x (c, c, c, 1), y (c, c, c, 2): class from 0, and whether it is known."""
    cube = int(PAPER_UNET["cube"])  # type: ignore[call-overload]
    data, resolution = load_item(item, config, rng)
    known = np.argwhere(resolution > 0)
    samples = []
    for _ in range(count if len(known) else 0):
        start = known[rng.integers(len(known))] - cube // 2
        start = np.clip(start, 0, np.array(data.shape) - cube)
        part = tuple(slice(s, s + cube) for s in start)
        label = np.digitize(resolution[part], EDGES)
        y = np.stack([label, resolution[part] > 0], axis=-1)
        samples.append((min_max(data)[part][..., None], y.astype(np.float16)))
    return samples


def train_paper(run, items, held_out):
    """Train the U-Net as published and write its bundle; run : Run."""
    import keras

    keras.utils.set_random_seed(run.seed)
    model = build(PAPER_UNET)
    model.compile(
        optimizer=keras.optimizers.Adam(run.learning_rate or 1e-3),
        loss="sparse_categorical_crossentropy",
    )
    make = partial(make_cubes, TRAINING)

    def train(x, y):
        return model.train_on_batch(x, y[..., 0], sample_weight=y[..., 1])

    with SampleStream(make, items, run.seed, workers=run.workers) as stream:
        done = run.train_steps(stream.batches(run.batch_size or BATCH), train)
    rng, right, near, known = np.random.default_rng(run.seed + 999), 0.0, 0.0, 0.0
    for item in held_out:
        for x, y in make_cubes(TRAINING, item, rng):
            found = np.asarray(model.predict_on_batch(x[None]))[0].argmax(-1)
            off = np.abs(found - y[..., 0])[y[..., 1] > 0]
            right, near, known = right + (off == 0).sum(), near + (off <= 1).sum(), known + off.size
    figures = {
        "exact": round(float(right / max(known, 1)), 4),
        "within_one": round(float(near / max(known, 1)), 4),
        "voxels": int(known),
    }
    bundle = write_published_bundle(
        run.output, model, "local-classes", PAPER_UNET, "min_max", "Avramov2019",
        {"data": f"{len(items)} maps", **done}, figures, voxel_size=TRAINING["voxel_size"],
    )  # fmt: skip
    run.say(
        f"wrote {run.output}: {right / max(known, 1):.1%} of validation voxels in the label's class"
    )
    return bundle
