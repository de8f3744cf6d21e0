"""What a whole-map classifier reaches: tables of Avramov et al. (2019), boundaries, invariances."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.evaluation.tables import write_tables
from cryodl.files.folder import whole_folder
from cryodl.maps.volume import Volume
from cryodl.methods.options import Option, declared
from cryodl.methods.training_options import MAPS, TABLES
from cryodl.resolution_maps import statistics as bins
from cryodl.resolution_maps.statistics import CLASSES, class_of
from cryodl.simulation.model_map import uniform_maps
from cryodl.training.run import print_line

OPTIONS = (
    Option("structures", help="folder of unseen PDB or mmCIF files, or a packed set: simulated "
        "maps", metavar="DIR"),
    Option("experiments", help="set of simulated experiments on unseen structures", metavar="SET",
        many="repeat"),
    MAPS._replace(help="tab-separated table with file and resolution_A: Tables 2 to 5"),
    Option("model", "cnn", "which of the two", choices=("cnn", "dnn")),
    Option("bundle", help="trained network to use instead of the model's",
        metavar="NAME_OR_FOLDER"),
    Option("count", 30, "structures, and experiments of a set", int, least=1, metavar="N"),
    *TABLES,
)  # fmt: skip

TABLE_1 = [1.5 + 0.5 * i for i in range(28)]  # Å, section 2.2
PAPER = 2.5, 7.5, 12.5  # Å, of the published training and test maps
BOX = 64  # voxels of the published maps
STEP = 0.2  # Å, between maps in which a boundary is sought
NOISE = 0.5  # standard deviation of white noise in the noisy maps, in units of the map's own


@declared(OPTIONS)
def evaluate_resolution_class(
    output: str | Path,
    *,
    structures: str | Path | None = None,
    experiments: Sequence[str | Path] | None = None,
    maps: str | Path | None = None,
    model: str = "cnn",
    bundle: str | Path | None = None,
    count: int = 30,
    overwrite: bool = False,
    log: Callable[[str], object] | None = print_line,
) -> dict[str, list[dict]]:
    """Measure whole-map classes: the tables of the paper, boundaries, real maps.

    What `cryodl evaluate resolution-class` does.

    Parameters
    ----------
    output : folder for tables
    structures : folder of unseen PDB or mmCIF files, or a packed set, for simulated maps
    experiments : sets of simulated experiments on unseen structures
    maps : tab-separated table with file and resolution_A: Tables 2 to 5
    model : "cnn" or "dnn";  bundle : trained network to use instead of the model's
    count : structures, and experiments of a set
    overwrite : replace tables that exist
    log : called with each line of progress and each table; None is silent

    Returns the tables by name, lists of rows; they are also written, as Markdown and as JSON.

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    from cryodl.errors import SettingError
    from cryodl.methods.resolution_class.estimate import Classifier

    if not (structures or experiments or maps):
        raise SettingError("nothing to evaluate on: give structures=, experiments= or maps=")

    def tables() -> Iterator[tuple[str, list[dict]]]:
        """Names and rows, each as soon as it is measured."""
        if maps:
            yield from _real(maps, model, bundle)
        if structures:
            yield from _simulated(structures, classifier, count)
        if experiments:
            yield from _experiments(experiments, classifier, count)

    with whole_folder(output, overwrite=overwrite, clear=False) as folder:
        classifier = Classifier(model, bundle)
        return write_tables(folder, tables(), log or (lambda line: None), f"{model}_")


def _simulated(place, classifier, count: int) -> Iterator[tuple[str, list[dict]]]:
    from cryodl.training.structures import load_structures

    structures, _ = load_structures(place)
    structures = [s for s in structures if len(s) >= 500] or structures
    chosen = structures[:: max(1, len(structures) // max(count, 28))]
    yield "paper_resolutions", paper_resolutions(chosen[:count], classifier)
    yield "boundaries", boundaries(chosen[: max(3, count // 5)], classifier)
    yield "table_1", table_1(chosen, classifier)
    compact = min(structures, key=lambda s: float(np.ptp(s.positions, axis=0).max()))
    volume = simulated(compact, 4.5, 0, noise=0.1, box=96)
    yield "invariances", invariances(volume, classifier)


def _experiments(places, classifier, count: int) -> Iterator[tuple[str, list[dict]]]:
    from cryodl.simulation.experiment_set import open_experiment_set

    found = []
    for place in places:
        every = open_experiment_set(place)
        found += every[:: max(1, len(every) // count)][:count]
    rows = experiments(found, classifier, deposited)
    yield "experiments", rows
    yield "experiments_summary", summarise(rows)
    volume = Volume(found[0].load("map"), found[0].info["voxel_size"])
    yield "invariances_experiment", invariances(volume, classifier)


def _real(table, model, bundle) -> Iterator[tuple[str, list[dict]]]:
    from cryodl.evaluation.tables import read_table
    from cryodl.methods.resolution_class.run import classify_maps

    rows = read_table(table)
    maps, claimed, voxels = ([row[i] for row in rows] for i in range(3))
    found = classify_maps(maps, model, bundle=bundle, claimed=claimed, voxel_size=voxels)
    for entry in found:
        if "error" in entry:
            raise InputError(entry["error"])
    for name, rows in class_tables(found).items():
        yield f"real_{name}", rows


def simulated(structure, resolution: float, seed: int, *, noise: float = 0.0, box: int = BOX):
    """A clean or noisy map of one resolution, on voxels of 1 Å or as fine as it needs; Volume."""
    voxel = min(1.0, resolution / 2.1)
    rng = np.random.default_rng((seed, round(100 * resolution)))
    size = round(box / voxel / 2) * 2
    maps = uniform_maps(structure, [resolution], size, rng, voxel_size=voxel, noise=noise)
    return Volume(maps[0], voxel)


def table_1(structures, classifier) -> list[dict[str, Any]]:
    """One map at each of 28 resolutions, each of another structure."""
    rows = []
    for i, resolution in enumerate(TABLE_1):
        structure = structures[i % len(structures)]
        prediction = classifier(simulated(structure, resolution, i))
        rows.append(
            {
                "resolution": resolution,
                "structure": structure.name,
                "class": prediction.resolution_class,
                "right": prediction.resolution_class
                == bins.CLASSES[int(bins.class_of(resolution))],
                "estimate": round(prediction.resolution, 2),
            }
        )
    return rows


def paper_resolutions(structures, classifier) -> list[dict[str, Any]]:
    """Share of maps in their class at 2.5, 7.5 and 12.5 Å, clean and with noise."""
    rows = []
    for name, noise in (("clean", 0.0), ("noisy", NOISE)):
        right, error = [], []
        for i, structure in enumerate(structures):
            for resolution in PAPER:
                prediction = classifier(simulated(structure, resolution, i, noise=noise))
                own = bins.CLASSES[int(bins.class_of(resolution))]
                right.append(prediction.resolution_class == own)
                error.append(abs(prediction.resolution - resolution))
        rows.append(
            {
                "maps": name,
                "number": len(right),
                "right_percent": round(100 * float(np.mean(right)), 2),
                "median_error": round(float(np.median(error)), 3),
            }
        )
    return rows


def boundaries(structures, classifier) -> list[dict[str, Any]]:
    """Resolutions at which clean maps of a structure change from class to class."""
    rows = []
    for edge in bins.CLASS_EDGES:
        tried = edge + np.arange(-5, 6) * STEP
        found = []
        for i, structure in enumerate(structures):
            told = [classifier(simulated(structure, float(r), i)) for r in tried]
            worse = [1 - float(bins.probability_below(p.distribution, p.edges, edge)) for p in told]
            crossing = np.maximum.accumulate(worse)
            found.append(float(np.interp(0.5, crossing, tried)))
        rows.append(
            {
                "boundary": edge,
                "structures": len(found),
                "found_median": round(float(np.median(found)), 2),
                "found_5": round(float(np.percentile(found, 5)), 2),
                "found_95": round(float(np.percentile(found, 95)), 2),
            }
        )
    return rows


def deposited(experiment) -> tuple[np.ndarray, float]:
    """The deposited map of an experiment, and the resolution that can be seen in it (Å)."""
    return experiment.load("map"), experiment.shown_resolution


def experiments(found, classifier, fetch) -> list[dict[str, Any]]:
    """Simulated experiments: class, estimate and interval.

    found : list of StoredExperiment;  fetch : function that gives a map (z, y, x) and the
        resolution that is right for it (Å)
    """
    rows = []
    for experiment in found:
        data, resolution = fetch(experiment)
        prediction = classifier(Volume(data, experiment.info["voxel_size"]))
        low, high = prediction.interval
        rows.append(
            {
                "structure": experiment.info["structure"],
                "resolution": round(resolution, 2),
                "class": bins.CLASSES[int(bins.class_of(resolution))],
                "predicted": prediction.resolution_class,
                "estimate": round(prediction.resolution, 2),
                "covered": low <= resolution <= high,
            }
        )
    return rows


def summarise(rows) -> list[dict[str, Any]]:
    """Of experiments: class right, over all and away from the borders, error and coverage."""
    away = [
        r for r in rows if min(abs(np.log(r["resolution"] / e)) for e in bins.CLASS_EDGES) > 0.2
    ]
    summary = []
    for name, kept in (("all", rows), ("not within 20 % of 5 or 10 Å", away)):
        if kept:
            error = np.array([abs(r["estimate"] - r["resolution"]) for r in kept])
            right = [r["class"] == r["predicted"] for r in kept]
            summary.append(
                {
                    "experiments": name,
                    "number": len(kept),
                    "right_percent": round(100 * float(np.mean(right)), 1),
                    "median_error": round(float(np.median(error)), 2),
                    "covered_percent": round(100 * float(np.mean([r["covered"] for r in kept])), 1),
                }
            )
    return summary


def invariances(volume: Volume, classifier) -> list[dict[str, Any]]:
    """Largest change of a class probability under what must not matter."""
    first = classifier(volume)
    data = volume.data
    middle = float(np.median(data))
    changed = {
        "quarter turn about z": np.rot90(data, 1, (1, 2)),
        "quarter turn about y": np.rot90(data, 1, (0, 2)),
        "turned by 30 degrees": _turned(data, 30.0),
        "box padded by 11 voxels": np.pad(data, 11, constant_values=middle),
        "box padded on one side by 24": np.pad(data, [(24, 0)] * 3, constant_values=middle),
        "densities times 1e-6": data * np.float32(1e-6),
        "densities times 1e4 and 50 added": data * np.float32(1e4) + 50,
    }
    rows = []
    for name, values in changed.items():
        prediction = classifier(Volume(np.ascontiguousarray(values), volume.voxel_size))
        change = max(
            abs(prediction.probabilities[c] - first.probabilities[c]) for c in first.probabilities
        )
        rows.append(
            {
                "change": name,
                "largest_change_of_probability": round(change, 4),
                "change_of_estimate": round(prediction.resolution - first.resolution, 3),
            }
        )
    return rows


def _turned(data, degrees: float):
    from scipy.ndimage import rotate

    cval = float(np.median(data))
    return rotate(data, degrees, axes=(1, 2), reshape=False, order=3, cval=cval)


def class_tables(found: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of Tables 2 (maps), 3 and 4 (confusion matrix) and 5 (measures of each class)."""
    published = [int(class_of(entry["claimed"])) for entry in found]
    predicted = [CLASSES.index(entry["class"]) for entry in found]
    maps = [
        {
            "map": Path(entry["map"]).name,
            "claimed": entry["claimed"],
            "published": CLASSES[truth],
            "predicted": entry["class"],
            "resolution": entry["resolution"],
            "interval": _in_words(*entry["interval"]),
        }
        for entry, truth in zip(found, published)
    ]
    matrix = confusion(published, predicted)
    total = {"maps": len(found), "agreement_percent": agreement(matrix)}
    return {
        "maps": maps,
        "confusion": confusion_rows(matrix),
        "measures": measures(matrix),
        "agreement": [total],
    }


def confusion(published: Sequence[int], predicted: Sequence[int]) -> np.ndarray:
    """How many maps of each published class were given each class; ndarray (predicted, published).

    published, predicted : numbers of classes from 0
    """
    matrix = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(matrix, (np.asarray(predicted, int), np.asarray(published, int)), 1)
    return matrix


def confusion_rows(matrix: np.ndarray) -> list[dict[str, Any]]:
    """Table 3: a row for each predicted class, a column for each published one."""
    return [
        {"predicted": name, **{f"published {n}": int(v) for n, v in zip(CLASSES, row)}}
        for name, row in zip(CLASSES, matrix)
    ]


def measures(matrix: np.ndarray) -> list[dict[str, Any]]:
    """Table 5: sensitivity, specificity, PPV and NPV of each class, %; None where undefined."""
    rows = []
    for i, name in enumerate(CLASSES):
        right = matrix[i, i]
        called, truly = matrix[i].sum(), matrix[:, i].sum()
        neither = matrix.sum() - called - truly + right
        rows.append(
            {
                "class": name,
                "maps": int(truly),
                "sensitivity": _percent(right, truly),
                "specificity": _percent(neither, matrix.sum() - truly),
                "PPV": _percent(right, called),
                "NPV": _percent(neither, matrix.sum() - called),
            }
        )
    return rows


def agreement(matrix: np.ndarray) -> float | None:
    """Share of maps whose predicted class is the published one, %."""
    return _percent(np.trace(matrix), matrix.sum())


def _in_words(low: float, high: float) -> str:
    """An interval, Å; of no width where voxels hold nothing finer."""
    return f"{low:.1f}-{high:.1f}" if low < high else f"{low:.1f} or better"


def _percent(part, whole) -> float | None:
    return None if not whole else round(100 * float(part) / float(whole), 2)
