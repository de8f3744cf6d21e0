"""How many standard deviations make a 90 % interval, measured on validation boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

INTERVAL = 0.9
KNOTS = 5  # resolutions between which the factor is interpolated


def collect(model, x, y, limits, *, border=4):
    """Predictions and the truth, on voxels near atoms and away from the box's border.

    model : keras.Model in inference form
    x : ndarray (boxes, n, n, n, channels);  y : ndarray (boxes, n, n, n, 2), resolution and weight
    limits : (best, worst) Å, the range the network is for; truths beyond it are left out
    border : steps of the grid left out at each side

    Returns (truth, mean, sd): ndarrays, Å.
    """
    cut = slice(border, -border)
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
