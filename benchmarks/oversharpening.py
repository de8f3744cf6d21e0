"""The recommended B-factor against the one that makes a map most like its model.

    python benchmarks/oversharpening.py STRUCTURES [--count 10] [-o benchmarks/oversharpening.md]

STRUCTURES: a packed set or a folder of atomic models that no network was trained on. Half maps of
simulated experiments, at 3 to 6 Å, are given to `run_oversharpening`. Their mean, low-passed as
there (unfiltered, noise beyond the FSC resolution decides, at about 0), is also sharpened with many
B-factors and each time correlated with the model map (no noise, fall-off nor solvent),
inside the molecule, as section 3.4 of the DeepRes paper does with a map made of the atomic model:
"best B" is that of the highest correlation, "within" the B-factors whose correlation is at most
0.01 below it. The model map is low-passed to the resolution of the experiment, since correlation
with detail that no half map holds says nothing; "best B, full model" is without that.
"recommended" is by expected correlation, "crossing" where the 20 % percentiles of aspect and
signal-to-noise resolution meet or, in brackets, come nearest.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cryodl.filters.sharpen import apply_bfactor
from cryodl.half_maps.pair import half_sum
from cryodl.methods.oversharpening import BFACTORS, run_oversharpening
from cryodl.resolution_maps.local_filter import low_pass
from cryodl.resolution_maps.sharpness import recommend
from cryodl.simulation.simulated_experiment import simulate_experiment
from cryodl.training.structures import load_structures

STEP, STRONGEST = 10, -600  # Å², of the B-factors that are correlated
ALIKE = 0.01
BAR = 40  # Å², of the recommended B-factor


def experiment(structures, seed: int, largest: int):
    """A simulated experiment at 3 to 6 Å on a structure that fits a box of `largest` voxels."""
    rng = np.random.default_rng(seed)
    resolution = rng.uniform(3, 6)
    voxel = resolution / rng.uniform(2.5, 3.5)
    margin = 10 * voxel
    fitting = [
        s for s in structures
        if len(s) > 1000 and np.ptp(s.positions, axis=0).max() + 2 * margin < largest * voxel
    ]  # fmt: skip
    if not fitting:
        raise SystemExit(f"no structure of more than 1000 atoms fits {largest} voxels")
    molecule = fitting[rng.integers(len(fitting))]
    config = {"resolution": resolution, "voxel_size": voxel, "margin": margin}
    return simulate_experiment(molecule, config, seed)


def correlations(volume, models, inside) -> tuple[np.ndarray, np.ndarray]:
    """B-factors (n,), Å², and the correlation (n, models) of the sharpened map with each model."""
    bfactors = np.arange(0, STRONGEST - 1, -STEP)
    found = []
    for bfactor in bfactors:
        values = apply_bfactor(volume, float(bfactor)).data[inside]
        found.append([np.corrcoef(values, model.data[inside])[0, 1] for model in models])
    return bfactors, np.array(found)


def measure(structures, count: int, first_seed: int, largest: int, options, folder) -> list[str]:
    """The table's lines; what the command draws of the first experiment goes to a folder."""
    lines = [
        "| molecule | voxel (Å) | asked (Å) | SNR 20 % (Å) | recommended B | crossing | best B "
        "| within | best B, full model | difference | of the crossing "
        "| correlation at 0, recommended, crossing, best | s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    differences, crossings = [], []
    for seed in range(first_seed, first_seed + count):
        made = experiment(structures, seed, largest)
        halves = made.volume("half1"), made.volume("half2")
        start = time.perf_counter()
        stats = run_oversharpening(
            half1=halves[0],
            half2=halves[1],
            output=folder if seed == first_seed else None,
            **options,
        ).stats
        seconds = time.perf_counter() - start
        model = made.volume("model")
        filtered = low_pass(half_sum(*halves), stats["low_pass"])  # as the scan did
        models = low_pass(model, made.resolution), model
        bfactors, alike = correlations(filtered, models, made.mask)
        best, full = bfactors[alike.argmax(axis=0)]
        near = bfactors[alike[:, 0] >= alike[:, 0].max() - ALIKE]
        recommended = stats["best_bfactor"]
        crossing, doubt = recommend(stats["scan"], stats["snr_percentile_20"])
        differences.append(recommended - best)
        crossings.append(crossing - best)
        at = [np.interp(-b, -bfactors, alike[:, 0]) for b in (0, recommended, crossing, best)]
        met = f"{crossing:.0f}" if doubt is None else f"({crossing:.0f})"
        lines.append(
            f"| {made.measured['structure']} | {made.voxel_size:.2f} | {made.resolution:.1f} "
            f"| {stats['snr_percentile_20']:.2f} | {recommended:.0f} | {met} | {best} "
            f"| {near[0]} to {near[-1]} | {full} | {differences[-1]:+.0f} | {crossings[-1]:+.0f} "
            f"| {', '.join(f'{value:.3f}' for value in at)} | {seconds:.0f} |"
        )
        print(lines[-1], flush=True)
    lines.append("")
    for name, found in (("recommended", differences), ("crossing", crossings)):
        sizes = np.abs(found)
        lines.append(
            f"{name}: {len(sizes)} experiments, median difference {np.median(sizes):.0f} Å², "
            f"largest {sizes.max():.0f} Å²; within {BAR} Å²: {np.mean(sizes <= BAR):.0%}. "
            f"Mean, which is a bias: {np.mean(found):+.0f} Å²."
        )
        lines.append("")
    lines.pop()
    print("\n".join(lines[-4:]), flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("structures", type=Path, help="packed set or folder of atomic models")
    parser.add_argument("--count", type=int, default=10, help="simulated experiments")
    parser.add_argument("--seed", type=int, default=0, help="of the first")
    parser.add_argument("--largest", type=int, default=150, help="voxels along a box")
    parser.add_argument("--method", choices=["localfsc", "monogenic"], default="localfsc")
    parser.add_argument("--bundle", help="network to use instead of the shipped one")
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument("--last", type=float, default=BFACTORS[-1], help="strongest B, Å²")
    parser.add_argument("-o", "--output", type=Path, help="file for the table")
    args = parser.parse_args()
    options = {"method": args.method, "bundle": args.bundle, "device": args.device}
    if args.last != BFACTORS[-1]:
        options["bfactors"] = list(np.arange(0, args.last - 1, BFACTORS[1]))
    structures, _ = load_structures(args.structures)
    with TemporaryDirectory() as work:
        folder = Path(work) / "first"
        lines = measure(structures, args.count, args.seed, args.largest, options, folder)
        if args.output:
            args.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
            shutil.copy(folder / "oversharpening.png", args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
