"""Half-map estimators against the truth of simulated half maps, and their time.

    python benchmarks/half_maps.py val.npz [--size 256] [-o benchmarks/half_maps.md]

Structures of a packed set are given half maps whose signal meets the noise at a known resolution,
in the whole molecule or in two parts of it. "high-pass" is the rule of MonoRes as this program
reads it (high-pass instead of band-pass, amplitudes low-passed instead of averaged in windows), for
comparison; it is no run of Xmipp. The timing is of a ball of atoms at 3 Å in a box of 256³ voxels
of 1 Å.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from cryodl.compute.parallel import thread_count
from cryodl.filters.sharpen import apply_bfactor
from cryodl.filters.shells import inverse, transform
from cryodl.half_maps.bands import sweep
from cryodl.half_maps.fsc import estimate_fsc, soft_mask
from cryodl.half_maps.local_fsc import local_fsc
from cryodl.half_maps.monogenic import monogenic_resolution
from cryodl.half_maps.pair import half_difference, half_sum
from cryodl.half_maps.threshold_sweep import ThresholdSweep
from cryodl.maps.volume import Volume
from cryodl.simulation.structure import unpack_structures
from cryodl.tests.half_maps.simulated_half_maps import as_regions, packed_ball, simulate_half_maps

CASES = ([3.0], [4.0], [5.0], [6.5], [8.0], [3.0, 5.0], [4.0, 8.0])


def estimates(half1, half2, inside, *, all_of_them: bool = True):
    """Resolution (Å) of the whole map, and local ones by estimator."""
    whole = estimate_fsc(half1, half2, soft_mask(inside, half1.voxel_size)).resolution()
    full, apart = half_sum(half1, half2), half_difference(half1, half2)
    found = {
        "localfsc": local_fsc(half1, half2, inside, global_resolution=whole)[0],
        "monogenic": monogenic_resolution(full, inside, apart)[0],
    }
    if all_of_them:
        found["one map"] = monogenic_resolution(full, inside)[0]
        found["high-pass"] = high_pass(full, inside, apart)
    return whole, found


def high_pass(full: Volume, inside, apart: Volume, *, coarsest=20.0, significance=0.95):
    """The rule of MonoRes, without its final smoothing: Å, 0 outside the mask."""
    spectra = [transform(v.data) for v in (full, apart)]
    axes = [np.fft.fftfreq(n, full.voxel_size).astype(np.float32) for n in full.shape[:2]]
    axes.append(np.fft.rfftfreq(full.shape[2], full.voxel_size).astype(np.float32))
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    radius = np.maximum(np.sqrt(sum(k**2 for k in grid)), 1e-6)
    found = ThresholdSweep(int(inside.sum()), 3)
    for frequency in sweep(coarsest, 2 * full.voxel_size):
        amplitudes = []
        for spectrum in spectra:
            kept = spectrum * (radius >= frequency)
            power = inverse(kept.copy(), full.shape) ** 2
            for k in grid:
                power += inverse(kept * (-1j * k / radius), full.shape) ** 2
            amplitude = transform(np.sqrt(power)) * (radius <= frequency)
            amplitudes.append(inverse(amplitude, full.shape)[inside])
        limit = np.quantile(amplitudes[1], significance)
        found.update(frequency, amplitudes[0] / limit - 1)
        if found.finished:
            break
    result = np.zeros(full.shape, np.float32)
    result[inside] = np.minimum(found.resolution(), coarsest)
    return result


def accuracy(structures, count: int) -> list[str]:
    from scipy.stats import spearmanr

    lines = [
        "| structure | truth (Å) | FSC 0.143 | estimator | medians (Å) | SD | rank correlation | "
        "B = ±100 Å² moves median by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case, resolutions in enumerate(CASES):
        for structure in structures[case % 3 :: 3][:count]:
            placed = as_regions(structure, resolutions)
            voxel = min(resolutions) / 2.7
            edge = 2 * round((np.ptp(placed[0], axis=0).max() + 8 * voxel + 16) / voxel / 2)
            *halves, inside, truth = simulate_half_maps(
                *placed, resolutions, voxel, (edge,) * 3, seed=case
            )
            whole, found = estimates(*halves, inside)
            moved = [
                estimates(*(apply_bfactor(h, b) for h in halves), inside, all_of_them=False)
                for b in (-100, 100)
            ]
            shift = max(abs(other - whole) for other, _ in moved)
            start = f"| {structure.name} | {', '.join(f'{r:g}' for r in resolutions)} | "
            lines.append(f"{start}{whole:.2f} | fsc | | | | {shift:.2f} |")
            for name, values in found.items():
                inner, target = values[inside], truth[inside]
                medians = [np.median(inner[target == np.float32(r)]) for r in resolutions]
                rank = spearmanr(inner, target)[0] if len(resolutions) > 1 else None
                others = [o[name][inside] for _, o in moved if name in o]
                shifts = [abs(np.median(other) - np.median(inner)) for other in others]
                lines.append(
                    f"{start}| {name} | {', '.join(f'{m:.2f}' for m in medians)} | "
                    f"{inner.std():.2f} | {'' if rank is None else f'{rank:.2f}'} | "
                    f"{f'{max(shifts):.2f}' if shifts else ''} |"
                )
            print("\n".join(lines[-5:]), flush=True)
    return lines


def speed(size: int) -> list[str]:
    positions, elements = packed_ball(0.3 * size, spacing=2.6)
    *halves, inside, _ = simulate_half_maps(
        positions, elements, np.zeros(len(positions), int), [3.0], 1.0, (size,) * 3
    )
    weights = soft_mask(inside, 1.0)
    full, apart = half_sum(*halves), half_difference(*halves)
    steps = {
        "fsc": lambda: estimate_fsc(*halves, weights),
        "localfsc": lambda: local_fsc(*halves, inside, global_resolution=3.0),
        "monogenic, half maps": lambda: monogenic_resolution(full, inside, apart),
        "monogenic, one map": lambda: monogenic_resolution(full, inside),
    }
    lines = [
        f"{size}³ voxels, {inside.mean():.0%} of them in the mask, {thread_count()} threads:",
        "",
        "| estimator | wall (s) | CPU (s) | peak memory so far (GB) |",
        "|---|---|---|---|",
    ]
    for name, step in steps.items():
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        lines.append(f"| {name} | {wall:.1f} | {cpu:.1f} | {peak:.2f} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("structures", nargs="?", type=Path, help="packed set; none: timing only")
    parser.add_argument("--count", type=int, default=1, help="structures for every case")
    parser.add_argument("--size", type=int, default=256, help="voxels along the box that is timed")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    lines: list[str] = []
    if args.structures:
        fitting = [
            s
            for s in unpack_structures(args.structures)
            if len(s) > 3000 and np.ptp(s.positions, axis=0).max() < 95
        ]
        lines += [*accuracy(fitting, args.count), ""]
    if args.size:
        lines += [*speed(args.size), ""]
    args.output.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
