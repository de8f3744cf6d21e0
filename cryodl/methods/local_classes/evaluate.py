"""Local classes against the estimators they learn from: Table 6 of Avramov et al. (2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.evaluation.tables import write_tables
from cryodl.files.folder import whole_folder
from cryodl.maps.volume import Volume
from cryodl.methods.local_classes.run import run_local_classes
from cryodl.methods.options import Option, declared
from cryodl.methods.training_options import TABLES
from cryodl.training.run import print_line

OPTIONS = (
    Option("experiments", help="set of simulated experiments on unseen structures, with both "
        "labels", metavar="SET", required=True),
    Option("monores", "unet-monores", "as MonoRes", metavar="BUNDLE"),
    Option("resmap", "unet-resmap", "as ResMap", metavar="BUNDLE"),
    Option("count", 20, "experiments", int, least=1, metavar="N"),
    *TABLES,
)  # fmt: skip

LABELS = "monogenic", "sinusoid"


@declared(OPTIONS)
def evaluate_local_classes(
    experiments: str | Path,
    output: str | Path,
    *,
    monores: str | Path = "unet-monores",
    resmap: str | Path = "unet-resmap",
    count: int = 20,
    overwrite: bool = False,
    log: Callable[[str], object] | None = print_line,
) -> dict[str, list[dict]]:
    """Measure local classes on labelled experiments: the four-way table of the paper.

    What `cryodl evaluate local-classes` does.

    Parameters
    ----------
    experiments : set of simulated experiments on unseen structures, with both labels
    output : folder for tables
    monores, resmap : bundles that learnt from labels as of MonoRes and of ResMap
    count : experiments
    overwrite : replace tables that exist
    log : called with each line of progress and each table; None is silent

    Returns the tables by name, lists of rows; they are also written, as Markdown and as JSON.

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    from cryodl.errors import InputError
    from cryodl.networks.bundle import load_bundle
    from cryodl.simulation.experiment_set import open_experiment_set

    every = open_experiment_set(experiments)
    labelled = [e for e in every if all(e.has(label) for label in LABELS)]
    if not labelled:
        raise InputError(
            f"no experiment of '{experiments}' holds both labels, {' and '.join(LABELS)}: training "
            "local classes on them with label_first adds them"
        )
    chosen = labelled[:: max(1, len(labelled) // count)][:count]
    bundles = {"unet-monores": load_bundle(monores), "unet-resmap": load_bundle(resmap)}
    with whole_folder(output, overwrite=overwrite, clear=False) as folder:
        return write_tables(folder, _tables(chosen, bundles), log or (lambda line: None))


def _tables(chosen, bundles) -> Iterator[tuple[str, list[dict]]]:
    """Names and rows, each as soon as it is measured."""
    yield "estimators", ceiling(chosen, LABELS)
    for maps in MAPS:
        yield f"table_6_{maps}", compare(chosen, bundles, LABELS, maps=maps)


# Of an experiment: the mean of its half maps, and the map as its makers deposited it.
MAPS = {
    "unfiltered": lambda experiment: (experiment.load("half1") + experiment.load("half2")) / 2,
    "deposited": lambda experiment: experiment.load("map"),
}


def compare(experiments, bundles, labels, *, maps="unfiltered") -> list[dict[str, Any]]:
    """Every network on every label source: shares of voxels, and of maps' medians.

    experiments : StoredExperiment, holding all the labels
    bundles : name -> Bundle;  labels : names of label maps ("monogenic", "sinusoid")
    maps : which map the network is given, of MAPS

    Returns rows with model, labels, number of maps, share exact and within one class (%), mean
    over maps, and of the expected resolution the median absolute error (Å)
    """
    figures: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for experiment in experiments:
        data = MAPS[maps](experiment)
        volume = Volume(data, experiment.info["voxel_size"])
        known = {label: experiment.load(label) for label in labels}
        inside = np.all([values > 0 for values in known.values()], axis=0)
        for name, bundle in bundles.items():
            result = run_local_classes(volume, bundle, mask=inside)
            found = result.volumes["classes"].data[inside]
            expected = result.volumes["resolution"].data[inside]
            edges = result.stats["class_edges"]
            for label, truth in known.items():
                off = np.abs(found - 1 - np.digitize(truth[inside], edges))
                error = float(np.median(np.abs(expected - truth[inside])))
                figures.setdefault((name, label), []).append(
                    (float(np.mean(off == 0)), float(np.mean(off <= 1)), error)
                )
    return [
        {
            "model": name,
            "labels": label,
            "maps": maps,
            "number": len(values),
            "exact_percent": round(100 * float(np.mean([v[0] for v in values])), 1),
            "within_one_percent": round(100 * float(np.mean([v[1] for v in values])), 1),
            "median_error": round(float(np.mean([v[2] for v in values])), 2),
        }
        for (name, label), values in figures.items()
    ]


def ceiling(experiments, labels) -> list[dict[str, Any]]:
    """How well the estimators themselves agree, with one another and with the simulated truth."""
    rows = []
    edges = np.arange(2.0, 11.0)
    names = [*labels, "snr"]
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            exact, near = [], []
            for experiment in experiments:
                a, b = experiment.load(first), experiment.load(second)
                both = (a > 0) & (b > 0)
                off = np.abs(np.digitize(a[both], edges) - np.digitize(b[both], edges))
                exact.append(float(np.mean(off == 0)))
                near.append(float(np.mean(off <= 1)))
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "number": len(exact),
                    "exact_percent": round(100 * float(np.mean(exact)), 1),
                    "within_one_percent": round(100 * float(np.mean(near)), 1),
                }
            )
    return rows
