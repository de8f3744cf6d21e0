"""Networks on simulated experiments, which stand in for real maps with a truth that is known."""

from __future__ import annotations

import numpy as np

from ..methods.local_resolution import run_local_resolution
from ..simulate.simulated_experiment import simulate_experiment
from .real import rank_correlation

ASKED = (3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0)  # Å, FSC 0.143 of the half maps


def experiments(structures, bundle, *, asked=ASKED, seed=0):
    """Judge the deposited map of an experiment on each structure, at each resolution in turn.

    structures : list of Structure, unseen in training
    bundle : Bundle, or its name or folder
    asked : Å, resolutions of the experiments

    Returns rows: medians inside the molecule of the truth (signal to noise) and of the network, on
    the map as deposited and flattened up to the resolution asked; the rank correlation of the
    latter with the local truth, where that varies.
    """
    rows = []
    for number, structure in enumerate(structures):
        resolution = asked[number % len(asked)]
        made = simulate_experiment(
            structure, {"resolution": resolution, "voxel_size": [0.8, 2.0]}, seed + number
        )
        volume = made.volume("map")
        mask = volume.with_data(made.mask.astype(np.float32))
        entry = {
            "structure": structure.name,
            "asked": resolution,
            "voxel_size": round(made.voxel_size, 2),
            "truth": round(float(np.median(made.snr[made.mask])), 2),
        }
        for name, options in (
            ("deposited", {}),
            ("automatic", {"sharpen": "auto"}),
            ("flattened", {"sharpen": "auto", "claimed": resolution}),  # up to where its FSC says
        ):
            result = run_local_resolution(volume, bundle, mask=mask, **options)
            values = result.volumes["resolution"].data[made.mask]
            entry[name] = round(float(np.median(values)), 2)
        known = values > 0
        entry["local_rank"] = rank_correlation(made.snr[made.mask][known], values[known])
        rows.append(entry)
    return rows


def summarise(rows):
    """Mean |median - truth|, bias (Å) and rank correlation of the medians, by treatment."""
    truth = np.array([r["truth"] for r in rows])
    summary = []
    for name in ("deposited", "automatic", "flattened"):
        values = np.array([r[name] for r in rows])
        summary.append(
            {
                "experiments": len(rows),
                "treatment": name,
                "mean_error": round(float(np.mean(np.abs(values - truth))), 3),
                "median_error": round(float(np.median(np.abs(values - truth))), 3),
                "bias": round(float(np.mean(values - truth)), 3),
                "rank_correlation": rank_correlation(truth, values),
            }
        )
    return summary
