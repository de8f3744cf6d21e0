"""The model card of a post-processing bundle: its spec, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
