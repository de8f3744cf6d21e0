"""How often real maps with right and wrong voxel sizes draw a warning.

    python benchmarks/voxel_size.py MAPS [-o benchmarks/voxel_size.md]

MAPS: tab-separated table with file and resolution_A, as for `cryodl evaluate`. Each map is judged
with its own voxel size, and with one too large and one too small by a quarter. None of them was
trained on; on simulated experiments `cryodl train voxel-size` measures.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from cryodl.checks.voxel_size import read_features, threshold, voxel_size_factor
from cryodl.evaluation.tables import read_table
from cryodl.maps.mask import coarse_mask
from cryodl.maps.mrc import read_map

FACTORS = 1.0, 1.25, 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("maps", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    lines = [
        "| map | claimed (Å) | " + " | ".join(f"factor told of {f:g}" for f in FACTORS) + " |",
        "|---" * (len(FACTORS) + 2) + "|",
    ]
    warned: dict[float, list[bool]] = {factor: [] for factor in FACTORS}
    for path, claimed, voxel in read_table(args.maps):
        volume, cells = read_map(path, voxel), []
        for factor in FACTORS:
            changed = replace(volume, voxel_size=volume.voxel_size * factor)
            told, wrong = voxel_size_factor(read_features(changed, coarse_mask(changed)))
            warned[factor].append(wrong >= threshold())
            cells.append(f"{told:.2f} ({wrong:.0%}{', warned' * warned[factor][-1]})")
        lines.append(f"| {path.name} | {claimed:g} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    wrong_ones = [*warned[FACTORS[1]], *warned[FACTORS[2]]]
    lines += [
        "",
        f"Warned of: {sum(warned[1.0])} of {len(warned[1.0])} with their own voxel size, "
        f"{sum(wrong_ones)} of {len(wrong_ones)} with a wrong one. In brackets the probability "
        "that the voxel size is clearly wrong.",
    ]
    print(lines[-1])
    if args.output:
        args.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
