"""Time of `cryodl classify` for a map, after its start.

    python benchmarks/classify.py [--size 128] [--maps 5] [-o benchmarks/classify.md]

The maps are those of benchmarks/speed.py (a ball of 70 % of the box), each of another size by a few
voxels, as a list of real maps has it. The network is loaded once, as the command does for many
maps; start, which is import and loading, in a process of its own, is given apart. CPU only. Needs a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from speed import make_map


def seconds(model: str, paths) -> list[float]:
    """Of the start, and of every map."""
    began = time.perf_counter()
    from cryodl.methods.resolution_class.estimate import Classifier

    classifier = Classifier(model, device="cpu")
    found = [time.perf_counter() - began]
    for path in paths:
        began = time.perf_counter()
        classifier(path)
        found.append(time.perf_counter() - began)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--maps", type=int, default=5)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(__file__).with_name("classify.md")
    )
    args = parser.parse_args()
    lines = [
        f"{args.maps} maps of about {args.size}³ voxels, {os.cpu_count()} CPU cores, no GPU; "
        "reading included.",
        "",
        "| network | start (s) | first map (s) | the others, median (range) (s) |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / f"{i}.mrc" for i in range(args.maps)]
        for i, path in enumerate(paths):
            make_map(path, args.size - 2 * (i % 3))
        for model in ("cnn", "dnn"):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                start, first, *others = fresh.submit(seconds, model, paths).result()
            lines.append(
                f"| {model} | {start:.1f} | {first:.2f} | {statistics.median(others):.2f} "
                f"({min(others):.2f}-{max(others):.2f}) |"
            )
            print(lines[-1], flush=True)
    args.output.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
