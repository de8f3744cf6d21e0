"""Enhanced maps of experiments from particles, beside their models: correlation, FSC, Q, trust.

Beside each stands what one B-factor reaches that knows the truth, what RELION made where it did,
and the map that went in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation

from cryodl.evaluation.reconstructions import BANDS, Experiment
from cryodl.filters.sharpen import apply_bfactor
from cryodl.filters.shells import correlate, shell_frequencies, transform
from cryodl.half_maps.fsc import cut_out, resolution_at, soft_mask
from cryodl.half_maps.pair import half_sum
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.evaluate import uphill, weight_by_fsc
from cryodl.methods.enhance.refined.correct import departure
from cryodl.methods.quality.model import read_atoms
from cryodl.methods.quality.q_score import q_scores
from cryodl.simulation.filters import FourierBox, raised_cosine

HALVES = "half maps"  # what a row's "map" is of these
ONE_MAP = "unfiltered", "post-processed"  # single maps that lie on the model's grid
STEPS = 160.0, 40.0, 10.0  # Å², of the search for the best B-factor
LARGEST = 1200.0  # Å²
NEAR = 3.0  # Å around the mask that are still the molecule's
TRUSTS = np.linspace(0.5, 1.0, 11)  # edges of bins


def judge_enhanced(
    experiment: Experiment, enhance: Callable[..., Any], method: str = "enhance"
) -> list[dict]:
    """Rows of half maps and of single maps on their grid: of what went in and of what was made of
    it the correlation with the model, the resolution by it ("fsc_input", "fsc_enhanced", Å), the
    mean Q-score of its atoms where the experiment holds them, the share of the density made that
    lies outside the molecule, and how often a trust was right.

    enhance : of two half maps, or of one map, the enhanced density, its trust or None, Volumes,
        and the resolution (Å) to which it was filtered, of one with a trust
    method : for the rows
    """
    full = half_sum(experiment.half1, experiment.half2)
    wanted = low_passed(experiment.model, experiment.resolution)
    model = wanted[experiment.mask]
    weights = soft_mask(experiment.mask, full.voxel_size)
    away = ~binary_dilation(experiment.mask, iterations=max(1, round(NEAR / full.voxel_size)))
    atoms = None if experiment.atoms is None else read_atoms(experiment.atoms).positions

    def correlation(data) -> float:
        return float(np.corrcoef(data[experiment.mask], model)[0, 1])

    def figures(volume: Volume) -> dict[str, float | None]:
        return {
            "correlation": correlation(volume.data),
            "fsc": model_fsc(volume.data, experiment.model, weights),
            "q": None if atoms is None else float(np.mean(q_scores(atoms, volume))),
        }

    halves = experiment.half1, experiment.half2
    weighted, _ = weight_by_fsc(full, halves, experiment.mask.astype(np.float32))
    bfactor, best = best_bfactor(weighted, correlation)
    given = {HALVES: full} | {n: volume for n, _, volume, _ in experiment.maps if n in ONE_MAP}
    before = {name: figures(volume) for name, volume in given.items()}
    post = before.get("post-processed", {})
    common = {
        "experiment": experiment.name, "method": method, "words": [], "fsc": experiment.resolution,
        "truth": float(np.median(experiment.snr[experiment.mask])),
        "best_bfactor": best, "bfactor": bfactor,
        "relion": post.get("correlation"), "q_relion": post.get("q"),
    }  # fmt: skip
    rows = []
    for name, volume in given.items():
        made, trust, filtered = enhance(*halves) if name == HALVES else enhance(volume)
        was, became = before[name], figures(made)
        rows.append({
            **common, "map": name,
            "input": was["correlation"], "enhanced": became["correlation"],
            "fsc_input": was["fsc"], "fsc_enhanced": became["fsc"],
            "q_input": was["q"], "q_enhanced": became["q"],
            "outside": _outside(made.data, away),
        })  # fmt: skip
        if trust is not None:
            rows[-1] |= _trusted(made, trust, experiment.model, filtered)
    return rows


def _outside(data: np.ndarray, away: np.ndarray) -> float:
    """Share of the positive density that lies away from the molecule."""
    shown = np.maximum(data, 0)
    return float(shown[away].sum() / max(float(shown.sum()), 1e-30))


def _trusted(made: Volume, trust: Volume, model: Volume, resolution: float) -> dict[str, float]:
    """Voxels by bin of trust, the trust that they have in the mean, and how often it was right.

    It speaks of the map's own voxels, at the resolution (Å) to which the map was filtered.
    """
    told, voxels = trust.data, resolution / made.voxel_size
    true = low_passed(model, resolution)
    right = np.sign(departure(made.data, voxels)) == np.sign(departure(true, voxels))
    found: dict[str, float] = {}
    for number, (low, high) in enumerate(zip(TRUSTS[:-1], TRUSTS[1:])):
        held = (told >= low) & ((told < high) | (number == len(TRUSTS) - 2))
        if held.any():
            found |= {f"voxels_{number}": int(held.sum()),
                      f"trust_{number}": float(told[held].mean()),
                      f"right_{number}": float(right[held].mean())}  # fmt: skip
    return found


def model_fsc(data, model: Volume, weights) -> float:
    """Resolution (Å) at which the FSC of a map with its model falls to 0.5 within a soft mask.

    Both are compared as they are: were their shells levelled together, the figure would depend on
    the unit of the map.
    """
    spectra = [transform(cut_out(each, weights)) for each in (data, model.data)]
    _, curve = correlate(spectra, model.shape)
    frequencies = shell_frequencies(model.shape, model.voxel_size)
    return float(resolution_at(frequencies, curve, 0.5) or model.box[0])


def best_bfactor(volume: Volume, score: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """The B-factor in Å² with which a map scores best, and that score; uphill from none."""
    return uphill(lambda b: score(apply_bfactor(volume, b).data), 0.0, STEPS, LARGEST)


def low_passed(volume: Volume, resolution: float) -> np.ndarray:
    """A cubic map with nothing finer than a resolution in Å, softly ended; ndarray (n, n, n)."""
    box = FourierBox(volume.shape[0], volume.voxel_size)
    gain = raised_cosine(box.frequencies, resolution, 0.1 / resolution)
    return box.to_map(box.to_spectrum(volume.data), gain)


def enhancement_tables(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict]]:
    """Tables by name: of each method and kind of map, and of its trust."""
    found = {}
    for name in dict.fromkeys(r["method"] for r in rows):
        for kind in dict.fromkeys(r["map"] for r in rows):
            own = [r for r in rows if (r["method"], r["map"]) == (name, kind)]
            title = name if kind == HALVES else f"{name}-{kind}"
            found[title] = enhanced_table(own)
            found[f"{title}-trust"] = trust_table(own)
    return found


def trust_table(rows: Sequence[dict[str, Any]]) -> list[dict]:
    """Of all voxels in a bin of trust: the trust in the mean, and the share that was right."""
    table = []
    for number in range(len(TRUSTS) - 1):
        held = [r for r in rows if r.get(f"voxels_{number}")]
        voxels = [r[f"voxels_{number}"] for r in held]
        if not held:
            continue
        trust, right = (
            float(np.average([r[f"{name}_{number}"] for r in held], weights=voxels))
            for name in ("trust", "right")
        )
        table.append({"trust": round(trust, 3), "right": round(right, 3),
                      "off": round(trust - right, 3), "voxels": sum(voxels)})  # fmt: skip
    return table


def enhanced_table(rows: Sequence[dict[str, Any]]) -> list[dict]:
    """Mean correlations by band of the true median resolution."""
    table = []
    for low, high in [*zip(BANDS[:-1], BANDS[1:]), (BANDS[0], BANDS[-1])]:
        held = [r for r in rows if low <= r["truth"] < high]
        if not held:
            continue
        entry: dict[str, Any] = {"band": f"{low:g}-{high:g}", "experiments": len(held)}
        for key in ("enhanced", "input", "best_bfactor", "relion"):
            values = [r[key] for r in held if r[key] is not None]
            entry[key] = round(float(np.mean(values)), 3) if values else None
        gains = [r["enhanced"] - _best(r) for r in held]
        entry["gain_median"], entry["gain_least"] = _rounded(np.median(gains), np.min(gains))
        pairs = [(r["fsc_input"], r["fsc_enhanced"]) for r in held if r.get("fsc_input")]
        if pairs:
            before, after = np.array(pairs).T
            entry["fsc_input"], entry["fsc_enhanced"] = _rounded(
                np.median(before), np.median(after)
            )
            entry["fsc_gain"], entry["fsc_least"] = _rounded(
                np.median(before - after), np.min(before - after)
            )
        scored = [r for r in held if r.get("q_enhanced") is not None]
        if scored:
            for key in ("q_input", "q_enhanced", "q_relion"):
                values = [r[key] for r in scored if r.get(key) is not None]
                entry[key] = round(float(np.mean(values)), 3) if values else None
            gains = [r["q_enhanced"] - r["q_input"] for r in scored]
            entry["q_gain_median"], entry["q_gain_least"] = _rounded(np.median(gains), min(gains))
        outside = [r["outside"] for r in held if r.get("outside") is not None]
        if outside:
            entry["outside_median"], entry["outside_most"] = _rounded(
                np.median(outside), np.max(outside)
            )
        entry["better_than_best_bfactor"] = sum(r["enhanced"] > r["best_bfactor"] for r in held)
        entry["worse_than_input"] = sum(r["enhanced"] < r["input"] for r in held)
        table.append(entry)
    return table


def _best(row: dict[str, Any]) -> float:
    """The best correlation of the maps beside an enhanced one: of half maps all of them, of one map
    that which went in."""
    names = ("input", "best_bfactor", "relion") if row["map"] == HALVES else ("input",)
    return max(row[name] for name in names if row[name] is not None)


def _rounded(*values) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
