"""The half-map estimators on simulated experiments, whose local resolution is known.

    python benchmarks/half_maps_experiments.py SET [--count 10] [-o FILE]

SET: folder that `cryodl experiments` wrote. Experiments of 3 to 8 Å, spread over the set; estimates
inside the true mask. "spread" is between the 10 and 90 % percentiles of the true local resolution:
where it is small there is little to put in order.
"""

from __future__ import annotations

import numpy as np
from on_experiments import run

from cryodl.evaluation.tables import rank_correlation
from cryodl.half_maps.local_fsc import local_fsc
from cryodl.half_maps.monogenic import monogenic_resolution
from cryodl.half_maps.pair import half_difference, half_sum
from cryodl.maps.volume import Volume
from cryodl.simulation.experiment_set import VOXEL_SIZE

BEST, WORST = 3.0, 8.0  # Å
CLEAR = 0.5  # Å, of the spread


def judge(experiment) -> dict:
    """Medians (Å) and rank correlations of both estimators on one experiment."""
    inside = experiment.load("mask") > 0
    half1, half2 = (Volume(experiment.load(name), VOXEL_SIZE) for name in ("half1", "half2"))
    truth = experiment.load("snr")[inside]
    low, median, high = np.percentile(truth, (10, 50, 90))
    row = {"asked": experiment.resolution, "truth": median, "spread": high - low}
    found = {
        "localfsc": local_fsc(half1, half2, inside, global_resolution=experiment.resolution),
        "monogenic": monogenic_resolution(
            half_sum(half1, half2), inside, half_difference(half1, half2)
        ),
    }
    for name, (values, _) in found.items():
        row[name] = float(np.median(values[inside]))
        row[f"{name}, rank"] = rank_correlation(truth[::7], values[inside][::7]) or 0.0
    return row


def summary(rows) -> list[str]:
    lines = []
    for name in ("localfsc", "monogenic"):
        errors = np.abs([row[name] - row["truth"] for row in rows])
        ranks = [row[f"{name}, rank"] for row in rows]
        clear = [r[f"{name}, rank"] for r in rows if r["spread"] >= CLEAR]
        lines.append(
            f"{name}: median off by {np.median(errors):.2f} Å in the median, {errors.max():.2f} Å "
            f"at most; rank correlation {np.median(ranks):.2f} in the median, "
            f"{np.median(clear):.2f} in the {len(clear)} with a spread of {CLEAR:g} Å or more."
        )
    return lines


def fits(experiment) -> bool:
    return BEST <= experiment.resolution <= WORST


if __name__ == "__main__":
    run(__doc__.splitlines()[0], judge, summary, count=10, fits=fits)
