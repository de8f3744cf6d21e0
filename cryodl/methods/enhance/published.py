"""The network published as DeepEMhancer (Sanchez-Garcia et al. 2021, Neural network architecture).

A 3D U-Net of three levels, each of three convolutions of 32, 64 and 128 filters with group
normalisation and PReLU, strided convolutions down, transposed ones up, on cubes of 64³ voxels at
1 Å. Group normalisation averages over the cube, so its answer depends on how a map is cut.
"""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
from keras import layers

from cryodl.filters.amplitude_scaling import mask_weights
from cryodl.methods.enhance.prepare import NOISE_SD
from cryodl.methods.enhance.samples import DISTANCE, NOISE_FROM, SCALED, add_targets, augment
from cryodl.networks import build
from cryodl.networks.configs import POSTPROCESS_PAPER
from cryodl.training.export import write_published_bundle
from cryodl.training.stream import SampleStream


def build_postprocess_paper(config):
    """Build the published network.

    config : dict with filters (32, 64, 128), convolutions (3), groups (8)

    Input: (batch, z, y, x, 1), noise of mean 0 and standard deviation 0.1; sizes are multiples of
    8. Output: the same shape. In the paper: mean absolute error, batches of 8 cubes of 64³.
    """
    x = density = keras.Input((None, None, None, 1), name="density")
    skips = []
    for level, filters in enumerate(config["filters"]):
        x = _block(x, filters, config, f"down_{level + 1}")
        skips.append(x)
        x = layers.Conv3D(filters, 3, strides=2, padding="same", name=f"stride_{level + 1}")(x)
    for level, filters in reversed(list(enumerate(config["filters"]))):
        x = layers.Conv3DTranspose(
            filters, 3, strides=2, padding="same", name=f"transpose_{level + 1}"
        )(x)
        x = layers.Concatenate(name=f"skip_{level + 1}")([x, skips[level]])
        x = _block(x, filters, config, f"up_{level + 1}")
    return keras.Model(density, layers.Conv3D(1, 1, name="enhanced")(x), name="postprocess_paper")


def _block(x, filters, config, name):
    for number in range(1, config["convolutions"] + 1):
        x = layers.Conv3D(filters, 3, padding="same", name=f"{name}_{number}")(x)
        x = layers.GroupNormalization(config["groups"], name=f"{name}_{number}_norm")(x)
        x = layers.PReLU(shared_axes=[1, 2, 3], name=f"{name}_{number}_prelu")(x)
    return x


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
        x = augment(density[part], distance[part], config, rng)
        y = scaled[part] * mask_weights(distance[part], config["mask"])
        order = tuple(int(a) for a in rng.permutation(3))
        turned = (np.pad(values, missing).transpose(order) for values in (x, y))
        samples.append(tuple(values[..., None].astype(np.float16) for values in turned))
    return samples


def train_paper(run, config, experiments, held_out, data):
    """Train DeepEMhancer as published and write its bundle.

    run : Run;  data : words for the bundle's spec
    config : of the default network's training, for the mask and how samples are augmented
    """
    import keras

    keras.utils.set_random_seed(run.seed)
    model = build(POSTPROCESS_PAPER)
    optimizer = keras.optimizers.SGD(run.learning_rate or RATE)
    model.compile(optimizer=optimizer, loss="mean_absolute_error")
    make = partial(make_cubes, config)
    with SampleStream(make, experiments, run.seed, workers=run.workers) as stream:
        batches = stream.batches(run.batch_size or BATCH, buffer=64)
        done = run.train_steps(batches, model.train_on_batch)
    rng = np.random.default_rng(run.seed + 999)
    plain = {**config, **QUIET}
    held = [make_cubes(plain, experiment, rng, count=1)[0] for experiment in held_out]
    correlation = round(float(np.median([_correlation(model, x, y) for x, y in held])), 4)
    bundle = write_published_bundle(
        run.output, model, "postprocess", POSTPROCESS_PAPER, "noise", "SanchezGarcia2021",
        {"data": data, **done}, {"correlation": correlation, "experiments": len(held_out)},
    )  # fmt: skip
    run.say(f"wrote {run.output}: correlation {correlation:.3f} with the target in the median")
    return bundle


def _correlation(model, x, y) -> float:
    """Of a cube's prediction with its target; 0 where either is even."""
    found = np.asarray(model.predict_on_batch(x[None].astype(np.float32))).ravel()
    wanted = y.astype(np.float32).ravel()
    return float(np.corrcoef(found, wanted)[0, 1]) if found.std() * wanted.std() > 0 else 0.0
