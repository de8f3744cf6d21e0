"""The network published as DeepRes (Ramírez-Aportela et al. 2019, section 2.2), for comparison.

A window of 13³ voxels around one voxel, scaled to unit norm, passes 32 filters of 13³ with 'same'
padding, a dense layer of 512 and one output neuron: 36 million weights, one voxel an answer.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from cryodl.features.local_spectrum import CHANNELS
from cryodl.methods.deepres.samples import BoxStream
from cryodl.networks.configs import PAPER
from cryodl.training.export import write_published_bundle


def build_deepres_paper(config):
    """Build the published network.

    config : dict with window (13), filters (32), dense (512), dropout (0.25)

    Input: (batch, 13, 13, 13, 1), windows of unit norm. Output: (batch, 1), resolution in Å.
    Loss in the paper: mean squared error, Adam.
    """
    window = config["window"]
    x = density = keras.Input((window, window, window, 1), name="window")
    x = layers.Conv3D(config["filters"], window, padding="same", activation="relu", name="filters")(
        x
    )
    x = layers.Dropout(config["dropout"], name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(config["dense"], activation="relu", name="dense")(x)
    return keras.Model(density, layers.Dense(1, name="resolution")(x), name="deepres_paper")


WINDOWS = 256  # of one box in a step
BOX = 64  # voxels simulated


def unit_norm(windows):
    """Scale windows, shape (n, w, w, w), to unit norm (DeepRes, section 2.1)."""
    norm = np.sqrt((windows.astype(np.float32) ** 2).sum(axis=(1, 2, 3), keepdims=True))
    return windows / np.maximum(norm, 1e-12)


def windows_of(density, truth, count, rng):
    """Cut windows about random voxels of the molecule.

    density : ndarray (n, n, n);  truth : ndarray (n/2, n/2, n/2, 2), resolution and weight
    Returns x, ndarray (count, w, w, w, 1), and y, ndarray (count,), Å.
    """
    width = PAPER["window"]
    half = width // 2
    near = np.argwhere(truth[..., 1] >= 1)
    inside = np.all((2 * near >= half) & (2 * near < density.shape[0] - half), axis=1)
    near = near[inside]
    near = near[rng.integers(len(near), size=count)] if len(near) else np.zeros((0, 3), int)
    y = truth[tuple(near.T)][:, 0]
    x = [density[tuple(slice(2 * c - half, 2 * c + half + 1) for c in centre)] for centre in near]
    x = unit_norm(np.reshape(x, (-1, width, width, width)))[..., None]
    return x.astype(np.float32), y.astype(np.float32)


def train_paper(run, config, structures, validation):
    """Train DeepRes as published and write its bundle; run : Run."""
    import keras

    keras.utils.set_random_seed(run.seed)
    model = build_deepres_paper(PAPER)
    model.compile(optimizer=keras.optimizers.Adam(1e-4), loss="mean_squared_error")
    clean = {**config, "box": BOX, "clean": 1.0, "plain": 0.0}
    clean["network"] = {**config["network"], "channels": CHANNELS}  # it reads the density alone
    rng = np.random.default_rng(run.seed)
    with BoxStream(structures, clean, run.seed, workers=run.workers) as stream:
        windows = (
            windows_of(density, truth, WINDOWS, rng) for density, _, truth in stream.chunks()
        )
        done = run.train_steps((w for w in windows if len(w[1])), model.train_on_batch)
    boxes = BoxStream(validation, clean, run.seed + 999, workers=0).chunks()
    parts = []
    for _, (density, _, truth) in zip(range(config["validation"]), boxes):
        parts.append(windows_of(density, truth, 64, rng))
    x, y = (np.concatenate(part) for part in zip(*parts))
    error = np.abs(np.ravel(model.predict(x, verbose=0)) - y)
    bundle = write_published_bundle(
        run.output, model, "local-resolution", PAPER, "unit_norm_window", "RamirezAportela2019",
        {"data": f"{len(structures)} structures", **done},
        {"mean_absolute_error": round(float(error.mean()), 3), "voxels": len(y)},
        range=config["range"], voxel_size=config["voxel_size"], resolution_limits=config["limits"],
    )  # fmt: skip
    run.say(f"wrote {run.output}: mean absolute error {error.mean():.2f} Å on validation windows")
    return bundle
