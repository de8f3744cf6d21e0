"""Symmetric assemblies of one molecule, and the operators that a reconstruction averages over."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .structure import Structure

CONTACT = 4.0  # Å between atoms of neighbours
TESTED_ATOMS = 1500  # of a molecule, when neighbours are packed


class Symmetry(NamedTuple):
    """Operators x -> rotation @ x + shift.

    rotations : ndarray (m, 3, 3);  shifts : ndarray (m, 3), Å, x y z
    """

    rotations: np.ndarray
    shifts: np.ndarray


IDENTITY = Symmetry(np.eye(3)[None], np.zeros((1, 3)))


def point_group(name: str) -> Symmetry:
    """Operators of a point group by its Schoenflies name, as C4, D2, T, O or I; z is the axis."""
    from scipy.spatial.transform import Rotation

    rotations = Rotation.create_group(name, axis="Z").as_matrix()
    return Symmetry(rotations, np.zeros((len(rotations), 3)))


def helix(twist: float, rise: float, copies: int) -> Symmetry:
    """Neighbours in a helix about z: turned by `twist` degrees and raised by `rise` Å each."""
    from scipy.spatial.transform import Rotation

    steps = np.arange(copies) - copies // 2
    turns = Rotation.from_euler("z", steps * twist, degrees=True).as_matrix()
    return Symmetry(turns, steps[:, None] * np.array([0.0, 0.0, rise]))


def assemble(structure: Structure, symmetry: Symmetry, rng: np.random.Generator) -> Structure:
    """Copies of a molecule, turned at random, as near to the axes as neighbours allow.

    The axes cross at the origin of the returned structure.
    """
    from .specimen import random_rotation

    centred = structure.positions - structure.positions.mean(axis=0)
    centred = centred @ random_rotation(rng)
    direction = _direction(symmetry, rng)
    at = _nearest_place(centred, direction, symmetry)
    copies = _apply(symmetry, centred + at * direction)
    count = len(symmetry.rotations)
    chains = structure.chains.astype(int)
    step = int(chains.max()) + 1
    return replace(
        structure,
        positions=np.concatenate(copies).astype(np.float32),
        elements=np.tile(structure.elements, count),
        chains=(np.tile(chains, count) + step * np.repeat(np.arange(count), len(chains))).astype(
            np.int16
        ),
    )


def _apply(symmetry: Symmetry, positions):
    return [positions @ r.T + t for r, t in zip(symmetry.rotations, symmetry.shifts)]


def _direction(symmetry: Symmetry, rng):
    """Away from the axis; with several axes, anywhere."""
    vector = rng.normal(size=3)
    about_z_alone = np.allclose(symmetry.rotations[:, 2, 2], 1)
    vector *= (1, 1, 0) if about_z_alone else (1, 1, 1)
    return vector / np.linalg.norm(vector)


def _nearest_place(centred, direction, symmetry: Symmetry) -> float:
    """Distance from the origin at which copies touch but do not overlap."""
    from scipy.spatial import cKDTree

    tested = centred[:: max(1, len(centred) // TESTED_ATOMS)]
    radius = float(np.linalg.norm(tested, axis=1).max())
    middle = len(symmetry.rotations) // 2 if symmetry.shifts.any() else 0
    low, high = 0.0, 2 * radius * max(2.0, len(symmetry.rotations) ** 0.5)
    for _ in range(12):
        at = (low + high) / 2
        copies = _apply(symmetry, tested + at * direction)
        own = cKDTree(copies[middle])
        others = np.concatenate([copy for i, copy in enumerate(copies) if i != middle])
        if float(own.query(others, distance_upper_bound=2 * CONTACT)[0].min()) < CONTACT:
            low = at
        else:
            high = at
    return high
