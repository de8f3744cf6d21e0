"""The model card of a bundle: its spec, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CARD_FILE = "MODEL_CARD.md"


def model_card(spec: Mapping[str, Any]) -> str:
    """Text of the card: what the network is for, what made it, what it reaches, its limits."""
    training, metrics = spec["training"], spec["metrics"]
    best, worst = spec["resolution_limits"]
    share = training["config"].get("average")
    lines = [
        f"# {spec['name']}",
        "",
        f"Local resolution between {best:g} and {worst:g} Å, on a grid of {spec['voxel_size']:g} Å "
        "(aspect resolution in the sense of DeepRes, Ramírez-Aportela et al. 2019; see "
        "docs/methods.rst). Weights: SHA-256 "
        f"{spec['weights_sha256']}. Licence: {spec['licence']}.",
        "",
        "## Training",
        "",
        f"- Data: {training['data']}; maps simulated as they were needed.",
        f"- Steps: {training['steps']}, of {training['config']['batch']} crops of "
        f"{training['config']['crop']}³ voxels; seed {training['config']['seed']}.",
        f"- Time: {training['seconds'] / 60:.0f} minutes; machine: {training['machine']}.",
        f"- Started from: {training.get('initial') or 'random weights'}"
        + (f", with which it is averaged (share {share:g})." if share else "."),
        "",
        "## Measured",
        "",
        "On simulated boxes, clean ones and experiments, of validation structures that were not "
        "trained on, within the range of the network; half of the structures set the interval, the "
        "other half are measured here:",
        "",
        f"- mean absolute error {metrics['mean_absolute_error']:.2f} Å, "
        f"median {metrics['median_absolute_error']:.2f} Å, bias {metrics['bias']:+.2f} Å, "
        f"over {metrics['voxels']:,} voxels;",
        f"- the 90 % interval covers {metrics['coverage']:.1%}.",
        "",
        "| true resolution (Å) | mean absolute error (Å) | bias (Å) | coverage |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {b['from']:.1f}-{b['to']:.1f} | {b['mean_absolute_error']:.2f} | {b['bias']:+.2f} | "
        f"{b['coverage']:.1%} |"
        for b in metrics["bands"]
    ]
    lines += [
        "",
        "The tests of the paper and the real maps are in benchmarks/. Not for tomograms, nor for "
        "maps whose voxel size is wrong; an unsharpened map reads worse by design.",
        "",
    ]
    return "\n".join(lines)
