"""Train the network published as DeepEMhancer as published (Sanchez-Garcia et al. 2021, Methods):
cubes of 64³ voxels of 1 Å, some of noise alone, noise of mean 0 and standard deviation 0.1,
absolute error against the map scaled by its model and masked, gradient descent at 0.001 in batches
of eight, cubes turned, blurred and spoilt.

Not as published: the rate stays, where the paper halves it once nothing is gained any more; and the
maps are simulated experiments, where the paper's are real.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ...methods.postprocess.prepare import NOISE_SD
from ...networks import build
from ...networks.configs import POSTPROCESS_PAPER
from ...reference.amplitude_scaling import mask_weights
from ..postprocess.samples import NOISE_FROM, spoil
from ..postprocess.targets import DISTANCE, SCALED, add_targets
from ..stream import SampleStream
from .run import save_published, train_steps

CUBE, BATCH, RATE = 64, 8, 1e-3
CUBES = 8  # of one experiment at a time
QUIET = {"at_molecule": 1.0, "corrupted": 0, "noisier": 0, "masked": 0, "filtered": 0}


def make_cubes(config, experiment, rng, count=CUBES):
    """Cubes of an experiment's mean map: x and y (64, 64, 64, 1), float16."""
    add_targets([experiment])
    distance, scaled = experiment.load(DISTANCE), experiment.load(SCALED)
    density = (experiment.load("half1") + experiment.load("half2")) / 2
    noise = distance >= NOISE_FROM
    if noise.any():
        level = max(float(density[noise].std()), 1e-30)
        density = (density - density[noise].mean()) * np.float32(NOISE_SD / level)
    near, samples = np.argwhere(distance <= 0), []
    for _ in range(count):
        at_molecule = rng.random() < config["at_molecule"]
        middle = near[rng.integers(len(near))] if at_molecule else rng.integers(0, distance.shape)
        start = middle - rng.integers(0, CUBE, 3)
        first = np.clip(start, 0, np.maximum(np.array(distance.shape) - CUBE, 0))
        part = tuple(slice(f, f + CUBE) for f in first)
        missing = [(0, CUBE - n) for n in distance[part].shape]  # of a map smaller than a cube
        x = spoil(density[part], distance[part], config, rng)
        y = scaled[part] * mask_weights(distance[part], config["mask"])
        order = tuple(int(a) for a in rng.permutation(3))
        turned = (np.pad(values, missing).transpose(order) for values in (x, y))
        samples.append(tuple(values[..., None].astype(np.float16) for values in turned))
    return samples


def train_published_postprocess(config, experiments, held_out, data, output, args):
    """Train for `args.steps` steps (or `args.minutes`) and write the bundle.

    config : of the default network's training, for the mask and how samples are spoilt
    """
    import keras

    keras.utils.set_random_seed(args.seed)
    model = build(POSTPROCESS_PAPER)
    optimizer = keras.optimizers.SGD(args.learning_rate or RATE)
    model.compile(optimizer=optimizer, loss="mean_absolute_error")
    make = partial(make_cubes, config)
    stream = SampleStream(make, experiments, args.seed, workers=args.workers)
    try:
        batches = stream.batches(args.batch_size or BATCH, buffer=64)
        done = train_steps(batches, model.train_on_batch, args)
    finally:
        stream.close()
    rng = np.random.default_rng(args.seed + 999)
    unspoilt = {**config, **QUIET}
    held = [make_cubes(unspoilt, experiment, rng, count=1)[0] for experiment in held_out]
    correlation = round(float(np.median([_correlation(model, x, y) for x, y in held])), 4)
    save_published(
        output, model, "postprocess", POSTPROCESS_PAPER, "noise", "SanchezGarcia2021",
        {"data": data, **done}, {"correlation": correlation, "experiments": len(held_out)},
    )  # fmt: skip
    print(f"wrote {output}: correlation {correlation:.3f} with the target in the median")


def _correlation(model, x, y) -> float:
    """Of a cube's answer with its target; 0 where either is even."""
    found = np.asarray(model.predict_on_batch(x[None].astype(np.float32))).ravel()
    wanted = y.astype(np.float32).ravel()
    return float(np.corrcoef(found, wanted)[0, 1]) if found.std() * wanted.std() > 0 else 0.0
