"""What a B-factor does to each estimate of resolution, as a table and a picture.

    python benchmarks/bfactors.py STRUCTURES [--count 3] [-o benchmarks/bfactors.md]

After figures S1 and 5 of the DeepRes paper: FSC, monogenic and localfsc tell signal from noise,
and an isotropic filter changes both alike; deepres tells what the features look like, and so moves.
STRUCTURES: a packed set or a folder of atomic models that no network was trained on; simulated
experiments on them at 4 Å, raw half maps; deepres reads their mean, low-passed where the FSC ends.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cryodl.filters.sharpen import apply_bfactor
from cryodl.half_maps.fsc import estimate_fsc
from cryodl.half_maps.local_fsc import local_fsc
from cryodl.half_maps.monogenic import monogenic_resolution
from cryodl.half_maps.pair import half_difference, half_sum
from cryodl.methods.deepres.run import run_local_resolution
from cryodl.report.figure import new_figure, save_figure, style
from cryodl.resolution_maps.local_filter import low_pass
from cryodl.simulation.simulated_experiment import simulate_experiment
from cryodl.training.structures import load_structures

BFACTORS = (100, 50, 0, -50, -100, -150)  # Å², applied; negative sharpens
CONFIG = {"resolution": 4.0, "voxel_size": 1.2, "margin": 15.0, "belt": 0}
LARGEST = 130  # Å
METHODS = ("FSC", "localfsc", "monogenic", "deepres")


def estimates(made, bfactor: float) -> dict[str, float]:
    """Resolution (Å) by each method of an experiment's half maps after a B-factor; medians."""
    half1, half2 = (apply_bfactor(made.volume(name), bfactor) for name in ("half1", "half2"))
    full, apart = half_sum(half1, half2), half_difference(half1, half2)
    whole = estimate_fsc(half1, half2, made.fsc_mask()).resolution()
    local, _ = local_fsc(half1, half2, made.mask, global_resolution=whole)
    monogenic, _ = monogenic_resolution(full, made.mask, apart)
    seen = low_pass(full, whole)  # beyond, a raw map is noise, and so it would read
    deepres = run_local_resolution(seen, mask=made.mask).volumes["resolution"].data
    medians = [float(np.median(values[made.mask])) for values in (local, monogenic, deepres)]
    return dict(zip(METHODS, (whole, *medians)))


def draw(rows, path: Path) -> None:
    """Mean over the experiments of each method's change, against the B-factor."""
    with style():
        figure = new_figure(4.6, 3.0)
        axes = figure.add_axes((0.13, 0.16, 0.83, 0.78))
        for method, colour in zip(METHODS, ("0.2", "#6a4c93", "#d1495b", "#1f6f8b")):
            values = np.array([[found[method] for found in case] for _, case in rows])
            axes.plot(BFACTORS, values.mean(axis=0), "o-", ms=3, lw=1.3, color=colour, label=method)
        axes.set_xlabel("B-factor applied (Å²; negative sharpens)")
        axes.set_ylabel("resolution (Å)")
        axes.invert_xaxis()
        axes.legend()
        save_figure(figure, path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("structures")
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/bfactors.md"))
    args = parser.parse_args()
    structures, _ = load_structures(args.structures)
    fitting = [
        s for s in structures
        if len(s) > 2000 and np.ptp(s.positions, axis=0).max() < LARGEST - 2 * CONFIG["margin"]
    ]  # fmt: skip
    step = max(len(fitting) // args.count, 1)
    rows = []
    header = "| molecule | method | " + " | ".join(f"B {b}" for b in BFACTORS) + " | moves by |"
    lines = [header, "|" + "---|" * (len(BFACTORS) + 3)]
    for seed, structure in enumerate(fitting[::step][: args.count]):
        made = simulate_experiment(structure, CONFIG, seed)
        found = [estimates(made, b) for b in BFACTORS]
        rows.append((structure.name, found))
        for method in METHODS:
            values = [case[method] for case in found]
            cells = " | ".join(f"{v:.2f}" for v in values)
            spread = max(values) - min(values)
            lines.append(f"| {structure.name} | {method} | {cells} | {spread:.2f} |")
            print(lines[-1], flush=True)
    args.output.write_text(
        "Resolution (Å) after a B-factor (Å²); medians in the molecule but for the FSC. "
        "Command: `python benchmarks/bfactors.py STRUCTURES`.\n\n" + "\n".join(lines) + "\n",
        encoding="utf-8",
    )
    draw(rows, args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
