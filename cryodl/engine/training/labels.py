"""Labels of local resolution for simulated experiments, from their half maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..maps.volume import Volume
from ..reference.halves import half_difference, half_sum
from ..reference.monogenic import monogenic_resolution
from ..reference.sinusoid import sinusoid_resolution
from ..simulate.experiment_set import StoredExperiment

ESTIMATORS: dict[str, Callable[..., tuple[np.ndarray, float]]] = {
    "monogenic": monogenic_resolution,
    "sinusoid": sinusoid_resolution,
}


def add_labels(
    experiments: Sequence[StoredExperiment], label: str, count: int
) -> Iterator[StoredExperiment]:
    """Add an estimator's local resolution to experiments until so many have it, spread evenly.

    experiments : of a set;  label : "monogenic" or "sinusoid";  count : that are to have it
    Yields each experiment as it gets its label.
    """
    missing = count - sum(experiment.has(label) for experiment in experiments)
    without = [experiment for experiment in experiments if not experiment.has(label)]
    step = max(1, len(without) // max(missing, 1))
    for experiment in without[::step][: max(missing, 0)]:
        voxel = experiment.info["voxel_size"]
        halves = [Volume(experiment.load(name), voxel) for name in ("half1", "half2")]
        inside = experiment.load("mask") > 0
        values, _ = ESTIMATORS[label](half_sum(*halves), inside, half_difference(*halves))
        experiment.add(label, values)
        yield experiment
