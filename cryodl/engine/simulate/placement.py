"""A structure in the box of an experiment: assembled, turned, cut, with its atoms' B-factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from .particle_config import COARSEST_SAMPLING, SYMMETRIES
from .specimen import Specimen, draw_b_factors, loose_parts, random_rotation
from .structure import Structure
from .symmetry import IDENTITY, assemble, helix, point_group

LEAST_BOX = 32  # voxels
LEAST_SHELLS = 12  # of an FSC, up to the resolution


def place(structure: Structure, drawn: dict[str, Any], rng: np.random.Generator):
    """Assemble, turn and cut a structure, and put it into a box.

    Returns (Specimen, Symmetry, drawn): drawn with the voxel size and symmetry that came about.
    """
    drawn = dict(drawn)
    assembled, symmetry = structure, IDENTITY
    if drawn["symmetric"]:
        assembled, symmetry, fits = _assembly(structure, drawn, rng)
        if not fits:
            assembled, symmetry = structure, IDENTITY
            drawn["symmetric"] = 0
    positions = np.asarray(assembled.positions, float)
    centre = np.zeros(3)
    if not drawn["symmetric"]:
        positions = positions @ random_rotation(rng) if drawn["turn"] else positions
        centre = (positions.min(axis=0) + positions.max(axis=0)) / 2
    keep = np.ones(len(positions), bool)
    if drawn["box"]:
        n = drawn["box"]
        if n % 2 or n < LEAST_BOX:
            raise InputError(f"a box of {n} voxels: give an even number from {LEAST_BOX} up")
        room = n * drawn["voxel_size"] / (1 + 2 * drawn["margin"])
    else:
        n = _box(positions - centre, drawn, helical=bool(symmetry.shifts.any()))
        if n > drawn["largest_box"]:  # the molecule is larger: take a ball of it
            n = _fast_even(drawn["largest_box"], down=True)
            centre = positions[rng.integers(len(positions))]
            room = n * drawn["voxel_size"] / (1 + 2 * drawn["margin"])
            keep = np.linalg.norm(positions - centre, axis=1) < room / 2
        room = n * drawn["voxel_size"]
    voxel = drawn["voxel_size"]
    origin = np.round(centre / voxel - n // 2) * voxel
    if symmetry is not IDENTITY:
        origin = np.full(3, -(n // 2) * voxel)  # the axes cross in a voxel
    placed = positions - origin
    inside = keep & np.all((placed >= 2) & (placed < n * voxel - 2), axis=1)
    if drawn["box"] and not symmetry.shifts.any() and inside.mean() < 0.999:
        raise InputError(
            f"a box of {n} voxels of {voxel:g} Å does not hold {structure.name}, which is "
            f"{np.ptp(positions, axis=0).max():.0f} Å long; give a larger box or voxel size"
        )
    b_factors = draw_b_factors(positions, drawn, rng)
    occupancies, extra = loose_parts(positions, drawn, rng)
    inside &= occupancies > 0
    normal = np.linalg.svd(placed - placed.mean(axis=0), full_matrices=False)[2][rng.integers(3)]
    specimen = Specimen(
        placed[inside].astype(np.float32),
        np.asarray(assembled.elements)[inside],
        (b_factors + extra)[inside],
        occupancies[inside],
        normal,
        n,
        (float(origin[0]), float(origin[1]), float(origin[2])),
    )
    return specimen, symmetry, drawn


def _assembly(structure, drawn, rng):
    """A symmetric assembly, its operators, and whether it fits into the largest box."""
    largest = drawn["largest_box"]
    coarsest = drawn["resolution"] / COARSEST_SAMPLING
    span = float(np.ptp(structure.positions, axis=0).max())
    if drawn["helical"]:
        voxel = max(drawn["voxel_size"], 0.1)
        copies = 2 * int(np.ceil(largest * voxel / drawn["rise"] / 2)) + 1
        symmetry = helix(drawn["twist"], drawn["rise"], min(copies, 81))
    else:
        symmetry = point_group(SYMMETRIES[drawn["symmetry"]])
    if span * 1.2 > largest * coarsest:  # one molecule alone is too large
        return structure, IDENTITY, False
    assembled = assemble(structure, symmetry, rng)
    helical = bool(symmetry.shifts.any())
    if _box(assembled.positions, drawn, helical) > largest:
        drawn["voxel_size"] = max(drawn["voxel_size"], coarsest)
    return assembled, symmetry, _box(assembled.positions, drawn, helical) <= largest


def _box(centred, drawn, helical: bool) -> int:
    """Voxels along an edge that hold what is centred on the origin, with its margin."""
    reach = np.abs(centred[:, :2] if helical else centred).max()
    length = 2 * float(reach) * (1 + 2 * drawn["margin"])
    length += 2 * drawn["belt"] * drawn["belt_width"]
    if helical:
        length *= 1.5
    length = max(length, LEAST_SHELLS * drawn["resolution"])
    return _fast_even(max(int(np.ceil(length / drawn["voxel_size"])), LEAST_BOX))


def _fast_even(size: int, down: bool = False) -> int:
    """An even number, not smaller (or not larger), whose transforms are quick."""
    import scipy.fft

    half = (size + 1) // 2
    if down:
        half = size // 2
        while scipy.fft.next_fast_len(half) != half:
            half -= 1
    return 2 * scipy.fft.next_fast_len(half)
