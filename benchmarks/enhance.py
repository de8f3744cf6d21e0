"""Time and memory of `cryodl enhance`, whole command, and of DeepEMhancer's scheme beside it.

    python benchmarks/enhance.py [--sizes 128 256] [--runs 3] [-o benchmarks/enhance.md]

The map is that of benchmarks/speed.py. DeepEMhancer cuts a map into cubes of 64³ voxels every 16
(14³ of them for 256³, with its padding); the network is its architecture, config `paper`, with
random weights, timed on a few cubes. Every figure of ours is of a process of its own. CPU only.
Needs a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from speed import make_map, measure

CUBE, STEP = 64, 16


def paper_cubes_per_second(batch: int = 4) -> float:
    """Cubes of 64³ voxels that the published network answers in a second."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from cryodl.compute.device import prepare_device

    prepare_device("cpu")
    from cryodl import networks
    from cryodl.networks.configs import POSTPROCESS_PAPER

    model = networks.build(POSTPROCESS_PAPER)
    cubes = np.random.rand(batch, CUBE, CUBE, CUBE, 1).astype(np.float32)
    model.predict_on_batch(cubes)
    start = time.perf_counter()
    model.predict_on_batch(cubes)
    return batch / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("enhance.md"))
    args = parser.parse_args()
    rate = paper_cubes_per_second()
    lines = [
        f"Whole command, {os.cpu_count()} CPU cores, no GPU; medians of {args.runs} runs (range).",
        "",
        "| box | wall (s) | CPU (s) | peak memory (GB) | enhance (s) | `paper` (s) |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as place:
        for size in args.sizes:
            path, out = Path(place) / "map.mrc", Path(place) / "out"
            make_map(path, size)
            command = [
                sys.executable,
                "-m",
                "cryodl",
                "enhance",
                str(path),
                "-o",
                str(out),
                "--model",
                "tight",
            ]
            runs = [measure([*command, "--device", "cpu", "--overwrite"]) for _ in range(args.runs)]
            wall, cpu, memory = (statistics.median(column) for column in zip(*runs))
            stats = json.loads((out / "stats.json").read_text())
            low, high = min(r[0] for r in runs), max(r[0] for r in runs)
            cubes = ((size - CUBE) // STEP + 2) ** 3
            lines.append(
                f"| {size}³ | {wall:.1f} ({low:.1f}-{high:.1f}) | {cpu:.1f} | {memory:.2f} | "
                f"{stats['seconds']['enhance']:.1f} | {cubes / rate:,.0f} (extrapolated) |"
            )
            print(lines[-1], flush=True)
    lines += ["", f"The published network answers {rate:.2f} cubes of 64³ voxels a second.", ""]
    args.output.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
