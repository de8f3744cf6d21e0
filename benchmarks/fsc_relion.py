"""`cryodl fsc` beside RELION, and beside the truth, on half maps that RELION reconstructed.

    python benchmarks/fsc_relion.py EXPERIMENT... [-o benchmarks/fsc_relion.md]

EXPERIMENT: a folder with half1, half2, signal, model, mask and RELION's resolution, as `cryodl
evaluate experiments` reads it. RELION's soft mask is made again from the molecule's: 6 Å around its
atoms, and a linear edge of 8 Å. The true resolution inside the molecule is the median of the local
signal-to-noise resolution, which methods are judged by, too; "of signal" is where the FSC of the
full map with its noiseless twin, in RELION's mask, falls to 0.5.

Each pair is measured again after what spoils first shells: a high-pass at 60 Å, and a dip of the
FSC to nothing in two shells half way to the resolution, as a zero of the CTF makes it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cryodl.evaluation.reconstructions import load
from cryodl.filters.shells import inverse, scale_shells, shell_frequencies, shell_planes, transform
from cryodl.half_maps.fsc import correlate, resolution_at
from cryodl.maps.volume import Volume
from cryodl.methods.fsc import run_fsc
from cryodl.simulation.reconstruction_set import open_reconstructions

AROUND, EDGE = 3.0, 8.0  # Å beyond the molecule's mask, which is 3 Å around its atoms
HIGH_PASS = 60.0  # Å
COLUMNS = (
    "experiment", "truth (Å)", "of signal (Å)", "RELION (Å)", "RELION's mask (Å)", "off (shells)",
    "automatic mask (Å)", "off the truth", "after a high-pass (shells)", "after a dip (shells)",
)  # fmt: skip


def measure(folder: Path) -> dict[str, float]:
    """One row of the table, of an experiment's folder."""
    [stored] = open_reconstructions(folder)
    made = load(stored)
    half1, half2 = made.half1, made.half2
    mask = half1.with_data(relion_mask(made.mask, half1.voxel_size))
    length = half1.shape[0] * half1.voxel_size
    ours = resolution(half1, half2, mask)
    automatic = resolution(half1, half2, None)
    truth = float(np.median(made.snr[made.mask & (made.snr > 0)]))

    def moved(change) -> float:
        return abs(length / resolution(change(half1), change(half2, 1), mask) - length / ours)

    return {
        "truth (Å)": truth,
        "of signal (Å)": of_signal(made, stored.volume("signal"), mask.data),
        "RELION (Å)": made.resolution,
        "RELION's mask (Å)": ours,
        "off (shells)": abs(length / ours - length / made.resolution),
        "automatic mask (Å)": automatic,
        "off the truth": 100 * (automatic / truth - 1),
        "after a high-pass (shells)": moved(high_passed),
        "after a dip (shells)": moved(lambda half, seed=0: dipped(half, ours, seed)),
    }


def resolution(half1: Volume, half2: Volume, mask: Volume | None) -> float:
    return run_fsc(half1, half2, mask=mask).stats["resolution_0.143"]


def relion_mask(inside: np.ndarray, voxel_size: float) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(~inside) * voxel_size - AROUND
    return np.clip(1 - distance / EDGE, 0, 1).astype(np.float32)


def of_signal(made, signal: Volume, weights: np.ndarray) -> float:
    """Å, at which the FSC of the full map with its noiseless twin falls to 0.5 within a mask."""
    full = (made.half1.data + made.half2.data) / 2
    spectra = [transform(data * weights) for data in (full, signal.data)]
    _, curve = correlate(spectra, full.shape)
    frequencies = shell_frequencies(full.shape, signal.voxel_size)
    return resolution_at(frequencies, curve, 0.5) or float("nan")


def high_passed(half: Volume, seed: int = 0) -> Volume:
    """A half map without what is coarser than HIGH_PASS."""
    spectrum = transform(half.data)
    frequencies = shell_frequencies(half.shape, half.voxel_size)
    scale_shells(spectrum, half.shape, np.where(frequencies < 1 / HIGH_PASS, 1e-6, 1.0))
    return half.with_data(inverse(spectrum, half.shape))


def dipped(half: Volume, end: float, seed: int) -> Volume:
    """A half map with noise alone in two shells half way to a resolution in Å."""
    spectrum = transform(half.data)
    middle = int(round(half.shape[0] * half.voxel_size / end / 2))
    noise = transform(np.random.default_rng(seed).standard_normal(half.shape, dtype=np.float32))
    for plane, other, shell in zip(spectrum, noise, shell_planes(half.shape)):
        here = (shell == middle) | (shell == middle + 1)
        if here.any():
            plane[here] = other[here] * (np.abs(plane[here]).mean() / np.abs(other[here]).mean())
    return half.with_data(inverse(spectrum, half.shape))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="+", type=Path, metavar="EXPERIMENT")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    rows = []
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for folder in args.experiments:
        row = measure(folder)
        rows.append(row)
        cells = [f"{row[name]:+.1f} %" if "truth" == name[-5:] else f"{row[name]:.2f}"
                 for name in COLUMNS[1:]]  # fmt: skip
        lines.append(f"| {folder.name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    near = sum(row["off (shells)"] <= 1.5 for row in rows)
    true = sum(abs(row["off the truth"]) <= 6 for row in rows)
    text = "\n".join([
        "`cryodl fsc` on half maps by RELION: `python benchmarks/fsc_relion.py EXPERIMENT...`", "",
        f"With RELION's mask within 1.5 shells of RELION's figure in {near} of {len(rows)}; with"
        f" the automatic mask within 6 % of the true resolution in {true} of {len(rows)}.", "",
        *lines,
    ]) + "\n"  # fmt: skip
    print(text)
    if args.output:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
