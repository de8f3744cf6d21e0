"""What a mask of the network changes for other commands, beside that of the rule they use.

    python benchmarks/masks.py SET [--count 12] [-o FILE]

SET: folder that `cryodl experiments` wrote, on structures that were not trained on. Of every map as
deposited: how well rule and network find the molecule (intersection over union with where the 4 Å
map of the model has density), and the median of `deepres` (Å) inside the mask of either and inside
the true one.
"""

from __future__ import annotations

import numpy as np
from on_experiments import run

from cryodl.engine.bundles import load_bundle
from cryodl.engine.evaluation.single_map import overlap
from cryodl.engine.maps.mask import automatic_mask
from cryodl.engine.maps.volume import Volume
from cryodl.engine.methods.local_resolution import run_local_resolution
from cryodl.engine.methods.single_map_resolution import run_single_map_resolution
from cryodl.engine.simulate.experiment_set import VOXEL_SIZE
from cryodl.engine.training.single_map_input import molecular_target


def judge(experiment) -> dict[str, float]:
    volume = Volume(experiment.load("map"), VOXEL_SIZE)
    target = molecular_target(experiment)
    network = run_single_map_resolution(volume, load_bundle("cryores-single"))
    masks = {"rule": automatic_mask(volume), "network": network.volumes["mask"].data > 0}
    row = {"resolution": experiment.resolution}
    row |= {f"IoU, {name}": overlap(mask, target) for name, mask in masks.items()}
    bundle = load_bundle("deepres-low")
    for name, mask in (*masks.items(), ("true", target)):
        found = run_local_resolution(volume, bundle, mask=mask.astype(np.float32))
        row[f"deepres, {name}"] = found.stats["median"]
    return row


def summary(rows) -> list[str]:
    lines = []
    for name in ("rule", "network"):
        ious = [row[f"IoU, {name}"] for row in rows]
        off = [abs(row[f"deepres, {name}"] - row["deepres, true"]) for row in rows]
        lines.append(
            f"{name}: IoU {np.mean(ious):.2f} in the mean, {min(ious):.2f} at least; medians of "
            f"deepres off by {np.median(off):.2f} Å in the median, {max(off):.2f} Å at most, from "
            "those inside the true mask."
        )
    return lines


if __name__ == "__main__":
    run(__doc__.splitlines()[0], judge, summary, count=12)
