"""The bundle of local classes: a trained network, calibrated and measured on whole maps."""

from __future__ import annotations

import numpy as np

from cryodl.features.context import stack
from cryodl.maps.normalise import FLOOR, WINDOW
from cryodl.methods.local_classes.samples import whole_sample
from cryodl.networks.backbone import build_unet3d
from cryodl.networks.classifiers import build_local_classes
from cryodl.training.export import model_card, with_weights, write_bundle

SEED = 4001
LARGEST = 72  # steps of the half grid; of larger maps the middle is measured


def predict_items(model, config, items, seed):
    """Predictions and labels, on blocks whose label is known; of a whole map at a time.

    Returns [(label (n,), Å, probabilities (n, classes))].
    """
    rng = np.random.default_rng(seed)
    found = []
    for item in items:
        made = whole_sample(item, config, rng)
        x, label = _middle(stack(*made[:-1])), _middle(made[-1])
        known = label[..., 1] > 0.99
        prediction = np.asarray(model.predict_on_batch(x[None]))[0]
        found.append((label[known][:, 0], prediction[known][:, :-1]))
    return [pair for pair in found if len(pair[0])]


def _middle(data):
    part = tuple(slice(max(0, (n - LARGEST) // 4 * 2), None) for n in data.shape[:3])
    return data[part][:LARGEST, :LARGEST, :LARGEST]


def best_temperature(pairs, edges) -> float:
    """Temperature at which the labels' classes are likeliest."""
    label = np.concatenate([np.digitize(truth, edges) for truth, _ in pairs])[::7]
    log = np.log(np.maximum(np.concatenate([p for _, p in pairs])[::7], 1e-9))
    tried = np.geomspace(0.5, 4, 40)

    def likelihood(temperature):
        scaled = log / temperature
        scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return scaled[np.arange(len(label)), label].mean()

    return round(float(max(tried, key=likelihood)), 3)


def figures(pairs, edges):
    """Share of blocks in the label's class, and in it or the next; over all, and the median map."""
    exact, near, count = [], [], 0
    for truth, probability in pairs:
        off = np.abs(probability.argmax(axis=1) - np.digitize(truth, edges))
        exact.append(float((off == 0).mean()))
        near.append(float((off <= 1).mean()))
        count += len(truth)
    sizes = [len(truth) for truth, _ in pairs]
    return {
        "maps": len(pairs),
        "blocks": count,
        "exact": round(float(np.average(exact, weights=sizes)), 4),
        "within_one": round(float(np.average(near, weights=sizes)), 4),
        "exact_median_map": round(float(np.median(exact)), 4),
        "within_one_median_map": round(float(np.median(near)), 4),
    }


def make_bundle(weights, config, items, path, *, labels, **origin):
    """Calibrate on every second item, measure on the others, and write the bundle.

    weights : path of best.weights.h5 as `fit` leaves it
    items : Pair or Labelled, none of them trained on
    labels : str, whose they are
    origin : data, seconds, steps and initial, as of `write_bundle`
    """
    network = config["network"]
    logits = build_unet3d(network, with_logits=True)
    model = with_weights(build_local_classes(network), logits, weights)
    edges = network["edges"]
    # The figures are of maps that set nothing; a single one is there to be measured.
    setting, others = (items[::2], items[1::2]) if len(items) > 1 else ([], items)
    temperature = 1.0
    if setting:
        temperature = best_temperature(predict_items(model, config, setting, SEED), edges)
    return write_bundle(
        path, model, config, card, method="local-classes", network=network,
        normalisation="whole_features", parameters={"window": WINDOW, "floor": FLOOR},
        citation="Avramov2019",
        metrics=figures(predict_items(model, config, others, SEED + 1), edges), labels=labels,
        calibration={"temperature": temperature}, **origin,
    )  # fmt: skip


def card(spec) -> str:
    """Text of the model card."""
    metrics = spec["metrics"]
    set_by_others = spec["calibration"]["temperature"] != 1.0
    measured = [
        f"On {metrics['maps']} maps not trained on ({metrics['blocks']:,} blocks of 2³ voxels)"
        + (", with other maps setting the temperature" if set_by_others else "")
        + f": {metrics['exact']:.1%} in the label's class, {metrics['within_one']:.1%} in it or "
        f"the next (median map: {metrics['exact_median_map']:.1%} and "
        f"{metrics['within_one_median_map']:.1%}).",
        "",
        "The network reports what a map shows; where a map's noise or fine detail was filtered "
        "away, it cannot know what its half maps would say.",
    ]
    return model_card(
        spec,
        "Ten classes of local resolution, below 2 Å, 2-3 Å ... 9-10 Å and above, from a map alone "
        f"(after Avramov et al. 2019, section 4.5; see docs/methods.rst), as {spec['labels']} "
        f"labels have them. Grid of {spec['voxel_size']:g} Å, which holds nothing below 2 Å: the "
        "first class is never predicted.",
        measured,
    )
