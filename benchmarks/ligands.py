"""What enhancement does to ligands, glycans and lipids, and whether it moves a map.

    python benchmarks/ligands.py EXPERIMENT... [-o benchmarks/ligands.md]

EXPERIMENT: a folder with half1 and half2 (.mrc or .mrc.gz), post (RELION's sharpened map, if there
is one) and placed.cif, the model as it lies in them, ligands and all. Mean Q-scores of all atoms
and of those of each kind of ligand; the shift is of the enhanced map against the mean of the
halves, at low frequencies. The protect mask is 3 Å around the ligands. Nothing else is told.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from cryodl.half_maps.pair import half_sum
from cryodl.methods.enhance.run import run_enhance
from cryodl.methods.quality.model import LIGAND, read_atoms
from cryodl.methods.quality.q_score import q_scores
from cryodl.simulation.reconstruction_set import open_reconstructions

HEAD = "| experiment | map | Q of all | Q of ligands | shift (voxels) |\n|---|---|---|---|---|"
PROTECTED = 3.0  # Å
LOW = 0.15  # of the sampling frequency, below which a shift is measured


def shift(first: np.ndarray, second: np.ndarray) -> float:
    """By how many voxels a map lies off another: the slope of the phases between them."""
    product = np.fft.fftn(first) * np.conj(np.fft.fftn(second))
    frequencies = np.stack(
        np.meshgrid(*[np.fft.fftfreq(n) for n in first.shape], indexing="ij")
    ).reshape(3, -1)
    weights = np.abs(product).ravel() * (np.square(frequencies).sum(axis=0) < LOW**2)
    turns = 2 * np.pi * frequencies
    wanted = (turns * weights) @ np.angle(product).ravel()
    return float(np.linalg.norm(np.linalg.solve((turns * weights) @ turns.T, wanted)))


def measure(folder: Path) -> list[str]:
    [stored] = open_reconstructions(folder)
    first, second = stored.volume("half1"), stored.volume("half2")
    post = stored.volume("post") if stored.has("post") else None
    full, atoms = half_sum(first, second), read_atoms(folder / "placed.cif")
    residues = [atoms.residues[i] for i in atoms.residue]
    ligand = np.array([residue.kind == LIGAND for residue in residues])
    names = np.array([residue.name for residue in residues])
    free = np.ones(full.shape, bool)
    free[tuple(np.rint(atoms.positions[ligand][:, ::-1] / full.voxel_size).astype(int).T)] = False
    protect = distance_transform_edt(free) * full.voxel_size <= PROTECTED
    halves = {"half1": first, "half2": second}
    made = {
        "mean of halves": full,
        "RELION's map": post,
        "refined, half maps": {"model": "refined", **halves},
        "linear, half maps": {"model": "linear", **halves},
        "tight, half maps": {"model": "tight", **halves},
        "tight, ligands protected": {"model": "tight", "protect_mask": protect, **halves},
        "refined, RELION's map": post and {"model": "refined", "volume": post},
    }
    rows = []
    for name, how in made.items():
        if how is None:
            continue
        volume = run_enhance(**how).volumes["enhanced"] if isinstance(how, dict) else how
        scores = q_scores(atoms.positions, volume)[0]
        of_ligands = ", ".join(
            f"{each} {scores[ligand & (names == each)].mean():.3f}"
            for each in np.unique(names[ligand])
        )
        moved = "" if how is full else f"{shift(full.data, volume.data):.3f}"
        rows.append(f"| {folder.name} | {name} | {scores.mean():.3f} | {of_ligands} | {moved} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="+", type=Path, metavar="EXPERIMENT")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    rows = [row for folder in args.experiments for row in measure(folder)]
    if args.output:
        args.output.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
