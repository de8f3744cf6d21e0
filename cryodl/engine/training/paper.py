"""Train the network published as DeepRes, as published: single windows, squared error, Adam."""

from __future__ import annotations

import time

import numpy as np

from ..bundles import save_bundle
from ..networks.configs import PAPER
from ..networks.deepres_paper import build_deepres_paper
from .dataset import BoxStream

WINDOWS = 256  # of one box in a step


def unit_norm(windows):
    """Scale windows, shape (n, w, w, w), to unit norm (DeepRes, section 2.1)."""
    norm = np.sqrt((windows.astype(np.float32) ** 2).sum(axis=(1, 2, 3), keepdims=True))
    return windows / np.maximum(norm, 1e-12)


def windows_of(density, truth, count, rng, width=PAPER["window"]):
    """Cut windows about random voxels of the molecule.

    density : ndarray (n, n, n);  truth : ndarray (n/2, n/2, n/2, 2), resolution and weight
    Returns x, ndarray (count, w, w, w, 1), and y, ndarray (count,), Å.
    """
    half = width // 2
    near = np.argwhere(truth[..., 1] >= 1)
    inside = np.all((2 * near >= half) & (2 * near < density.shape[0] - half), axis=1)
    near = near[inside]
    near = near[rng.integers(len(near), size=count)] if len(near) else np.zeros((0, 3), int)
    y = truth[tuple(near.T)][:, 0]
    x = [density[tuple(slice(2 * c - half, 2 * c + half + 1) for c in centre)] for centre in near]
    x = unit_norm(np.reshape(x, (-1, width, width, width)))[..., None]
    return x.astype(np.float32), y.astype(np.float32)


def train_paper(config, structures, validation, output, args):
    """Train for `args.steps` steps (or `args.minutes`) and write the bundle."""
    import keras

    keras.utils.set_random_seed(args.seed)
    model = build_deepres_paper(PAPER)
    model.compile(optimizer=keras.optimizers.Adam(1e-4), loss="mean_squared_error")
    clean = {**config, "clean": 1.0}
    rng = np.random.default_rng(args.seed)
    began = time.monotonic()
    stream = BoxStream(structures, clean, args.seed, workers=args.workers)
    step = 0
    for density, _, truth in stream.boxes():
        x, y = windows_of(density, truth, WINDOWS, rng)
        if len(y):
            loss = model.train_on_batch(x, y)
            step += 1
        if step and step % args.epoch == 0:
            print(f"step {step}: loss {float(loss):.3f} Å²", flush=True)
        late = args.minutes and time.monotonic() - began > 60 * args.minutes
        if step >= args.steps or late:
            break
    stream.close()
    boxes = BoxStream(validation, clean, args.seed + 999, workers=0).boxes()
    parts = []
    for _, (density, _, truth) in zip(range(config["validation"]), boxes):
        parts.append(windows_of(density, truth, 64, rng))
    x, y = (np.concatenate(part) for part in zip(*parts))
    error = np.abs(np.ravel(model.predict(x, verbose=0)) - y)
    spec = {
        "name": output.name,
        "method": "local-resolution-paper",
        "range": config["range"],
        "network": PAPER,
        "voxel_size": config["voxel_size"],
        "normalisation": {"name": "unit_norm_window", "parameters": {}},
        "resolution_limits": config["limits"],
        "training": {
            "data": f"{len(structures)} structures",
            "seed": args.seed,
            "steps": step,
            "seconds": round(time.monotonic() - began),
        },
        "metrics": {"mean_absolute_error": round(float(error.mean()), 3), "voxels": len(y)},
        "licence": "GPL-3.0-or-later",
        "citation": "RamirezAportela2019",
    }
    save_bundle(output, model, spec)
    print(f"wrote {output}: mean absolute error {error.mean():.2f} Å on validation windows")
