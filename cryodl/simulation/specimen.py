"""The specimen of a simulated experiment: atoms in a box, how much they move, what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.maps.edges import cosine_edge
from cryodl.simulation.structure import Structure

MASK_DISTANCE = 3.0  # Å from an atom's centre to where solvent begins


@dataclass(frozen=True)
class Specimen:
    """Atoms that are there.

    positions : ndarray (n, 3), float32, x y z in Å from the centre of voxel (0, 0, 0)
    elements : ndarray (n,), atomic numbers
    b_factors : ndarray (n,), Å²
    occupancies : ndarray (n,), 0 to 1
    normal : ndarray (3,), unit vector x y z, across the membrane
    box : voxels along each edge of the cubic box
    origin : x y z in Å of voxel (0, 0, 0) in the model's frame
    """

    positions: np.ndarray
    elements: np.ndarray
    b_factors: np.ndarray
    occupancies: np.ndarray
    normal: np.ndarray
    box: int
    origin: tuple[float, float, float]

    def as_structure(self, name: str) -> Structure:
        """The atoms in the model's frame, of one chain."""
        placed = (self.positions + np.asarray(self.origin)).astype(np.float32)
        return Structure(placed, self.elements, np.zeros(len(placed), np.int16), name)


def make_specimen(structure, drawn: dict[str, Any], rng: np.random.Generator) -> Specimen:
    """Place a structure and give its atoms B-factors and occupancies.

    structure : Structure
    drawn : as from `experiment_config.draw`
    """
    positions = np.asarray(structure.positions, float)
    turned = positions @ random_rotation(rng) if drawn["turn"] else positions
    box, centre = _box(turned, drawn, rng)
    voxel = drawn["voxel_size"]
    # On whole voxels, so that experiments on one model at one voxel size lie on one grid.
    origin = np.round(centre / voxel - box // 2) * voxel
    placed = turned - origin
    normal = np.linalg.svd(turned - turned.mean(axis=0), full_matrices=False)[2][rng.integers(3)]
    b_factors = draw_b_factors(positions, drawn, rng)
    occupancies, extra = loose_parts(positions, drawn, rng)
    if drawn["other_hand"]:  # mirrored as the grid is: voxel i becomes voxel -i of the periodic box
        placed[:, 0] = box * voxel - placed[:, 0]
        normal = normal * (-1, 1, 1)
    keep = np.all((placed >= 0) & (placed < box * voxel), axis=1) & (occupancies > 0)
    return Specimen(
        placed[keep].astype(np.float32),
        np.asarray(structure.elements)[keep],
        (b_factors + extra)[keep],
        occupancies[keep],
        normal,
        box,
        (float(origin[0]), float(origin[1]), float(origin[2])),
    )


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A proper rotation, even over all of them."""
    rotation, triangle = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.sign(np.diag(triangle))
    if np.linalg.det(rotation) < 0:
        rotation[:, 0] *= -1
    return rotation


def draw_b_factors(positions, drawn: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """B-factor (Å²) of every atom: worse at the rim and in some domains, and varying smoothly."""
    centred = positions - positions.mean(axis=0)
    radius = np.linalg.norm(centred, axis=1)
    rim = max(float(np.percentile(radius, 98)), 1.0)
    added = drawn["b_radial"] * np.minimum(radius / rim, 1.2) ** 2

    seeds = centred[rng.choice(len(centred), max(drawn["domains"], 1))]
    levels = rng.random(len(seeds))
    levels -= levels.min()
    levels /= max(levels.max(), 1e-9)
    distance = np.linalg.norm(centred[:, None] - seeds[None], axis=-1)
    closeness = (distance.min(axis=1, keepdims=True) - distance) / max(drawn["domain_border"], 0.1)
    weight = np.exp(closeness)
    added += drawn["b_domain"] * (weight @ levels) / weight.sum(axis=1)

    wave = rng.normal(size=3)
    wave /= np.linalg.norm(wave) * max(drawn["wavelength"], 1.0)
    phase = 2 * np.pi * (centred @ wave + rng.random())
    added += drawn["b_wave"] * (0.5 + 0.5 * np.sin(phase))
    return drawn["b_base"] + (added - added.min()) * drawn["resolution"] ** 2


def _box(turned, drawn, rng):
    """Voxels along an edge, and what lies in the middle of the box (x, y, z in Å)."""
    import scipy.fft

    low, high = turned.min(axis=0), turned.max(axis=0)
    extent = float((high - low).max())
    random_atom = turned[rng.integers(len(turned))]
    if drawn["box"]:
        fits = extent + 4 * MASK_DISTANCE < drawn["box"] * drawn["voxel_size"]
        return drawn["box"], (low + high) / 2 if fits else random_atom
    extent += 2 * (drawn["margin"] + drawn["belt"] * drawn["belt_width"])
    half = int(np.ceil(extent / drawn["voxel_size"] / 2))
    return 2 * scipy.fft.next_fast_len(half), (low + high) / 2  # even and quick to transform


def loose_parts(positions, drawn, rng):
    """Occupancy of every atom, and the B-factor (Å²) that loose parts have besides."""
    occupancies, extra = np.ones(len(positions)), np.zeros(len(positions))
    radius = np.linalg.norm(positions - positions.mean(axis=0), axis=1)
    rim = np.flatnonzero(radius >= np.percentile(radius, 75))
    missing = int(drawn["missing_share"] * len(positions))
    share = int(drawn["flexible_share"] * len(positions))
    parts = [share] * drawn["flexible_parts"] + [missing]
    for number, size in enumerate(parts):
        seed = positions[rng.choice(rim)]
        near = np.argsort(np.linalg.norm(positions - seed, axis=1), kind="stable")[:size]
        gone = number == len(parts) - 1
        occupancies[near] = 0.0 if gone else drawn["occupancy"]
        extra[near] = drawn["b_flexible"] * drawn["resolution"] ** 2
    return occupancies, extra


def molecular_mask(specimen: Specimen, voxel_size: float) -> np.ndarray:
    """Voxels within 3 Å of an atom: where the molecule excludes solvent.

    Returns ndarray (z, y, x), bool.
    """
    import gemmi

    n = specimen.box
    grid = gemmi.FloatGrid(n, n, n)
    edge = n * voxel_size
    grid.set_unit_cell(gemmi.UnitCell(edge, edge, edge, 90, 90, 90))
    grid.spacegroup = gemmi.SpaceGroup("P 1")
    for x, y, z in specimen.positions.tolist():
        grid.set_points_around(gemmi.Position(x, y, z), radius=MASK_DISTANCE, value=1.0)
    return np.ascontiguousarray(np.asarray(grid.array).T) > 0


def distance_from(mask: np.ndarray, voxel_size: float) -> np.ndarray:
    """Distance (Å) of every voxel to the mask, 0 inside. ndarray (z, y, x), float32."""
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(~mask, sampling=voxel_size).astype(np.float32)


def soft_step(distance: np.ndarray, start: float, width: float) -> np.ndarray:
    """1 up to `start`, then half a cosine down to 0 over `width` (Å)."""
    return cosine_edge(distance, float(start), float(max(width, 1e-3)))


def radii(n: int, *, cylinder: bool = False) -> np.ndarray:
    """Distance from the middle of a box, or from its z axis, in voxels; (n, n, n), float32."""
    axis = (np.arange(n, dtype=np.float32) - n // 2) ** 2
    height = np.zeros_like(axis) if cylinder else axis
    return np.sqrt(height[:, None, None] + axis[None, :, None] + axis[None, None, :])


def belt_density(distance: np.ndarray, specimen: Specimen, drawn: dict[str, Any]) -> np.ndarray:
    """Density of a micelle or lipid belt above the solvent, in the molecule's mean densities.

    Around the molecule, perpendicular to its normal: half an ellipse in section, as wide as
    `belt_width` in the membrane's plane; tails inside, a shell of heads a fifth as thick outside.

    distance : ndarray (z, y, x), Å, from the molecular mask
    """
    n, voxel = specimen.box, np.float32(drawn["voxel_size"])
    along = specimen.positions @ specimen.normal
    middle = along.mean() + drawn["belt_offset"] * np.ptp(along)
    axis = np.arange(n, dtype=np.float32) * voxel
    x, y, z = (axis * np.float32(c) for c in specimen.normal)
    height = z[:, None, None] + y[None, :, None] + x[None, None, :] - np.float32(middle)
    half = drawn["belt_thickness"] / 2
    radius = np.sqrt(
        (distance / np.float32(drawn["belt_width"])) ** 2 + (height / np.float32(half)) ** 2
    )
    whole = soft_step(radius, 0.9, 0.2)
    tails = soft_step(radius, 0.7, 0.2)
    density = drawn["belt_heads"] * (whole - tails) + drawn["belt_tails"] * tails
    return (density * (distance > 0)).astype(np.float32)
