"""Where a map and its model stand among those of the EMDB archive, by quantiles that are shipped.

They come from the table of the EMDB's validation analysis; `benchmarks/archive_quantiles.py` makes
them, and `archive.json` says of what and when. The archive's Q-scores have a sigma of 0.4 Å.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

SIGMA = 0.4  # Å, of the archive's Q-scores
Q, INCLUSION = "q_score_sigma_0.4", "atom_inclusion"


@lru_cache
def table() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("archive.json").read_text(encoding="utf-8"))


def standing(
    q_score: float, resolution: float | None, inclusion: float | None = None
) -> dict[str, Any]:
    """Percentiles of a map with its model among the archive's entries.

    q_score : mean over atoms, sigma 0.4 Å;  resolution : Å, claimed, or None
    inclusion : share of atoms above the recommended level, or None

    Returns a dict: "source", "date", "entries"; "resolution_of_q", Å, at which the archive's median
    has this Q (the nearest end where none has); and, with a resolution, "q_percentile",
    "inclusion_percentile", 0 to 100, "entries_alike", "expected_q" (the archive's median there).
    """
    known = table()
    bins = known["bins"]
    places = np.array([one["resolution"] for one in bins])
    middle = known["shares"].index(0.5)
    medians = np.array([one[Q][middle] for one in bins])
    found: dict[str, Any] = {key: known[key] for key in ("source", "date", "entries")}
    found["resolution_of_q"] = round(float(np.interp(-q_score, -medians, places)), 3)
    if resolution is None:
        return found
    nearest = int(np.argmin(np.abs([_away(one, resolution) for one in bins])))
    found["entries_alike"] = bins[nearest]["entries"]
    found["resolutions_alike"] = [bins[nearest]["from"], bins[nearest]["to"]]
    found["expected_q"] = round(float(np.interp(resolution, places, medians)), 4)
    for name, column, value in (("q", Q, q_score), ("inclusion", INCLUSION, inclusion)):
        if value is None:
            continue
        quantiles = np.array([one[column] for one in bins])
        here = [np.interp(resolution, places, line) for line in quantiles.T]
        found[f"{name}_percentile"] = round(100 * float(np.interp(value, here, known["shares"])), 1)
    return found


def _away(one: dict[str, Any], resolution: float) -> float:
    return max(one["from"] - resolution, resolution - one["to"], 0.0)
