"""From trained weights to a bundle: measure, and write down where it comes from."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from ...bundles import save_bundle
from ...maps import whitened
from ...networks import build
from ...networks.postprocess_unet import VOXELS, blend_heads
from ...networks.trunk import receptive_radius
from .card import model_card
from .network import inner, training_network


def make_bundle(
    weights, config, samples, path, *, data: str, seconds: float, steps: int, initial=None
):
    """Measure a trained network on validation samples and write its bundle.

    weights : path of best.weights.h5 as `fit` leaves it
    config : dict, see `config.TRAINING`
    samples : list of (features, target), of experiments that were not trained on
    path : folder to write
    data : str, what it was trained on;  seconds, steps : of the training
    initial : str or None, what weights it started from
    """
    network = config["network"]
    model = build(network)
    trained = training_network(config)
    trained.load_weights(weights)
    blend_heads(trained, model, config["blend"])
    spec = {
        "name": Path(path).name,
        "method": "postprocess",
        "model": config["model"],
        "network": network,
        "voxel_size": config["voxel_size"],
        "normalisation": {
            "name": "whitened",
            "parameters": {"moves": whitened.MOVES, "noise_floor": whitened.NOISE_FLOOR},
        },
        "stride": network["stride"],
        "overlap": receptive_radius(network),
        "resolution_limits": config["limits"],
        "training": {
            "data": data,
            "config": {k: v for k, v in config.items() if k != "network"},
            "seconds": round(seconds),
            "initial": initial,
            "steps": steps,
            "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, {platform.system()}",
        },
        "metrics": measure(model, samples, config["border"]),
        "licence": "GPL-3.0-or-later",
        "citation": "SanchezGarcia2021",
    }
    return save_bundle(path, model, spec, overwrite=True, light=True, card=model_card)


def measure(model, samples, border: int) -> dict[str, Any]:
    """Correlation with the target, of each sample apart, and mean absolute error."""
    correlations, errors = [], []
    for x, y in samples:
        x = np.asarray(x, np.float32)[None]
        found = inner(np.asarray(model.predict_on_batch(x)), border)
        wanted = inner(np.asarray(y[..., :VOXELS], np.float32)[None], border)
        correlations.append(float(np.corrcoef(found.ravel(), wanted.ravel())[0, 1]))
        errors.append(float(np.abs(found - wanted).mean()))
    quarter = np.percentile(correlations, (5, 25, 75))
    return {
        "experiments": len(correlations),
        "correlation": round(float(np.median(correlations)), 4),
        "correlation_5_25_75": [round(float(v), 4) for v in quarter],
        "mean_absolute_error": round(float(np.mean(errors)), 4),
    }
