"""What a mask of the network changes for other commands, beside that of the rule they use.

    python benchmarks/masks.py SET [--count 12] [-o FILE]

SET: folder that `cryodl experiments` wrote, on structures that were not trained on. Of every map as
deposited: how well rule and network find the molecule (intersection over union with where the 4 Å
map of the model has density), and the median of `deepres` (Å) inside the mask of either and inside
the true one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cryodl.engine.bundles import load_bundle
from cryodl.engine.evaluation.single_map import overlap
from cryodl.engine.maps.mask import automatic_mask
from cryodl.engine.maps.volume import Volume
from cryodl.engine.methods.local_resolution import run_local_resolution
from cryodl.engine.methods.single_map_resolution import run_single_map_resolution
from cryodl.engine.simulate.experiment_set import VOXEL_SIZE, open_experiment_set
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", type=Path, metavar="SET")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    every = open_experiment_set(args.experiments)
    rows = []
    for experiment in every[:: max(1, len(every) // args.count)][: args.count]:
        rows.append(judge(experiment))
        print(" ".join(f"{value:.2f}" for value in rows[-1].values()), flush=True)
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(f"{value:.2f}" for value in row.values()) + " |" for row in rows]
    lines.append("")
    for name in ("rule", "network"):
        ious = [row[f"IoU, {name}"] for row in rows]
        off = [abs(row[f"deepres, {name}"] - row["deepres, true"]) for row in rows]
        lines += [f"{name}: IoU {np.mean(ious):.2f} in the mean, {min(ious):.2f} at least; medians "
                  f"of deepres off by {np.median(off):.2f} Å in the median, {max(off):.2f} Å at "
                  "most, from those inside the true mask.", ""]  # fmt: skip
    text = "\n".join(lines)
    print(text)
    if args.output:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
