"""FSC in cones on reconstructions whose views are known to be even, or not.

    python benchmarks/directional.py EXPERIMENT... [-o directional.md]

EXPERIMENT : folders with half1, half2 and experiment.json, as `cryodl experiments` or RELION made
them. The share of preferred views is "prefer", or of the config "preferred".
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from cryodl.evaluation.reconstructions import load, open_experiments
from cryodl.half_maps.directional import directional_fsc
from cryodl.half_maps.fsc import estimate_within, mask_of_halves

HEAD = (
    "| map | preferred views | resolution (Å) | cones (Å) | area ratio | spread | by chance | "
    "anisotropic | s |"
)


def row(folder: Path) -> str:
    """A row of the table."""
    info = json.loads((folder / "experiment.json").read_text("utf-8"))
    preferred = info.get("prefer", info.get("config", {}).get("preferred", 0.0))
    [stored] = open_experiments([folder])
    made = load(stored)
    weights, curve = estimate_within(made.half1, made.half2, mask_of_halves(made.half1, made.half2))
    start = time.perf_counter()
    cones = directional_fsc(made.half1, made.half2, weights, curve)
    seconds = time.perf_counter() - start
    mean = cones.areas.mean()
    return (
        f"| {folder.name} | {preferred:.0%} | {curve.resolution():.2f} | "
        f"{cones.resolutions.min():.2f}-{cones.resolutions.max():.2f} | {cones.area_ratio:.2f} | "
        f"{cones.areas.std() / mean:.3f} | {cones.chance / mean:.3f} | "
        f"{'yes' if cones.anisotropic else 'no'} | {seconds:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    lines = [HEAD, "|---" * 9 + "|"]
    for folder in args.experiments:
        lines.append(row(folder))
        print(lines[-1], flush=True)
    if args.output:
        args.output.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
