"""From trained weights to the bundle of a whole-map classifier: calibrated and measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np

from cryodl.compute.device import one_answer
from cryodl.maps.mask import automatic_mask
from cryodl.maps.normalise import FLOOR, WINDOW
from cryodl.maps.volume import Volume
from cryodl.methods.resolution_class.prepare import (
    cut_to_molecule,
    descriptor,
    features_and_weight,
)
from cryodl.methods.resolution_class.samples import (
    NETWORKS,
    clean_maps,
    experiment_maps,
    fold,
    trained_part,
    trunk_of,
)
from cryodl.networks import build
from cryodl.networks.backbone import receptive_radius
from cryodl.networks.bundle import load_bundle, save_bundle
from cryodl.networks.classifiers import HEAD, TRUNK
from cryodl.resolution_maps import statistics as answers

INTERVAL = 0.9
CALIBRATION_SEED = 3001


def predict_items(model, config, items, seed):
    """Distributions for whole maps of structures or experiments.

    Returns (truth, probability): ndarray (n,), Å, and ndarray (n, bins).
    """
    rng = np.random.default_rng(seed)
    cnn = len(model.inputs) == 2
    truth, found = [], []
    for item in items:
        maps = experiment_maps if hasattr(item, "info") else clean_maps
        for data, resolution in maps(item, {**config, "at_once": 1}, rng):
            inside = automatic_mask(Volume(data, config["voxel_size"]))
            molecule = cut_to_molecule(data, inside, config["voxel_size"])
            x = [descriptor(molecule)]
            if cnn:
                features, weight = features_and_weight(molecule)
                x.insert(0, np.concatenate([features, weight[..., None]], axis=-1))
            found.append(one_answer(model, *x))
            truth.append(resolution)
    return np.array(truth), np.array(found)


def best_temperature(truth, probability, edges) -> float:
    """Temperature at which the truths are likeliest."""
    own = np.clip(np.searchsorted(edges, truth) - 1, 0, probability.shape[1] - 1)
    tried = np.geomspace(0.4, 4, 60)

    def likelihood(temperature):
        soft = answers.soften(probability, temperature)
        return np.log(np.maximum(soft[np.arange(len(own)), own], 1e-9)).mean()

    return round(float(max(tried, key=likelihood)), 3)


def figures(truth, probability, edges, temperature):
    """What a calibrated network reaches, by the figures of a model card."""
    soft = answers.soften(probability, temperature)
    middle = answers.quantile(soft, edges, 0.5)
    low, high = (answers.quantile(soft, edges, q) for q in ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2))
    error = np.abs(middle - truth)
    right = answers.class_probabilities(soft, edges).argmax(-1) == answers.class_of(truth)
    return {
        "maps": len(truth),
        "class_accuracy": round(float(right.mean()), 4),
        "median_absolute_error": round(float(np.median(error)), 3),
        "median_relative_error": round(float(np.median(error / truth)), 4),
        "coverage": round(float(((truth >= low) & (truth <= high)).mean()), 3),
    }


def make_class_bundle(
    weights, network, config, items, path, *, standard, data, seconds, steps, initial=None
):
    """Calibrate a trained classifier on items never trained on, and write its bundle.

    weights : path of best.weights.h5 as `fit` leaves it
    network : "cnn" or "dnn"
    items : structures and experiments; every second calibrates, the others measure
    standard : mean and spread of what it read, as from `standard_of`
    data : str, what it was trained on
    initial : bundle, name or folder, that the CNN's trunk is taken from
    """
    trained = trained_part(network)
    trained.load_weights(weights)
    fold(trained, standard)
    cnn, network = network == "cnn", NETWORKS[network]
    model = build(network)
    if cnn:
        model.get_layer(TRUNK).set_weights(trunk_of(initial).get_weights())
    (model.get_layer(HEAD) if cnn else model).set_weights(trained.get_weights())
    edges = answers.bin_edges(network)
    calibration = predict_items(model, config, items[::2], CALIBRATION_SEED)
    temperature = best_temperature(*calibration, edges)
    measured = {}
    for kind, experiment in (("clean", False), ("experiments", True)):
        own = [item for item in items[1::2] if hasattr(item, "info") == experiment]
        if own:
            found = predict_items(model, config, own, CALIBRATION_SEED + 1)
            measured[kind] = figures(*found, edges, temperature)
    spec = {
        "name": Path(path).name,
        "method": "resolution-class",
        "network": network,
        "voxel_size": config["voxel_size"],
        "normalisation": {
            "name": "whole_features" if cnn else "description",
            "parameters": {"window": WINDOW, "floor": FLOOR},
        },
        "calibration": {"temperature": temperature, "interval": INTERVAL},
        "training": {
            "data": data,
            "config": config,
            "seconds": round(seconds),
            "initial": load_bundle(initial).spec["name"] if cnn else None,
            "steps": steps,
            "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, {platform.system()}",
        },
        "metrics": measured,
        "licence": "GPL-3.0-or-later",
        "citation": "Avramov2019",
    }
    if cnn:
        spec["stride"] = network["local"]["stride"]
        spec["overlap"] = receptive_radius(network["local"])
    return save_bundle(path, model, spec, overwrite=True, light=True, card=class_card)


def class_card(spec) -> str:
    """Text of the model card."""
    training = spec["training"]
    lines = [
        f"# {spec['name']}",
        "",
        "Resolution of a whole map: a distribution over bins from 1.8 to 24 Å, from which come "
        "the classes high (below 5 Å), medium (5-10 Å) and low, a number and its 90 % interval "
        "(after Avramov et al. 2019; see docs/methods.rst). "
        f"Grid of {spec['voxel_size']:g} Å. Weights: SHA-256 {spec['weights_sha256']}. "
        f"Licence: {spec['licence']}.",
        "",
        "## Training",
        "",
        f"- Data: {training['data']}.",
        f"- Steps: {training['steps']}, of {training['config']['batch']} samples; "
        f"seed {training['config']['seed']}.",
        f"- Time: {training['seconds'] / 60:.0f} minutes; machine: {training['machine']}.",
        f"- Started from: {training.get('initial') or 'random weights'}.",
        "",
        "## Measured",
        "",
        "On structures and simulated experiments not trained on; half of them set the "
        "temperature, the other half are measured here. Clean: low-passed maps of any resolution, "
        "some with noise.",
        "",
        "| maps | number | class right | median error (Å) | 90 % interval covers |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {kind} | {m['maps']} | {m['class_accuracy']:.1%} | {m['median_absolute_error']:.2f} | "
        f"{m['coverage']:.1%} |"
        for kind, m in spec["metrics"].items()
    ]
    lines += [
        "",
        "Tables at the paper's resolutions and of real maps are in benchmarks/. The network tells "
        "what a map shows: one that was filtered or blurred by its makers reads worse than its "
        "half maps' FSC.",
        "",
    ]
    return "\n".join(lines)
