"""Experiments from particles with their true resolution: methods judged on them, the rows that are
kept of it, and tables of rows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.evaluation.tables import rank_correlation
from cryodl.files.reading import MOST_TEXT, read_bytes
from cryodl.maps.volume import Volume
from cryodl.simulation.deposition import spread
from cryodl.simulation.experiment_config import is_number
from cryodl.simulation.local_truth import (
    local_aspect_resolution,
    measure_bands,
    signal_to_noise_resolution,
)
from cryodl.simulation.reconstruction_set import StoredReconstruction, open_reconstructions

NAMES = "experiment", "method", "map"
ENHANCING = "enhance", "linear", "refined"  # methods that make maps, not resolutions
ENHANCED = "truth", "input", "enhanced", "best_bfactor"  # that a row of enhancement has
LARGEST = 1e9  # in any of its figures, which are of Å, seconds and shares


def read_judged(path: Path) -> list[dict[str, Any]]:
    """Rows of an earlier run; what was cut off or is damaged is left out, to be made again.

    Raises InputError where the file itself cannot be read.
    """
    rows = []
    for line in read_bytes(path, MOST_TEXT, "list of rows").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if _is_row(row):
            rows.append(row)
    return rows


def _is_row(row: Any) -> bool:
    """Whether this is a row as `judge` makes them, or as `enhancement.judge_enhanced` does."""
    if not isinstance(row, dict) or not isinstance(row.get("words"), list):
        return False
    if not all(isinstance(text, str) for text in [*map(row.get, NAMES), *row["words"]]):
        return False
    if not all(isinstance(row.get(name, ""), str) for name in ("bundle", "key")):
        return False
    figures = {key: row[key] for key in row.keys() - {*NAMES, "bundle", "key", "words", "failed"}}
    if not all(value is None or _is_figure(value) for value in figures.values()):
        return False
    if row["method"] in ENHANCING:
        return "relion" in row and all(figures.get(name) is not None for name in ENHANCED)
    return isinstance(row.get("failed"), str) or figures.get("truth") is not None


def _is_figure(value: Any) -> bool:
    return is_number(value) and abs(value) < LARGEST


BANDS = 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 13.0  # Å, of the median of the truth
COARSEST = BANDS[-1]  # Å; the networks name nothing coarser, and the noise of a map decides there
SCALES = 1e-12, 1e12  # of the largest density of a map
LEAST = 200  # voxels of which a row is made

# of a map or of two half maps, a prediction: Å, shape (z, y, x), 0 where there is none; and the
# half-width of its interval, or None
Method = Callable[..., "tuple[np.ndarray, np.ndarray | None]"]


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    name : of its folder;  resolution : Å, FSC 0.143 of its half maps
    half1, half2, model : Volumes on one grid;  mask, snr : ndarrays on it, bool and Å
    maps : (name, words, map, truth): Volumes as deposited, and their true resolution, Å, 0 outside
        the molecule
    atoms : file of the model's atoms in this frame, or None
    aspects : name of a map -> its true aspect resolution, likewise, where it is known: of what a
        filter is not told of, as RELION's, it is not
    """

    name: str
    resolution: float
    half1: Volume
    half2: Volume
    model: Volume
    mask: np.ndarray
    snr: np.ndarray
    maps: list[tuple[str, list[str], Volume, np.ndarray]]
    atoms: Path | None = None
    aspects: dict[str, np.ndarray] = field(default_factory=dict)


def open_experiments(folders: Iterable[str | Path]) -> list[StoredReconstruction]:
    """All experiments of folders: sets, folders that are one experiment, and folders of these.

    Raises InputError where there is none.
    """
    found = [stored for folder in folders for stored in open_reconstructions(folder)]
    names = [stored.folder.name for stored in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"two experiments are named {twice}: give their sets one after the other")
    return found


def load(stored: StoredReconstruction) -> Experiment:
    """Read an experiment, and measure its truth on the grid of its half maps.

    Raises InputError where a map is missing or none, or lies on another grid, or on no cube.
    """
    names = "half1", "half2", "signal", "model", "mask"
    half1, half2, signal, model, region = (_finite(stored, name) for name in names)
    for name, volume in zip(names, (half1, half2, signal, model, region)):
        if volume.shape != half1.shape or len(set(volume.shape)) > 1:
            raise InputError(
                f"experiment {stored.folder}: {name} has {volume.size} voxels and half1"
                f" {half1.size}; the truth is measured in cubes of one size"
            )
    mask = region.data > 0.5
    if not mask.any() or not signal.data[mask].any():
        raise InputError(f"experiment {stored.folder} has no signal inside its mask")
    full = half1.with_data((half1.data + half2.data) / 2)
    # another program's scale: noise is no more like the signal than by chance
    scale = np.sum(full.data[mask] * signal.data[mask]) / np.sum(np.square(signal.data[mask]))
    noiseless = signal.data * np.float32(scale)
    bands = measure_bands(noiseless, full.data - noiseless, model.data, half1.voxel_size)
    finest = 2 * half1.voxel_size
    snr = spread(signal_to_noise_resolution(bands, finest), half1, bands.spacing) * mask
    if stored.has("map"):
        words = list(stored.info.get("deposition", [])) or ["raw"]
        given, truth = _finite(stored, "map"), _finite(stored, "snr")
        if given.shape != truth.shape:
            raise InputError(
                f"experiment {stored.folder}: map has {given.size} voxels, its truth {truth.size}"
            )
        maps = [("deposited", words, given, truth.data)]
        aspects = {"deposited": _finite(stored, "aspect").data} if stored.has("aspect") else {}
    else:
        maps = [("unfiltered", ["raw"], full, snr)]
        looks = local_aspect_resolution(bands, np.ones(len(bands.frequencies)), finest)
        aspects = {"unfiltered": spread(looks, half1, bands.spacing) * mask}
    if stored.has("post"):
        post = _finite(stored, "post")
        if post.shape != half1.shape:
            raise InputError(
                f"experiment {stored.folder}: post has {post.size} voxels and half1 {half1.size}"
            )
        maps.append(("post-processed", ["sharpened"], post, snr))
    info = stored.info
    resolution = info.get("resolution") or info.get("fsc_masked_relion")
    if not resolution:
        raise InputError(f"{stored.folder} does not say the resolution of its half maps")
    return Experiment(
        stored.folder.name, float(resolution), half1, half2, model, mask, snr, maps,
        stored.atoms(), aspects,
    )  # fmt: skip


def _finite(stored: StoredReconstruction, name: str) -> Volume:
    """A map of an experiment, of densities whose squares float32 holds, too."""
    volume = stored.volume(name)
    if not np.isfinite(volume.data).all():
        raise InputError(f"experiment {stored.folder}: {name} has values that are NaN or infinite")
    largest = float(np.abs(volume.data).max())
    if largest and not SCALES[0] <= largest <= SCALES[1]:
        raise InputError(
            f"experiment {stored.folder}: {name} has densities up to {largest:.3g}, and their"
            f" squares are summed: scale the maps to between {SCALES[0]:g} and {SCALES[1]:g}"
        )
    return volume


def judge(
    experiment: Experiment, single: dict[str, Method], halves: dict[str, Method]
) -> Iterator[dict[str, Any]]:
    """Run methods on an experiment, yielding a row for each method and map.

    single, halves : methods by name, of a map and of two half maps; those whose name begins with
        "aspect" answer with aspect resolution
    """
    for given, words, volume, snr in experiment.maps:
        for name, method in single.items():
            truth = experiment.aspects.get(given) if name.startswith("aspect") else snr
            if truth is None:
                continue
            yield _row(experiment, name, given, words, truth, partial(method, volume))
    for name, method in halves.items():
        predict = partial(method, experiment.half1, experiment.half2)
        yield _row(experiment, name, "half maps", [], experiment.snr, predict)


def _row(experiment: Experiment, method: str, given: str, words, truth, predict) -> dict[str, Any]:
    start = time.process_time()
    row: dict[str, Any] = {
        "experiment": experiment.name, "method": method, "map": given, "words": words,
        "fsc": experiment.resolution,
    }  # fmt: skip
    inside = truth > 0
    if inside.sum() < LEAST:
        return row | {"failed": f"{inside.sum()} voxels of the molecule are in the map"}
    row["truth"] = float(np.median(truth[inside]))
    try:
        values, half_width = predict()
    except InputError as error:
        return row | {"failed": str(error)}
    return row | measures(truth, values, half_width) | {"seconds": time.process_time() - start}


def measures(truth, values, half_width=None) -> dict[str, float | None]:
    """Errors of a prediction in Å, over the voxels of the molecule that it has.

    truth, values, half_width : ndarrays (z, y, x), Å; 0 is no truth, or no prediction

    Returns answered (share of the molecule), rmse, rmse_to_13 (where anything coarser than COARSEST
    counts as COARSEST), bias, rank (Spearman's, within the map; None where the truth is one),
    covered (share of intervals that hold the truth).
    """
    inside = truth > 0
    known = inside & (values > 0) & np.isfinite(values)
    found: dict[str, float | None] = {"answered": float(known.sum() / inside.sum())}
    if known.sum() < LEAST:
        return found
    off = values[known].astype(float) - truth[known]
    within = np.minimum(values[known], COARSEST) - np.minimum(truth[known], COARSEST)
    every = slice(None, None, max(1, known.sum() // 20_000))
    found |= {
        "median": float(np.median(values[known])),
        "rmse": float(np.sqrt(np.mean(off**2))),
        "rmse_to_13": float(np.sqrt(np.mean(within.astype(float) ** 2))),
        "bias": float(off.mean()),
        "rank": rank_correlation(truth[known][every], values[known][every]),
    }
    if half_width is not None:
        found["covered"] = float(np.mean(np.abs(off) <= half_width[known]))
    return found


def tables(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict]]:
    """Summaries of rows: of everything, by band of the true median, by what was done to the map."""
    methods = list(dict.fromkeys((r["method"], r["map"]) for r in rows))
    by_band, by_deposition = [], []
    words = sorted({word for r in rows for word in r["words"]})
    for method, given in methods:
        own = [r for r in rows if (r["method"], r["map"]) == (method, given)]
        for low, high in zip(BANDS, [*BANDS[1:], np.inf]):
            held = [r for r in own if low <= r.get("truth", 0) < high]
            band = f"{low:g}-{high:g}" if high < np.inf else f"beyond {low:g}"
            if held:
                by_band.append(_summary(held, method=method, map=given, band=band))
        for word in words:
            held = [r for r in own if word in r["words"]]
            if held:
                by_deposition.append(_summary(held, method=method, map=given, deposition=word))
    overall = [
        _summary([r for r in rows if (r["method"], r["map"]) == key], method=key[0], map=key[1])
        for key in methods
    ]
    return {"overall": overall, "by_band": by_band, "by_deposition": by_deposition}


def _summary(rows, **names) -> dict[str, Any]:
    """Means over experiments, each of which weighs the same; of RMSE, the root of the squares'."""

    def of(key: str):
        return [r[key] for r in rows if r.get(key) is not None]

    def mean(key: str):
        values = of(key)
        return round(float(np.mean(values)), 3) if values else None

    def root(key: str):
        values = of(key)
        return round(float(np.sqrt(np.mean(np.square(values)))), 3) if values else None

    return {
        **names,
        "experiments": len(rows),
        "no_answer": len(rows) - len(of("rmse")),
        "rmse": root("rmse"),
        "rmse_to_13": root("rmse_to_13"),
        "bias": mean("bias"),
        "rank": mean("rank"),
        "covered": mean("covered"),
        "answered": mean("answered"),
        "cpu_seconds": round(float(np.median(of("seconds"))), 1) if of("seconds") else None,
    }
