"""FSC in cones on reconstructions from particles, beside the answer that is known of them.

    python benchmarks/directional.py STRUCTURES -o benchmarks/directional.md
    python benchmarks/directional.py STRUCTURES --count 5 --seed 71 --stored RELION_EXPERIMENT...

STRUCTURES : a folder of models; half of the experiments have 60 to 80 % of their views from one
side, the other half even views. --stored adds experiments on disk, of which no answer is known.

The known answer: half map i is its signal S_i, which the simulator knows, and its noise N_i. Noises
are independent, so within the mask the FSC of a cone and shell is, but for chance,
S1 S2 / sqrt((S1² + N1²)(S2² + N2²)) of their powers; the resolution is where this falls to 0.143.
The estimate knows the half maps alone. How well the answer is known: either half tells it for
itself, of other views and noise of the same particle, by S² / (S² + N²).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from cryodl.evaluation.reconstructions import open_experiments
from cryodl.filters.shells import products, transform
from cryodl.half_maps.cones import cell_sums, in_cones
from cryodl.half_maps.directional import DirectionalFsc, directional_fsc
from cryodl.half_maps.fsc import (
    estimate_within,
    level_shells,
    mask_of_halves,
    resolution_at,
    within,
)
from cryodl.simulation.particle_experiment import Reconstruction, simulate_particles
from cryodl.training.structures import load_structures

CONFIG = {"resolution": [3.0, 6.0], "preferred": [0.6, 0.8], "preferred_views": 1, "symmetric": 0,
          "rim_masked": 0, "many_particles": 0, "wrong_poses": 0}  # fmt: skip
HEAD = (
    "experiment", "one-sided views", "whole map", "finest", "coarsest", "three worst axes",
    "median error", "95 % of cones",
    "finest, coarsest by either half", "sphericity", "uneven over chance", "anisotropic",
)  # fmt: skip


def known_answer(
    made: Reconstruction, weights: np.ndarray, found: DirectionalFsc
) -> tuple[DirectionalFsc, float, list[np.ndarray]]:
    """What `directional_fsc` should find; the resolution of the whole map, Å; and those of the
    cones, ndarrays (n,), that either half tells for itself."""
    shape = made.half1.shape
    noises = [half - signal for half, signal in zip((made.half1, made.half2), made.signals)]
    spectra = [transform(values) for values in (*made.signals, *noises)]
    level_shells(spectra, shape)
    signal1, signal2, noise1, noise2 = within(spectra, shape, weights)
    cross, *signals = products(signal1, signal2)
    _, *noise = products(noise1, noise2)
    sums = cell_sums(shape, cross, *signals, *noise)[:5]
    cones = in_cones(found.directions).astype(float)

    def curve(cross, s1, s2, n1, n2):
        fsc = cross / np.sqrt(np.maximum((s1 + n1) * (s2 + n2), 1e-30))
        fsc[..., :3] = 1  # few coefficients
        return fsc

    def ends_of(fsc):
        return np.array([resolution_at(found.frequencies, line, 0.143) for line in fsc], float)

    cross, s1, s2, n1, n2 = (cones @ each for each in sums)
    fsc = curve(cross, s1, s2, n1, n2)
    whole = resolution_at(found.frequencies, curve(*sums.sum(axis=1)), 0.143)
    halves = [ends_of(curve(s, s, s, n, n)) for s, n in ((s1, n1), (s2, n2))]
    held = fsc * (found.fsc != 0)  # to where the estimate's areas reach
    areas = held[:, 1:].clip(0).sum(axis=1) * found.frequencies[1]
    known = replace(found, fsc=fsc, resolutions=ends_of(fsc), areas=areas, chance=0.0)
    return known, float(whole), halves


def simulated(structure, one_sided: bool, seed: int) -> list[str]:
    """Cells of a row: figures as found / known, Å."""
    made = simulate_particles(structure, {**CONFIG, "gathered": int(one_sided)}, seed)
    half1, half2 = made.volume("half1"), made.volume("half2")
    weights, curve = estimate_within(half1, half2, mask_of_halves(half1, half2))
    found = directional_fsc(half1, half2, weights, curve)
    known, whole, halves = known_answer(made, weights, found)
    errors = np.abs(found.resolutions / known.resolutions - 1)
    axes = [np.array(one["axis"][::-1]) for one in found.worst()]
    there = [int(np.argmax(np.abs(found.directions @ axis))) for axis in axes]

    def both(first: float, second: float) -> str:
        return f"{first:.2f} / {second:.2f} ({first / second - 1:+.1%})"

    return [
        f"{structure.name}, seed {seed}",
        f"{made.drawn['preferred']:.0%}" if one_sided else "0%",
        both(curve.resolution(), whole),
        *(both(end(found.resolutions), end(known.resolutions)) for end in (np.nanmin, np.nanmax)),
        both(np.mean(found.resolutions[there]), np.mean(known.resolutions[there])),
        f"{np.nanmedian(errors):.1%}",
        f"{np.nanquantile(errors, 0.95):.1%}",
        ", ".join(
            " and ".join(f"{end(each):.2f}" for each in halves) for end in (np.nanmin, np.nanmax)
        ),
        f"{found.sphericity:.3f} / {known.sphericity:.3f}",
        f"{found.certainty:.2f}",
        "yes" if found.anisotropic else "no",
    ]


def stored(folder: Path) -> list[str]:
    """Cells of a row of an experiment on disk, without a known answer."""
    [kept] = open_experiments([folder])
    info = json.loads((folder / "experiment.json").read_text("utf-8"))
    half1, half2 = kept.volume("half1"), kept.volume("half2")
    weights, curve = estimate_within(half1, half2, mask_of_halves(half1, half2))
    found = directional_fsc(half1, half2, weights, curve)
    ends = (f"{end(found.resolutions):.2f}" for end in (np.nanmin, np.nanmax))
    return [
        f"{folder.parent.name}/{folder.name}", f"{info.get('prefer', 0):.0%}",
        f"{curve.resolution():.2f}", *ends, "", "", "", "", f"{found.sphericity:.3f}",
        f"{found.certainty:.2f}", "yes" if found.anisotropic else "no",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("structures", type=Path)
    parser.add_argument("--count", type=int, default=5, help="experiments of each kind")
    parser.add_argument("--seed", type=int, default=71)
    parser.add_argument("--stored", type=Path, nargs="*", default=[])
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    structures, _ = load_structures(args.structures)
    lines = ["Resolution by direction (Å), found / known: `python benchmarks/directional.py`.", ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]

    def add(cells: list[str]) -> None:
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)

    for one_sided in (True, False):
        for number in range(args.count):
            add(simulated(structures[number % len(structures)], one_sided, args.seed + number))
    for folder in args.stored:
        add(stored(folder))
    if args.output:
        args.output.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
