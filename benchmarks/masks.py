"""What a mask of the network changes for other commands, beside that of the rule they use.

    python benchmarks/masks.py SET [--count 12] [-o FILE]

SET: folder that `cryodl experiments` wrote, on structures that were not trained on. Of every map as
deposited: how well rule and network find the molecule (intersection over union with where the 4 Å
map of the model has density), and, with the mask of either and with the true one: the median of
`deepres` (Å); the FSC-0.143 of the half maps (Å); and how far `monogenic`, which measures the noise
of the halves' mean outside the mask, is from the simulated local resolution (median, Å).
"""

from __future__ import annotations

import numpy as np
from on_experiments import run

from cryodl.half_maps.monogenic import monogenic_resolution
from cryodl.half_maps.pair import half_sum
from cryodl.maps.mask import automatic_mask
from cryodl.maps.volume import Volume
from cryodl.methods.cryores.predict import overlap
from cryodl.methods.cryores.run import run_single_map_resolution
from cryodl.methods.deepres.run import run_local_resolution
from cryodl.methods.fsc import run_fsc
from cryodl.networks.bundle import load_bundle
from cryodl.simulation.experiment_set import VOXEL_SIZE
from cryodl.training.augment import molecular_target


def judge(experiment) -> dict[str, float]:
    volume = Volume(experiment.load("map"), VOXEL_SIZE)
    target = molecular_target(experiment)
    network = run_single_map_resolution(volume, load_bundle("cryores-single"))
    masks = {"rule": automatic_mask(volume), "network": network.volumes["mask"].data > 0}
    row = {"resolution": experiment.resolution}
    row |= {f"IoU, {name}": overlap(mask, target) for name, mask in masks.items()}
    bundle = load_bundle("deepres-low")
    masks["true"] = target
    for name, mask in masks.items():
        found = run_local_resolution(volume, bundle, mask=mask.astype(np.float32))
        row[f"deepres, {name}"] = found.stats["median"]
    halves = [Volume(experiment.load(name), VOXEL_SIZE) for name in ("half1", "half2")]
    for name, mask in masks.items():
        row[f"fsc, {name}"] = run_fsc(*halves, mask=mask).stats["resolution_0.143"]
    mean, truth = half_sum(*halves), experiment.load("snr")
    for name, mask in masks.items():
        values, _ = monogenic_resolution(mean, mask)
        both = mask & target & (truth > 0)
        row[f"monogenic off, {name}"] = float(np.median(np.abs(values - truth)[both]))
    return row


def summary(rows) -> list[str]:
    lines = []
    for name in ("rule", "network"):
        ious = [row[f"IoU, {name}"] for row in rows]
        lines.append(f"{name}: IoU {np.mean(ious):.2f} in the mean, {min(ious):.2f} at least.")
        for what in ("deepres", "fsc", "monogenic off"):
            off = [abs(row[f"{what}, {name}"] - row[f"{what}, true"]) for row in rows]
            lines[-1] += (
                f" {what}: {np.median(off):.2f} Å in the median, {max(off):.2f} Å at most, from "
                "what the true mask gives."
            )
    return lines


if __name__ == "__main__":
    run(__doc__.splitlines()[0], judge, summary, count=12)
