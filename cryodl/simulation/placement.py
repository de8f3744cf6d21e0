"""The pose of a simulated specimen: symmetry, its place in the box, and orientations of particles.

Copies of a molecule are packed about the axes of a point group or along a helix; the assembly is
turned, cut and put into a box. Particles show it in even or preferred views, which an alignment
finds with errors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cryodl.errors import InputError
from cryodl.simulation.particle_config import COARSEST_SAMPLING, SYMMETRIES
from cryodl.simulation.specimen import Specimen, draw_b_factors, loose_parts, random_rotation
from cryodl.simulation.structure import Structure


def draw_views(
    count: int,
    drawn: dict[str, Any],
    rng: np.random.Generator,
    preferred: np.ndarray | None = None,
) -> np.ndarray:
    """True orientations: even, or some of them gathered about a few preferred views.

    drawn : preferred (share), preferred_views (number), preferred_spread (degrees), side_views
        (1: only from the side of the z axis, as filaments lie in ice)
    preferred : ndarray (views, 3), the preferred views, which all particles of an experiment share;
        None draws them

    Returns ndarray (count, 3, 3), whose rows are the image's axes in the specimen's frame.
    """
    directions = rng.normal(size=(count, 3))
    if drawn["side_views"]:
        directions[:, 2] = 0
    gathered = rng.random(count) < drawn["preferred"]
    views = rng.normal(size=(max(drawn["preferred_views"], 1), 3))
    if preferred is not None:  # drawn all the same, so that even views stay as they are
        views = preferred
    chosen = views[rng.integers(len(views), size=count)]
    spread = np.radians(drawn["preferred_spread"])
    directions[gathered] = _unit(chosen)[gathered]
    directions = _unit(directions)
    directions += (
        spread * (gathered | bool(drawn["side_views"]))[:, None] * rng.normal(size=(count, 3))
    )
    return _frames(_unit(directions), rng.uniform(0, 2 * np.pi, count))


def draw_errors(count: int, drawn: dict[str, Any], rng: np.random.Generator):
    """Errors of an alignment.

    drawn : angle_error (degrees), shift_error (Å), heavy_tails (1: Student's t of 2 degrees of
        freedom, scaled to the same quartiles, instead of a normal distribution)

    Returns (turns, ndarray (count, 3, 3); shifts, ndarray (count, 2), Å).
    """
    from scipy.spatial.transform import Rotation

    def normal(columns: int):
        values = rng.normal(size=(count, columns))
        if drawn["heavy_tails"]:
            values *= (0.674 / 0.816) * np.sqrt(2 / rng.chisquare(2, (count, 1)))
        return values

    turns = np.radians(drawn["angle_error"]) * normal(3)
    shifts = drawn["shift_error"] * normal(2)
    return Rotation.from_rotvec(turns).as_matrix(), shifts


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _frames(directions, turns):
    """Right-handed frames with given third axes, turned about them."""
    helper = np.where(np.abs(directions[:, 2:]) < 0.9, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    first = _unit(np.cross(helper, directions))
    second = np.cross(directions, first)
    cos, sin = np.cos(turns)[:, None], np.sin(turns)[:, None]
    return np.stack([cos * first + sin * second, cos * second - sin * first, directions], axis=1)


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
