"""From a trained network to its bundle: what all methods write into spec.json and the model card.

A method adds how it calibrates and measures, and what its card says of that. How many standard
deviations make a 90 % interval is measured on validation boxes.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.networks.backbone import receptive_radius
from cryodl.networks.bundle import Bundle, save_bundle

LICENCE = "GPL-3.0-or-later"
BANDS = (
    "| true resolution (Å) | mean absolute error (Å) | bias (Å) | coverage |",
    "|---|---|---|---|",
)


def with_weights(model, logits, weights: Path):
    """`model`, with the weights of the same network as it was trained, which ends in logits.

    logits : keras.Model with the layers of `model`;  weights : path, as `fit` leaves it
    """
    logits.load_weights(weights)
    model.set_weights(logits.get_weights())
    return model


def write_bundle(
    path: str | Path, model: Any, config: Mapping[str, Any], card: Callable[[Mapping], str],
    /, *, method: str, network: Mapping[str, Any], normalisation: str, citation: str, data: str,
    seconds: float, steps: int, metrics: Mapping[str, Any], initial: str | None = None,
    parameters: Mapping[str, Any] | None = None, **entries: Any,
) -> Bundle:  # fmt: skip
    """Write the bundle of a trained network; what stands at the path is replaced.

    model : keras.Model, as it is used;  network : its config
    config : of the training, kept in the spec
    card : of the spec, the text of the model card
    method, citation : names in the spec, the latter of the paper
    normalisation, parameters : how a map becomes what the network reads
    data : what it was trained on;  seconds, steps : of the training
    initial : name of the bundle that it started from, or None
    metrics : what it was measured to reach
    entries : of the spec, of the method's own
    """
    local = network.get("local", network)  # a head may stand on another network
    tiles = {}
    if "quarter_blocks" in local:
        tiles = {"stride": local["stride"], "overlap": receptive_radius(local)}
    spec = {
        "name": Path(path).name,
        "method": method,
        "network": network,
        "voxel_size": config["voxel_size"],
        "normalisation": {"name": normalisation, "parameters": parameters or {}},
        **tiles,
        **entries,
        "training": {
            "data": data,
            "config": {k: v for k, v in config.items() if k != "network"},
            "seconds": round(seconds),
            "initial": initial,
            "steps": steps,
            "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, {platform.system()}",
        },
        "metrics": metrics,
        "licence": LICENCE,
        "citation": citation,
    }
    return save_bundle(path, model, spec, overwrite=True, light=True, card=card)


def write_published_bundle(
    path: Path, model: Any, method: str, network: Mapping[str, Any], normalisation: str,
    citation: str, training: Mapping[str, Any], metrics: Mapping[str, Any], *,
    parameters: Mapping[str, Any] | None = None, **more: Any,
) -> Bundle:  # fmt: skip
    """Write the bundle of a published network, which is there to be compared with.

    method : of ours that it is compared with
    normalisation, parameters : how its input is made
    more : entries of the spec besides the common ones
    """
    spec = {
        "name": path.name,
        "method": f"{method}-paper",
        "network": network,
        "voxel_size": 1.0,
        "normalisation": {"name": normalisation, "parameters": parameters or {}},
        "training": training,
        "metrics": metrics,
        "licence": LICENCE,
        "citation": citation,
    }
    return save_bundle(path, model, {**spec, **more}, overwrite=True)


def model_card(
    spec: Mapping[str, Any],
    about: str,
    measured: Sequence[str],
    *,
    data: str = "",
    started: str = "",
    notes: Sequence[str] = (),
) -> str:
    """Text of a model card: what the network is for, what made it, what it reaches, its limits.

    about : first sentences;  measured : lines of the last part
    data, started : added to what is said of the data and of the initial weights
    notes : lines added to what is said of the training
    """
    training = spec["training"]
    config = training["config"]
    samples = f"crops of {config['crop']}³ voxels" if "crop" in config else "samples"
    lines = [
        f"# {spec['name']}",
        "",
        f"{about} Weights: SHA-256 {spec['weights_sha256']}. Licence: {spec['licence']}.",
        "",
        "## Training",
        "",
        f"- Data: {training['data']}{data}.",
        *notes,
        f"- Steps: {training['steps']}, of {config['batch']} {samples}; "
        f"seed {config.get('seed', 0)}.",
        f"- Time: {training['seconds'] / 60:.0f} minutes; machine: {training['machine']}.",
        f"- Started from: {training.get('initial') or 'random weights'}{started}.",
        "",
        "## Measured",
        "",
        *measured,
        "",
    ]
    return "\n".join(lines)


def band_table(bands: Sequence[Mapping[str, float]]) -> list[str]:
    """Errors by band of the true resolution, as `accuracy` measures them."""
    rows = [
        f"| {b['from']:.1f}-{b['to']:.1f} | {b['mean_absolute_error']:.2f} | {b['bias']:+.2f} | "
        f"{b['coverage']:.1%} |"
        for b in bands
    ]
    return [*BANDS, *rows]


INTERVAL = 0.9
KNOTS = 5  # resolutions between which the factor is interpolated
BORDER = 4  # steps of the grid that are left out at each side of a box


def collect(model, x, y, limits):
    """Predictions and the truth, on voxels near atoms and away from the box's border.

    model : keras.Model in inference form
    x : ndarray (boxes, n, n, n, channels);  y : ndarray (boxes, n, n, n, 2), resolution and weight
    limits : (best, worst) Å, the range the network is for; truths beyond it are left out

    Returns (truth, mean, sd): ndarrays, Å.
    """
    cut = slice(BORDER, -BORDER)
    found = []
    for box, target in zip(x, y):
        prediction = np.asarray(model.predict_on_batch(box[None]))[0]
        prediction, target = prediction[cut, cut, cut], target[cut, cut, cut]
        near = (target[..., 1] >= 1) & (target[..., 0] >= limits[0]) & (target[..., 0] <= limits[1])
        found.append(np.stack([target[near][:, 0], *prediction[near].T]))
    return tuple(np.concatenate(found, axis=1))


def calibrate(truth, mean, sd):
    """Factors of the standard deviation that make 90 % intervals, by predicted resolution.

    Returns {"interval": 0.9, "resolution": [Å], "factor": [...]}
    """
    ratio = np.abs(mean - truth) / sd
    edges = np.quantile(mean, np.linspace(0, 1, KNOTS + 1))
    resolution, factor = [], []
    for low, high in zip(edges[:-1], edges[1:]):
        own = (mean >= low) & (mean <= high)
        resolution.append(round(float(np.median(mean[own])), 3))
        factor.append(round(float(np.quantile(ratio[own], INTERVAL)), 3))
    return {"interval": INTERVAL, "resolution": resolution, "factor": factor}


def accuracy(truth, mean, sd, calibration):
    """Figures for a model card: error, bias and coverage of the interval, over all and by band."""
    factor = np.interp(mean, calibration["resolution"], calibration["factor"])
    covered = np.abs(mean - truth) <= factor * sd
    figures: dict[str, Any] = {
        "voxels": int(truth.size),
        "mean_absolute_error": round(float(np.abs(mean - truth).mean()), 3),
        "median_absolute_error": round(float(np.median(np.abs(mean - truth))), 3),
        "bias": round(float((mean - truth).mean()), 3),
        "coverage": round(float(covered.mean()), 3),
        "bands": [],
    }
    edges = np.linspace(truth.min(), truth.max(), 6)
    for low, high in zip(edges[:-1], edges[1:]):
        own = (truth >= low) & (truth <= high)
        if own.sum() > 100:
            figures["bands"].append(
                {
                    "from": round(float(low), 2),
                    "to": round(float(high), 2),
                    "mean_absolute_error": round(float(np.abs(mean - truth)[own].mean()), 3),
                    "bias": round(float((mean - truth)[own].mean()), 3),
                    "coverage": round(float(covered[own].mean()), 3),
                }
            )
    return figures
