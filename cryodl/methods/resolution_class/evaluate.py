"""What a whole-map classifier reaches: tables of Avramov et al. (2019), boundaries, invariances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cryodl.maps.volume import Volume
from cryodl.resolution_maps import statistics as bins
from cryodl.resolution_maps.statistics import CLASSES
from cryodl.simulation.model_map import uniform_maps

TABLE_1 = [1.5 + 0.5 * i for i in range(28)]  # Å, section 2.2
PAPER = 2.5, 7.5, 12.5  # Å, of the published training and test maps
BOX = 64  # voxels of the published maps
NOISE = 0.5  # standard deviation of white noise in the noisy maps, in units of the map's own


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
        answer = classifier(simulated(structure, resolution, i))
        rows.append(
            {
                "resolution": resolution,
                "structure": structure.name,
                "class": answer.resolution_class,
                "right": answer.resolution_class == bins.CLASSES[int(bins.class_of(resolution))],
                "estimate": round(answer.resolution, 2),
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
                answer = classifier(simulated(structure, resolution, i, noise=noise))
                own = bins.CLASSES[int(bins.class_of(resolution))]
                right.append(answer.resolution_class == own)
                error.append(abs(answer.resolution - resolution))
        rows.append(
            {
                "maps": name,
                "number": len(right),
                "right_percent": round(100 * float(np.mean(right)), 2),
                "median_error": round(float(np.median(error)), 3),
            }
        )
    return rows


def boundaries(structures, classifier, step: float = 0.2) -> list[dict[str, Any]]:
    """Resolutions at which clean maps of a structure change from class to class."""
    rows = []
    for edge in bins.CLASS_EDGES:
        tried = edge + np.arange(-5, 6) * step
        found = []
        for i, structure in enumerate(structures):
            worse = [
                1 - _better(classifier(simulated(structure, float(r), i)), edge) for r in tried
            ]
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


def _better(answer, edge: float) -> float:
    return float(bins.probability_below(answer.distribution, answer.edges, edge))


def deposited(experiment) -> tuple[np.ndarray, float]:
    """The deposited map of an experiment, and the resolution that can be told from it (Å): of the
    half maps' FSC, or of the filter where someone filtered coarser."""
    drawn, resolution = experiment.info["config"], experiment.resolution
    if drawn.get("low_passed") and drawn.get("over_filtered"):
        resolution = max(resolution, resolution * drawn["low_pass"] * drawn["over_filter"])
    return experiment.load("map"), resolution


def experiments(found, classifier, fetch) -> list[dict[str, Any]]:
    """Simulated experiments: class, estimate and interval.

    found : list of StoredExperiment;  fetch : function that gives a map (z, y, x) and the
        resolution that is right for it (Å)
    """
    rows = []
    for experiment in found:
        data, resolution = fetch(experiment)
        answer = classifier(Volume(data, experiment.info["voxel_size"]))
        low, high = answer.interval
        rows.append(
            {
                "structure": experiment.info["structure"],
                "resolution": round(resolution, 2),
                "class": bins.CLASSES[int(bins.class_of(resolution))],
                "predicted": answer.resolution_class,
                "estimate": round(answer.resolution, 2),
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
        answer = classifier(Volume(np.ascontiguousarray(values), volume.voxel_size))
        change = max(
            abs(answer.probabilities[c] - first.probabilities[c]) for c in first.probabilities
        )
        rows.append(
            {
                "change": name,
                "largest_change_of_probability": round(change, 4),
                "change_of_estimate": round(answer.resolution - first.resolution, 3),
            }
        )
    return rows


def _turned(data, degrees: float):
    from scipy.ndimage import rotate

    cval = float(np.median(data))
    return rotate(data, degrees, axes=(1, 2), reshape=False, order=3, cval=cval)


def confusion(published: Sequence[int], predicted: Sequence[int], count: int = 3) -> np.ndarray:
    """How many maps of each published class were given each class; ndarray (predicted, published).

    published, predicted : numbers of classes from 0
    """
    matrix = np.zeros((count, count), int)
    np.add.at(matrix, (np.asarray(predicted, int), np.asarray(published, int)), 1)
    return matrix


def confusion_rows(matrix: np.ndarray, names: Sequence[str] = CLASSES) -> list[dict[str, Any]]:
    """Table 3: a row for each predicted class, a column for each published one."""
    return [
        {"predicted": name, **{f"published {n}": int(v) for n, v in zip(names, row)}}
        for name, row in zip(names, matrix)
    ]


def measures(matrix: np.ndarray, names: Sequence[str] = CLASSES) -> list[dict[str, Any]]:
    """Table 5: sensitivity, specificity, PPV and NPV of each class, %; None where undefined."""
    rows = []
    for i, name in enumerate(names):
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


def _percent(part, whole) -> float | None:
    return None if not whole else round(100 * float(part) / float(whole), 2)
