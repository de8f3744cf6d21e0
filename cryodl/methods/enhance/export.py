"""The bundle of post-processing: a trained network, its heads blended into one, measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from cryodl.features.sub_bands import MOVES, NOISE_FLOOR
from cryodl.methods.enhance.training_network import inner, training_network
from cryodl.networks import build
from cryodl.networks.enhance import VOXELS, blend_heads
from cryodl.training.export import model_card, write_bundle

_MASKS = {
    "tight": "masks close to the molecule",
    "wide": "leaves a wide margin around the molecule",
    "highres": "masks close to the molecule; for maps of about 4 Å and better",
}


def make_bundle(weights, config, samples, path, **origin):
    """Measure a trained network on validation samples and write its bundle.

    weights : path of best.weights.h5 as `fit` leaves it
    config : dict, see `training_network.TRAINING`
    samples : list of (features, target), of experiments that were not trained on
    path : folder to write
    origin : data, seconds, steps and initial, as of `write_bundle`
    """
    network = config["network"]
    model, trained = build(network), training_network(config)
    trained.load_weights(weights)
    blend_heads(trained, model, config["blend"])
    return write_bundle(
        path, model, config, card, method="postprocess", network=network,
        normalisation="whitened", parameters={"moves": MOVES, "noise_floor": NOISE_FLOOR},
        citation="SanchezGarcia2021", metrics=measure(model, samples, config["border"]),
        model=config["model"], resolution_limits=config["limits"], **origin,
    )  # fmt: skip


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


def card(spec) -> str:
    """Text of the model card."""
    config, metrics = spec["training"]["config"], spec["metrics"]
    best, worst = spec["resolution_limits"]
    low, quarter, upper = metrics["correlation_5_25_75"]
    measured = [
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
    ]
    targets = (
        "- Targets: the mean map, scaled window by window to the radial amplitudes of the model "
        f"(LocScale's operation), and the model's density, in a mask of kind {config['mask']}; the "
        f"bundle gives {1 - config['blend']:.0%} of the first prediction and "
        f"{config['blend']:.0%} of the second."
    )
    return model_card(
        spec,
        f"Post-processing of maps between {best:g} and {worst:g} Å on a grid of "
        f"{spec['voxel_size']:g} Å, in the manner of DeepEMhancer (Sanchez-Garcia et al. 2021): it "
        f"scales amplitudes from place to place and {_MASKS.get(spec['model'], 'masks')}.",
        measured,
        data="; the mean of the half maps, one half map, or the map as deposited, some with a "
        "B-factor, noise, corrupted patches or a mask",
        notes=[targets],
    )
