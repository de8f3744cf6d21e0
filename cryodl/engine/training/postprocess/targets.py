"""What the network is to give, stored with the experiments: the map scaled by its model.

Sanchez-Garcia et al. 2021, Raw data collection: maps scaled by LocScale against their models, then
masked tightly. Scaled maps and distances from the molecule are stored; masks follow from distances,
so one set trains networks of either mask.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...reference.amplitude_scaling import scaled_by_model
from ...simulate.experiment_set import StoredExperiment

SCALED, DISTANCE = "locscale", "distance"


def add_targets(experiments: Iterable[StoredExperiment]) -> int:
    """Store the scaled map and the distance from the molecule where missing; returns how many."""
    count = 0
    for experiment in experiments:
        if not (experiment.has(SCALED) and experiment.has(DISTANCE)):
            full = (experiment.load("half1") + experiment.load("half2")) / 2
            scaled, distance = scaled_by_model(
                full,
                experiment.load("model"),
                experiment.load("mask") > 0,
                float(experiment.info.get("voxel_size", 1.0)),
            )
            experiment.add(DISTANCE, distance)
            experiment.add(SCALED, scaled)
            count += 1
    return count
