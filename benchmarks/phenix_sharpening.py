"""Half-map sharpening of Phenix, judged as `cryodl evaluate experiments` judges enhancement.

    python benchmarks/phenix_sharpening.py EXPERIMENT... [-o benchmarks/phenix_sharpening.md]

Needs `cctbx-base` (pip), which cryodl itself does not. EXPERIMENT: a folder as that command reads
it. Phenix is told the FSC's resolution of the half maps, as a person would tell it, and nothing of
the molecule.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from pathlib import Path

import numpy as np
from scitbx.array_family import flex  # before scipy, whose libraries make it crash

from cryodl.evaluation.enhancement import best_bfactor, low_passed
from cryodl.evaluation.reconstructions import load
from cryodl.half_maps.pair import half_sum
from cryodl.methods.enhance.evaluate import weight_by_fsc
from cryodl.simulation.reconstruction_set import open_reconstructions

COLUMNS = "experiment", "truth (Å)", "input", "Phenix", "best B-factor", "RELION", "seconds"


def sharpened(half1, half2, resolution: float) -> np.ndarray:
    """The mean of two half maps as Phenix sharpens it; ndarray (z, y, x)."""
    from iotbx.map_manager import map_manager
    from iotbx.map_model_manager import map_model_manager

    def managed(volume):
        data = np.ascontiguousarray(volume.data.transpose(2, 1, 0), dtype=np.float64)
        cell = [n * volume.voxel_size for n in data.shape] + [90.0] * 3
        return map_manager(
            map_data=flex.double(data), unit_cell_grid=data.shape, unit_cell_crystal_symmetry=
            _symmetry(cell), wrapping=False,
        )  # fmt: skip

    manager = map_model_manager(
        map_manager_1=managed(half1), map_manager_2=managed(half2), ignore_symmetry_conflicts=True
    )
    manager.set_resolution(resolution)
    manager.half_map_sharpen()
    scaled = manager.get_map_manager_by_id("map_manager_scaled")
    data = scaled.map_data().as_numpy_array()
    return data.reshape(half1.data.shape[::-1]).transpose(2, 1, 0)


def _symmetry(cell):
    from cctbx import crystal

    return crystal.symmetry(unit_cell=cell, space_group_symbol="P1")


def measure(folder: Path) -> list[float]:
    [stored] = open_reconstructions(folder)
    made = load(stored)
    wanted = low_passed(made.model, made.resolution)[made.mask]

    def alike(data) -> float:
        return float(np.corrcoef(data[made.mask], wanted)[0, 1])

    full = half_sum(made.half1, made.half2)
    weighted, _ = weight_by_fsc(full, (made.half1, made.half2), made.mask.astype(np.float32))
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        phenix = sharpened(made.half1, made.half2, made.resolution)
    seconds = time.process_time() - start
    relion = [alike(volume.data) for name, _, volume, _ in made.maps if name == "post-processed"]
    return [
        float(np.median(made.snr[made.mask])), alike(full.data), alike(phenix),
        best_bfactor(weighted, alike)[1], relion[0] if relion else float("nan"), seconds,
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="+", type=Path, metavar="EXPERIMENT")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    rows = []
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for folder in args.experiments:
        rows.append(measure(folder))
        cells = [f"{rows[-1][0]:.2f}", *(f"{value:.3f}" for value in rows[-1][1:5])]
        lines.append(f"| {folder.name} | " + " | ".join([*cells, f"{rows[-1][5]:.0f}"]) + " |")
        print(lines[-1], flush=True)
    means = np.nanmean(rows, axis=0)
    cells = [f"{value:.3f}" for value in means[1:5]]
    lines.append(f"| mean | {means[0]:.2f} | " + " | ".join([*cells, f"{means[5]:.0f}"]) + " |")
    text = "\n".join([
        "Correlation with the model inside it, of half maps by RELION:"
        " `python benchmarks/phenix_sharpening.py EXPERIMENT...` (cctbx-base 2025.11)", "", *lines,
    ]) + "\n"  # fmt: skip
    if args.output:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
