"""The bundle of a network that corrects filtered maps: its trust calibrated, measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.prepare import TRUST, TRUST_ONE_MAP, to_density
from cryodl.methods.enhance.refined.correct import (
    FIRST,
    SECOND,
    STRENGTH,
    VOXELS_PER_RESOLUTION,
    departure,
    features,
    padded,
)
from cryodl.methods.enhance.refined.samples import is_one_map
from cryodl.networks import build
from cryodl.resolution_maps.local_filter import low_pass
from cryodl.training.export import model_card, write_bundle

STEPS = np.array([0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 3.0])


def make_bundle(weights, config, paths, output, **origin):
    """Calibrate the trust of a trained network on half of the validation experiments, measure it on
    the others, and write its bundle.

    weights : path, as `fit` leaves it;  paths : what `refined_samples.prepare` kept
    """
    network = config["network"]
    model = build(network)
    model.load_weights(weights)
    kinds = {TRUST: [path for path in paths if not is_one_map(path)],
             TRUST_ONE_MAP: [path for path in paths if is_one_map(path)]}  # fmt: skip
    tables: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    for name, own in kinds.items():
        judged = [judge(model, path) for path in own]
        if len(judged) > 1:
            tables[name] = calibrate(judged[::2])
            measured[name] = measure(judged[1::2], tables[name])
    if TRUST not in tables:
        raise InputError("two validation experiments with half maps are needed, at least")
    metrics = {**measured[TRUST], "one_map": measured.get(TRUST_ONE_MAP)}
    return write_bundle(
        output, model, config, card, method="postprocess", network=network,
        normalisation="filtered half maps", citation="SanchezGarcia2021",
        metrics=metrics, model="refined", resolution_limits=config["limits"], **tables, **origin,
    )  # fmt: skip


def judge(model, path) -> dict[str, Any]:
    """Of a prepared experiment: correlations with the model, and departures in units of the doubt
    with whether their sign was right."""
    with np.load(path) as kept:
        full, noise, mask, target = (
            padded(kept[name].astype(np.float32)) for name in ("full", "noise", "mask", "target")
        )
        resolution = float(kept["resolution"])
    blocks = np.asarray(model.predict_on_batch(features([full, noise, mask], resolution)[None]))[0]
    change, doubt = (to_density(blocks[..., s], full.shape) for s in (FIRST, SECOND))
    density = (
        full
        + low_pass(Volume(STRENGTH * change, resolution / VOXELS_PER_RESOLUTION), resolution).data
    )
    inside = mask > 0.5
    away, true = departure(density), departure(target)
    return {
        "resolution": resolution,
        "before": float(np.corrcoef(full[inside], target[inside])[0, 1]),
        "after": float(np.corrcoef(density[inside], target[inside])[0, 1]),
        "departure": (np.abs(away) * np.exp(-doubt))[inside][::7],
        "right": (np.sign(away) == np.sign(true))[inside][::7],
    }


def calibrate(judged) -> dict[str, list[float]]:
    """The share of signs that are right at departures of so many standard deviations."""
    departures = np.concatenate([each["departure"] for each in judged])
    right = np.concatenate([each["right"] for each in judged])
    found = []
    edges = np.concatenate([STEPS[:1], (STEPS[1:] + STEPS[:-1]) / 2, [np.inf]])
    for low, high in zip(edges[:-1], edges[1:]):
        held = (departures >= low) & (departures < high)
        found.append(float(right[held].mean()) if held.sum() > 100 else float("nan"))
    known = np.isfinite(found)
    shares = np.interp(STEPS, STEPS[known], np.array(found)[known])
    shares = np.maximum.accumulate(np.clip(shares, 0.5, 1))
    return {"departure": STEPS.tolist(), "share": [round(float(v), 4) for v in shares]}


def measure(judged, table) -> dict[str, Any]:
    """Correlations with the model before and after, and how far the trust is off in ten bins."""
    before, after = (np.array([each[name] for each in judged]) for name in ("before", "after"))
    departures = np.concatenate([each["departure"] for each in judged])
    right = np.concatenate([each["right"] for each in judged])
    trust = np.interp(departures, table["departure"], table["share"])
    order = np.array_split(np.argsort(trust, kind="stable"), 10)
    off = [abs(float(trust[held].mean() - right[held].mean())) for held in order]
    return {
        "experiments": len(judged),
        "correlation_before": round(float(np.median(before)), 4),
        "correlation": round(float(np.median(after)), 4),
        "gain": round(float(np.median(after - before)), 4),
        "least_gain": round(float(np.min(after - before)), 4),
        "trust_off": round(max(off), 4),
    }


def card(spec) -> str:
    """Text of the model card."""
    metrics = spec["metrics"]
    measured = [
        f"On {metrics['experiments']} experiments from particles on structures that were not "
        "trained on (they chose when it was best; others calibrated the trust), in the mask of the "
        "map:",
        "",
    ]
    kinds = {"half maps": metrics, "one map, as deposited": metrics["one_map"]}
    for kind, own in kinds.items():
        if own:
            measured.append(
                f"- {kind}: correlation with the model {own['correlation']:.3f} in the median, of "
                f"the filtered map alone {own['correlation_before']:.3f}; the gain is "
                f"{own['gain']:+.3f} in the median and {own['least_gain']:+.3f} at least; the "
                f"trust is off by {own['trust_off']:.3f} at most in ten bins."
            )
    best, worst = spec["resolution_limits"]
    return model_card(
        spec,
        f"Corrects maps that filters made of two half maps, or of one map, of {best:g} to "
        f"{worst:g} Å, within their resolution, and says how far it is to be trusted.",
        measured,
    )
