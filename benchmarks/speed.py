"""Time and memory of `cryodl localres`, whole command, and of the published network beside it.

    python benchmarks/speed.py [--sizes 128 256 512] [--runs 3] [-o benchmarks/speed.md]

The map is a ball of simulated protein-like density (diameter: 70 % of the box) at 4 Å in noise, at
1 Å per voxel. Every figure is of a process of its own, as a user starts it: import, reading,
prediction, figures and all. CPU only. Needs a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np


def make_map(path: Path, size: int) -> None:
    """Band-limited noise with atoms' spectrum to 4 Å inside a ball, and weak noise everywhere."""
    from cryodl.filters.sharpen import reference_log_amplitude
    from cryodl.maps.mrc import write_map
    from cryodl.maps.volume import Volume
    from cryodl.simulation.filters import bin_frequencies, frequency_bins, raised_cosine

    rng = np.random.default_rng(0)
    spectrum = np.fft.rfftn(rng.standard_normal((size,) * 3, dtype=np.float32))
    s = bin_frequencies((size,) * 3, 1.0)
    gain = np.exp(reference_log_amplitude(s)) * raised_cosine(s, 4.0, 0.02)
    spectrum *= gain.astype(np.float32)[frequency_bins((size,) * 3)]
    data = np.fft.irfftn(spectrum, s=(size,) * 3, axes=(0, 1, 2)).astype(np.float32)
    del spectrum
    data = data / data.std() + 2
    axis = np.arange(size, dtype=np.float32) - size / 2
    r2 = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    data *= r2 < (0.35 * size) ** 2
    data += 0.3 * rng.standard_normal((size,) * 3, dtype=np.float32)
    write_map(path, Volume(data, 1.0), overwrite=True)


def measure(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory (GB) of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, _, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = 0
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def peak_arithmetic() -> float:
    """Multiply-adds a second of a large float32 matrix product in Keras's library."""
    from keras import ops

    n = 4096
    a, b = (ops.convert_to_tensor(m) for m in np.random.rand(2, n, n).astype(np.float32))
    np.asarray(ops.matmul(a, b))
    start = time.perf_counter()
    for _ in range(3):
        np.asarray(ops.matmul(a, b))
    return 3 * n**3 / (time.perf_counter() - start)


def network_work(spec) -> float:
    """Multiply-adds of the network for a step of its grid (eight voxels)."""
    c = spec["network"]
    half = 27 * c["half"] * (c["channels"] + 3 * c["half"]) + c["half"] * c["bins"]
    quarter = 8 * c["half"] * c["quarter"] + c["quarter"] * c["half"]
    quarter += 2 * c["quarter_blocks"] * 27 * c["quarter"] ** 2
    return half + quarter / 8


def paper_windows_per_second() -> float:
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from cryodl.compute.device import prepare_device

    prepare_device("cpu")
    from cryodl import networks
    from cryodl.networks.configs import PAPER

    model = networks.build(PAPER)
    windows = np.random.rand(64, 13, 13, 13, 1).astype(np.float32)
    model.predict_on_batch(windows)
    start = time.perf_counter()
    for _ in range(4):
        model.predict_on_batch(windows)
    return 4 * len(windows) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("speed.md"))
    args = parser.parse_args()
    from cryodl.networks.bundle import load_bundle

    spec = load_bundle("deepres-low").spec
    work = network_work(spec)
    lines = [
        f"Whole command, {os.cpu_count()} CPU cores, no GPU; medians of {args.runs} runs (range).",
        "",
        "| box | wall (s) | CPU (s) | peak memory (GB) | in mask | predict (s) | `paper` (s) |",
        "|---|---|---|---|---|---|---|",
    ]
    # In processes of their own: a child's peak counts what its parent held when it began.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        windows = apart.submit(paper_windows_per_second).result()
        peak = apart.submit(peak_arithmetic).result()
    share = 0.0
    with tempfile.TemporaryDirectory() as place:
        for size in args.sizes:
            path, out = Path(place) / "map.mrc", Path(place) / "out"
            make_map(path, size)
            command = [sys.executable, "-m", "cryodl", "localres", str(path), "-o", str(out)]
            command += ["--range", "low", "--device", "cpu", "--overwrite"]
            runs = [measure(command) for _ in range(args.runs)]
            wall, cpu, memory = (statistics.median(column) for column in zip(*runs))
            stats = json.loads((out / "stats.json").read_text())
            predict = stats["seconds"]["predict"]
            if size == 256:
                share = work * stats["network_steps"] / predict / peak
            low, high = min(r[0] for r in runs), max(r[0] for r in runs)
            lines.append(
                f"| {size}³ | {wall:.1f} ({low:.1f}-{high:.1f}) | {cpu:.1f} | {memory:.2f} | "
                f"{stats['voxels'] / size**3:.0%} | {predict:.1f} | "
                f"{stats['voxels'] / windows:,.0f} (extrapolated) |"
            )
            print(lines[-1], flush=True)
    lines += [
        "",
        f"The network does {work / 8:,.0f} multiply-adds a voxel; at 256³ it reaches {share:.0%} "
        "of what a large matrix product reaches on the same cores.",
        f"The published network answers {windows:,.0f} windows a second; one is needed for every "
        "voxel in the mask.",
        "",
    ]
    args.output.write_text("\n".join(lines), encoding="utf-8")
    print(args.output.read_text())


if __name__ == "__main__":
    main()
