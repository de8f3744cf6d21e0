"""The bundle of single-map resolution: a trained network, calibrated and measured."""

from __future__ import annotations

import numpy as np

from cryodl.checks.input import trained_on
from cryodl.features.context import stack
from cryodl.methods.cryores.predict import MASK, local_resolution, molecule, read_prediction
from cryodl.methods.cryores.samples import whole_sample
from cryodl.networks.architectures import is_backbone
from cryodl.networks.cryores import build_single_map
from cryodl.training.export import (
    accuracy,
    band_table,
    calibrate,
    model_card,
    with_weights,
    write_bundle,
)

SEED = 4001
WAYS = ("alone", "relative", "both")
PREFERRED = 0.95  # share of the error of "alone", whose interval is its own, that others must reach
THRESHOLDS = 0.2, 0.3, 0.4, 0.5  # of the mask's probability


def make_bundle(weights, config, experiments, path, **origin):
    """Calibrate a trained network on validation experiments and write its bundle.

    weights : path of best.weights.h5 as `fit` leaves it
    config : dict, see `TRAINING`
    experiments : list of StoredExperiment, none of them trained on: one half calibrates and
        chooses how local resolution is reported and where the mask begins, the other measures
    path : folder to write
    origin : data, seconds, steps and initial, as of `write_bundle`
    """
    network = config["network"]
    logits = build_single_map(network, with_logits=True)
    model = with_weights(build_single_map(network), logits, weights)
    predictions = [predict_experiment(model, e, config, (SEED, i))
                   for i, e in enumerate(experiments)]  # fmt: skip
    first, second = predictions[::2], predictions[1::2] or predictions
    errors = {way: mean_error(first, way) for way in WAYS}
    way = min(WAYS, key=lambda name: errors[name])
    way = way if errors[way] < PREFERRED * errors["alone"] else "alone"
    threshold = max(THRESHOLDS, key=lambda t: np.mean([p.ious[t] for p in first]))
    calibration = calibrate(*collected(first, way, config["limits"]))
    truth, mean, sd = collected(second, way, config["limits"])
    metrics = {
        **accuracy(truth, mean, sd, calibration),
        "experiments": len(second),
        "rmse": round(float(np.sqrt(np.mean((truth - mean) ** 2))), 3),
        "global_error": round(float(np.median([p.global_error for p in second])), 3),
        "iou": round(float(np.mean([p.ious[threshold] for p in second])), 3),
        "by_way": {name: round(value, 3) for name, value in errors.items()},
    }
    kinds, voxels = config.get("kinds", ["masked"]), config.get("voxel_sizes")
    return write_bundle(
        path, model, config, card, method="single-map-resolution", network=network,
        normalisation="backbone_features" if is_backbone(network) else "whole_features",
        citation="Dai2023", metrics=metrics, resolution_limits=config["limits"], local=way,
        mask_threshold=threshold, calibration=calibration,
        trained=trained_on(config["voxel_size"], kinds, voxels), **origin,
    )  # fmt: skip


class Prediction:
    """What the network says of one input, at the steps of the half grid in the molecule.

    reported : ndarray (n, CHANNELS);  truth : ndarray (n,), Å
    whole, true_whole : global resolution, predicted and true, Å
    ious : of the mask, by the threshold of its probability
    """

    def __init__(self, predicted, target, limits):
        near = target[..., 1] > 0
        self.reported, self.truth = predicted[near], target[near][:, 0]
        self.limits = limits
        prediction = read_prediction(predicted, {"local": "alone", "resolution_limits": limits})
        self.whole, self.true_whole = prediction.whole, float(target[0, 0, 0, 3])
        true = target[..., 2] > 0.5
        self.ious = {}
        for threshold in THRESHOLDS:
            inside = molecule(predicted[..., MASK], threshold)
            self.ious[threshold] = float((inside & true).sum() / max((inside | true).sum(), 1))

    def local(self, way):
        """Local resolution and its deviation, Å, two ndarrays (n,)."""
        mean, sd = local_resolution(self.reported, self.whole, way)
        return np.clip(mean, *self.limits), sd

    @property
    def global_error(self):
        return abs(self.whole - self.true_whole)


def predict_experiment(model, experiment, config, seed) -> Prediction:
    """Draw an input of an experiment and ask the network about all of it."""
    rng = np.random.default_rng(seed)
    flattened, bands, extra, target = whole_sample(experiment, rng, config)
    data = stack(flattened, bands, extra)
    held, stride = target.shape[:3], config["network"]["stride"]
    data = np.pad(data, [*((0, -n % stride) for n in held), (0, 0)])
    predicted = np.asarray(model.predict_on_batch(data[None]))[0][tuple(slice(n) for n in held)]
    return Prediction(predicted, target, config["limits"])


def mean_error(predictions, way) -> float:
    """Mean over experiments of the mean absolute error (Å) of local resolution."""
    return float(np.mean([np.abs(p.local(way)[0] - p.truth).mean() for p in predictions]))


def collected(predictions, way, limits):
    """(truth, mean, sd) of all steps with a truth between the limits; ndarrays, Å."""
    found = []
    for p in predictions:
        mean, sd = p.local(way)
        held = (p.truth >= limits[0]) & (p.truth <= limits[1])
        found.append(np.stack([p.truth[held], mean[held], sd[held]]))
    return tuple(np.concatenate(found, axis=1))


def card(spec) -> str:
    """Text of the model card."""
    metrics = spec["metrics"]
    best, worst = spec["resolution_limits"]
    ways = ", ".join(f"{name} {value:.2f} Å" for name, value in metrics["by_way"].items())
    measured = [
        "On simulated experiments on structures that were not trained on; one half of them set the "
        f"interval, the other {metrics['experiments']} are measured here:",
        "",
        f"- local resolution: RMSE {metrics['rmse']:.2f} Å, mean absolute error "
        f"{metrics['mean_absolute_error']:.2f} Å, bias {metrics['bias']:+.2f} Å, over "
        f"{metrics['voxels']:,} points; the 90 % interval covers {metrics['coverage']:.1%};",
        f"- global resolution: median error {metrics['global_error']:.2f} Å;",
        f"- mask: intersection over union {metrics['iou']:.2f} in the mean;",
        f"- local resolution is reported by the way {spec['local']!r}; mean absolute errors on the "
        f"first half: {ways}.",
        "",
        *band_table(metrics["bands"]),
        "",
        "Sharpened and unsharpened copies, the comparison with half-map methods and real maps are "
        "in benchmarks/accuracy. Not for tomograms, nor for maps whose voxel size is wrong.",
    ]
    return model_card(
        spec,
        f"Molecular mask, global and local resolution between {best:g} and {worst:g} Å of a single "
        f"map, on a grid of {spec['voxel_size']:g} Å (signal-to-noise resolution; in the manner of "
        "CryoRes, Dai et al. 2023; see docs/methods.rst).",
        measured,
    )
