"""The model card of a post-processing bundle: its spec, for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.features import sub_bands as whitened
from cryodl.methods.enhance.training_network import inner, training_network
from cryodl.networks import build
from cryodl.networks.backbone import receptive_radius
from cryodl.networks.bundle import save_bundle
from cryodl.networks.enhance import VOXELS, blend_heads

_WHAT = {
    "tight": "masks close to the molecule",
    "wide": "leaves a wide margin around the molecule",
    "highres": "masks close to the molecule; for maps of about 4 Å and better",
}


def model_card(spec: Mapping[str, Any]) -> str:
    """Text of the card: what the network is for, what made it, what it reaches, its limits."""
    training, metrics = spec["training"], spec["metrics"]
    config = training["config"]
    best, worst = spec["resolution_limits"]
    low, quarter, upper = metrics["correlation_5_25_75"]
    return "\n".join(
        [
            f"# {spec['name']}",
            "",
            f"Post-processing of maps between {best:g} and {worst:g} Å on a grid of "
            f"{spec['voxel_size']:g} Å, in the manner of DeepEMhancer (Sanchez-Garcia et al. "
            f"2021): it scales amplitudes from place to place and "
            f"{_WHAT.get(spec['model'], 'masks')}. Weights: SHA-256 {spec['weights_sha256']}. "
            f"Licence: {spec['licence']}.",
            "",
            "## Training",
            "",
            f"- Data: {training['data']}; the mean of the half maps, one half map, or the map as "
            "deposited, some with a B-factor, noise, spoilt patches or a mask.",
            "- Targets: the mean map, scaled window by window to the radial amplitudes of the "
            "model (LocScale's operation), and the model's density, in a mask of kind "
            f"{config['mask']}; the bundle gives {1 - config['blend']:.0%} of the first answer and "
            f"{config['blend']:.0%} of the second.",
            f"- Steps: {training['steps']}, of {config['batch']} crops of {config['crop']}³ voxels;"
            f" seed {config['seed']}.",
            f"- Time: {training['seconds'] / 60:.0f} minutes; machine: {training['machine']}.",
            f"- Started from: {training.get('initial') or 'random weights'}.",
            "",
            "## Measured",
            "",
            f"On {metrics['experiments']} simulated experiments on structures that were not "
            "trained on (they chose when it was best), cubes about their middles:",
            "",
            f"- correlation with the scaled map: median {metrics['correlation']:.3f} (5 %, 25 % "
            f"and 75 % of them: {low:.3f}, {quarter:.3f}, {upper:.3f});",
            f"- mean absolute error {metrics['mean_absolute_error']:.3f} of its root mean square "
            "in the molecule.",
            "",
            "Whole maps, FSC against the models and real maps are in benchmarks/. A post-processed "
            "map is for looking at and for building; measure resolutions and refine against the "
            "maps it was made of. Not for tomograms, nor for maps whose voxel size is wrong; "
            "ligands and lipids may be weakened (use a protect mask).",
            "",
        ]
    )


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
