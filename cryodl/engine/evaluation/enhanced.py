"""How much like its model a map is, before and after enhancement, and with the best B-factor.

The measure is the correlation, over the voxels within 3 Å of an atom, with the density of the model
low-passed to the resolution of the half maps. The best B-factor is searched with that measure
itself, so it bounds what any B-factor reaches: no one without the model could find it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..maps.sharpen import apply_bfactor
from ..maps.volume import Volume
from ..reference.halves import half_sum
from ..simulate.filters import raised_cosine
from ..simulate.fourier_box import FourierBox
from .postprocess import weight_by_fsc
from .reconstructions import BANDS, Experiment

STEPS = 160.0, 40.0, 10.0  # Å², of the search for the best B-factor
LARGEST = 1200.0  # Å²


def judge_enhanced(experiment: Experiment, enhance: Callable[[Volume, Volume], Any]) -> dict:
    """A row: correlations of the mean of two half maps, and of what is made of it.

    enhance : of two half maps, the enhanced density on their grid, ndarray (z, y, x)
    """
    full = half_sum(experiment.half1, experiment.half2)
    wanted = low_passed(experiment.model, experiment.resolution)[experiment.mask]

    def alike(data) -> float:
        return float(np.corrcoef(data[experiment.mask], wanted)[0, 1])

    weighted, _ = weight_by_fsc(full, (experiment.half1, experiment.half2),
                                experiment.mask.astype(np.float32))  # fmt: skip
    bfactor, best = best_bfactor(weighted, alike)
    post = next((v for name, _, v, _ in experiment.maps if name == "post-processed"), None)
    return {
        "experiment": experiment.name, "method": "enhance", "map": "half maps", "words": [],
        "fsc": experiment.resolution, "truth": float(np.median(experiment.snr[experiment.mask])),
        "input": alike(full.data),
        "enhanced": alike(enhance(experiment.half1, experiment.half2)),
        "best_bfactor": best, "bfactor": bfactor,
        "relion": alike(post.data) if post is not None else None,
    }  # fmt: skip


def best_bfactor(volume: Volume, alike: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """The B-factor in Å² that makes a map most alike, and how much; uphill from none."""
    found: dict[float, float] = {}
    best = 0.0
    for step in STEPS:
        tries = [best, best - step, best + step]
        while tries:
            for bfactor in tries:
                found[bfactor] = alike(apply_bfactor(volume, bfactor).data)
            best = max(found, key=lambda b: found[b])
            tries = [b for b in (best - step, best + step) if b not in found and abs(b) <= LARGEST]
    return best, found[best]


def low_passed(volume: Volume, resolution: float) -> np.ndarray:
    """A cubic map with nothing finer than a resolution in Å, softly ended; ndarray (n, n, n)."""
    box = FourierBox(volume.shape[0], volume.voxel_size)
    gain = raised_cosine(box.frequencies, resolution, 0.1 / resolution)
    return box.to_map(box.to_spectrum(volume.data), gain)


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
        entry["better_than_best_bfactor"] = sum(r["enhanced"] > r["best_bfactor"] for r in held)
        entry["worse_than_input"] = sum(r["enhanced"] < r["input"] for r in held)
        table.append(entry)
    return table
