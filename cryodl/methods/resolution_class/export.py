"""The bundle of a whole-map classifier: a trained network, calibrated and measured."""

from __future__ import annotations

import numpy as np

from cryodl.compute.device import predict_one
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
    backbone_of,
    clean_maps,
    experiment_maps,
    fold,
    trained_part,
)
from cryodl.networks import build
from cryodl.networks.bundle import load_bundle
from cryodl.networks.classifiers import HEAD, TRUNK
from cryodl.resolution_maps import statistics
from cryodl.training.export import model_card, write_bundle

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
            found.append(predict_one(model, *x))
            truth.append(resolution)
    return np.array(truth), np.array(found)


def best_temperature(truth, probability, edges) -> float:
    """Temperature at which the truths are likeliest."""
    own = np.clip(np.searchsorted(edges, truth) - 1, 0, probability.shape[1] - 1)
    tried = np.geomspace(0.4, 4, 60)

    def likelihood(temperature):
        soft = statistics.soften(probability, temperature)
        return np.log(np.maximum(soft[np.arange(len(own)), own], 1e-9)).mean()

    return round(float(max(tried, key=likelihood)), 3)


def figures(truth, probability, edges, temperature):
    """What a calibrated network reaches, by the figures of a model card."""
    soft = statistics.soften(probability, temperature)
    middle = statistics.quantile(soft, edges, 0.5)
    low, high = (
        statistics.quantile(soft, edges, q) for q in ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2)
    )
    error = np.abs(middle - truth)
    right = statistics.class_probabilities(soft, edges).argmax(-1) == statistics.class_of(truth)
    return {
        "maps": len(truth),
        "class_accuracy": round(float(right.mean()), 4),
        "median_absolute_error": round(float(np.median(error)), 3),
        "median_relative_error": round(float(np.median(error / truth)), 4),
        "coverage": round(float(((truth >= low) & (truth <= high)).mean()), 3),
    }


def make_bundle(weights, network, config, items, path, *, standard, initial=None, **origin):
    """Calibrate a trained classifier on items never trained on, and write its bundle.

    weights : path of best.weights.h5 as `fit` leaves it
    network : "cnn" or "dnn"
    items : structures and experiments; every second calibrates, the others measure
    standard : mean and spread of what it read, as from `standard_of`
    initial : bundle, name or folder, that the CNN's backbone is taken from
    origin : data, seconds and steps, as of `write_bundle`
    """
    trained = trained_part(network)
    trained.load_weights(weights)
    fold(trained, standard)
    cnn, network = network == "cnn", NETWORKS[network]
    model = build(network)
    if cnn:
        model.get_layer(TRUNK).set_weights(backbone_of(initial).get_weights())
    (model.get_layer(HEAD) if cnn else model).set_weights(trained.get_weights())
    edges = statistics.bin_edges(network)
    truth, probability = predict_items(model, config, items[::2], CALIBRATION_SEED)
    temperature = best_temperature(truth, probability, edges)
    measured = {}
    for kind, experiment in (("clean", False), ("experiments", True)):
        own = [item for item in items[1::2] if hasattr(item, "info") == experiment]
        if own:
            truth, probability = predict_items(model, config, own, CALIBRATION_SEED + 1)
            measured[kind] = figures(truth, probability, edges, temperature)
    return write_bundle(
        path, model, config, card, method="resolution-class", network=network,
        normalisation="whole_features" if cnn else "description",
        parameters={"window": WINDOW, "floor": FLOOR}, citation="Avramov2019", metrics=measured,
        initial=load_bundle(initial).spec["name"] if cnn else None,
        calibration={"temperature": temperature, "interval": INTERVAL}, **origin,
    )  # fmt: skip


def card(spec) -> str:
    """Text of the model card."""
    rows = [
        f"| {kind} | {m['maps']} | {m['class_accuracy']:.1%} | {m['median_absolute_error']:.2f} | "
        f"{m['coverage']:.1%} |"
        for kind, m in spec["metrics"].items()
    ]
    measured = [
        "On structures and simulated experiments not trained on; half of them set the "
        "temperature, the other half are measured here. Clean: low-passed maps of any resolution, "
        "some with noise.",
        "",
        "| maps | number | class right | median error (Å) | 90 % interval covers |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "Tables at the paper's resolutions and of real maps are in benchmarks/. The network "
        "reports what a map shows: one that was filtered or blurred by its makers reads worse than "
        "its half maps' FSC.",
    ]
    return model_card(
        spec,
        "Resolution of a whole map: a distribution over bins from 1.8 to 24 Å, from which come "
        "the classes high (below 5 Å), medium (5-10 Å) and low, a number and its 90 % interval "
        f"(after Avramov et al. 2019; see docs/methods.rst). Grid of {spec['voxel_size']:g} Å.",
        measured,
    )
