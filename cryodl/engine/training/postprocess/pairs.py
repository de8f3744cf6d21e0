"""A user's own half maps and models, in the form in which simulated experiments are stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...files import is_file, read_json, read_rows
from ...maps.given import given_map
from ...maps.parts import bounding_box
from ...maps.resample import resample
from ...reference.fsc import estimate_fsc, soft_mask
from ...reference.halves import check_half_maps, on_one_scale
from ...simulate.experiment_set import RECORD, StoredExperiment, check_record
from ...simulate.model_map import model_map
from ...simulate.structure import read_structure, structure_name

COLUMNS = "half1", "half2", "model"
SOLVENT = 16.0  # Å kept around the molecule


def store_pairs(table: str | Path, folder: str | Path, voxel_size: float = 1.0):
    """Read a table of half maps and models and store each row as an experiment.

    table : tab-separated, with the columns half1, half2 and model (PDB or mmCIF, fitted); files are
        looked for from the table's folder
    folder : of the set that is written; rows that are there already are kept, as long as they name
        the same files, unchanged
    voxel_size : Å, of the grid

    Returns a list of StoredExperiment. Raises InputError for a row that cannot be used.
    """
    table, folder = Path(table), Path(folder)
    rows = read_rows(table, *COLUMNS)
    if not rows:
        raise InputError(f"the table {table} holds no pair")
    stored = []
    for number, row in enumerate(rows):
        place = folder / f"pair_{number:05d}"
        files = [table.parent / row[name] for name in COLUMNS]
        for file in files:
            if not is_file(file):
                raise InputError(f"the table {table} names '{file}', which is no file")
        made_of = _made_of(files, voxel_size)
        info = _record(place)
        if info.get("made_of") != made_of:
            for old in place.glob("*.npy") if info else ():  # what was derived of it, too
                old.unlink()
            _store(files, place, voxel_size, made_of)
            info = _record(place)
        # different maps may have models of one name, in folders of their own
        shared = sum(Path(other["model"]).name == files[2].name for other in rows) > 1
        molecule = str(files[2].resolve()) if shared else structure_name(files[2])
        stored.append(StoredExperiment(place, {**info, "molecule": molecule}))
    return stored


def _made_of(files: list[Path], voxel_size: float) -> list:
    """By what a stored pair is known again: files, when they were written, and the grid."""
    times = [file.stat().st_mtime_ns if file.is_file() else 0 for file in files]
    return [[str(file.resolve()), time] for file, time in zip(files, times)] + [voxel_size]


def _record(place: Path) -> dict[str, Any]:
    try:
        return check_record(read_json(place / RECORD), place)
    except (InputError, ValueError):  # not there, or not whole
        return {}


def _store(files: list[Path], place: Path, voxel_size: float, made_of: list) -> None:
    first, second = (given_map(file, None) for file in files[:2])
    check_half_maps(first, second)
    halves = [resample(half, voxel_size) for half in (first, on_one_scale(first, second))]
    model, mask = model_map(read_structure(files[2]), halves[0])
    curve = estimate_fsc(halves[0], halves[1], soft_mask(mask, halves[0].voxel_size))
    resolution = curve.resolution()
    if resolution is None:
        raise InputError(f"half maps {files[0]} and {files[1]} have no signal in common")
    room = round(SOLVENT / halves[0].voxel_size)
    cut = tuple(
        _even(max(0, low - room), min(n, high + room))
        for (low, high), n in zip(bounding_box(mask), mask.shape)
    )
    full = (halves[0].data + halves[1].data)[cut] / 2
    unit = np.float32(1 / max(float(full.std()), 1e-30))
    place.mkdir(parents=True, exist_ok=True)
    info = {
        "structure": files[2].name,
        "seed": 0,
        "config": {"resolution": float(resolution)},
        "measured": {"fsc_resolution": float(resolution)},
        "voxel_size": halves[0].voxel_size,
        "first_voxel": [int(s.start) for s in cut],
        "made_of": made_of,
    }
    stored = StoredExperiment(place, info)
    maps = {"half1": halves[0].data[cut] * unit, "half2": halves[1].data[cut] * unit}
    maps |= {"map": full * unit, "model": model[cut], "mask": mask[cut]}
    for name, data in maps.items():
        stored.add(name, data)
    (place / RECORD).write_text(json.dumps(info, indent=1), encoding="utf-8")


def _even(first: int, last: int) -> slice:
    return slice(first // 4 * 4, first // 4 * 4 + (last - first // 4 * 4) // 4 * 4)
