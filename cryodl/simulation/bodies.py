"""A specimen that moves: a core, and parts that turn about hinges or are not always there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cryodl.simulation.density import deblur_table, default_blur
from cryodl.simulation.filters import FourierBox
from cryodl.simulation.reconstruction import edge_low_pass, transform_atoms
from cryodl.simulation.slices import FourierDensity
from cryodl.simulation.specimen import (
    Specimen,
    belt_density,
    distance_from,
    molecular_mask,
    random_rotation,
)

LEAST_BODY = 50  # atoms


@dataclass(frozen=True)
class Body:
    """A rigid part of the specimen.

    density : ndarray (n, n, n), float32, solvent included, in the resting place
    hinge : ndarray (3,), Å x y z from the box's centre;  axis : ndarray (3,), unit vector
    """

    density: np.ndarray
    hinge: np.ndarray
    axis: np.ndarray

    def slices(self) -> FourierDensity:
        return FourierDensity(self.density)


@dataclass(frozen=True)
class Bodies:
    """The parts, and what the resting specimen is.

    parts : the core first
    model : ndarray (n, n, n), float32: every atom at rest with its B-factor, no solvent
    mask : ndarray (n, n, n), bool: within 3 Å of an atom at rest
    covered : ndarray (n, n, n), float32, Å: distance from molecule and belt
    """

    parts: list[Body]
    model: np.ndarray
    mask: np.ndarray
    covered: np.ndarray


def make_bodies(specimen: Specimen, drawn: dict[str, Any], rng: np.random.Generator) -> Bodies:
    """Divide a specimen into bodies and grid each.

    drawn : bodies (number that move), body_share (of the atoms), solvent, b_solvent, fall_off,
        resolution, voxel_size, and what a belt is made of (see particle_config.py)
    """
    n, voxel = specimen.box, drawn["voxel_size"]
    box = FourierBox(n, voxel)
    owner, hinges = _divide(specimen, drawn, rng)
    mask = molecular_mask(specimen, voxel)
    distance = distance_from(mask, voxel)
    near = _nearest_owner(specimen, owner, mask, voxel)
    whole = edge_low_pass(box.frequencies, voxel)
    spectra = [
        transform_atoms(_part(specimen, owner == k), box).spectrum for k in range(len(hinges))
    ]
    model = box.to_map(np.sum(spectra, axis=0), whole)
    density = float(model[mask].mean())  # unit of solvent and belt
    border = np.exp(-drawn["b_solvent"] * box.frequencies**2 / 4)
    fall = whole * np.exp(-drawn["fall_off"] * drawn["resolution"] ** 2 * box.frequencies**2 / 4)
    displaced = [-drawn["solvent"] * density * (mask & (near == k)) for k in range(len(hinges))]
    covered = distance
    if drawn["belt"]:
        belt = belt_density(distance, specimen, drawn)
        displaced[0] = displaced[0] + density * belt
        covered = np.where(belt != 0, np.float32(0), distance)
    parts = []
    for spectrum, solvent, (hinge, axis) in zip(spectra, displaced, hinges):
        dissolved = box.add(spectrum, box.to_spectrum(solvent, border))
        parts.append(Body(box.to_map(dissolved, fall), hinge, axis))
    return Bodies(parts, model, mask, covered)


def sharp_density(specimen: Specimen, voxel: float) -> np.ndarray:
    """Density of the atoms without B-factors, on the specimen's grid; (n, n, n), float32."""
    from cryodl.simulation.density import atom_density

    box = FourierBox(specimen.box, voxel)
    deblur = deblur_table(box.frequencies, default_blur(voxel))
    density = atom_density(specimen.positions, specimen.elements, box.shape, voxel)
    return box.to_map(box.to_spectrum(density, deblur), edge_low_pass(box.frequencies, voxel))


def _part(specimen: Specimen, own) -> Specimen:
    return replace(
        specimen,
        positions=specimen.positions[own],
        elements=specimen.elements[own],
        b_factors=specimen.b_factors[own],
        occupancies=specimen.occupancies[own],
    )


def _divide(specimen: Specimen, drawn, rng):
    """Body of every atom, and each body's hinge and axis. Bodies are cut off by planes."""
    centre = specimen.box // 2 * drawn["voxel_size"]
    positions = specimen.positions - centre
    owner = np.zeros(len(positions), np.int8)
    nothing = np.zeros(3), np.array([0.0, 0.0, 1.0])
    hinges = [nothing]
    for _ in range(drawn["bodies"]):
        free = owner == 0
        along = positions @ random_rotation(rng)[0]
        limit = np.quantile(along[free], 1 - drawn["body_share"])
        own = free & (along > limit)
        if own.sum() < LEAST_BODY or (free & ~own).sum() < LEAST_BODY:
            continue
        owner[own] = len(hinges)
        border = own & (along < limit + 6)  # Å
        hinge = positions[border if border.any() else own].mean(axis=0)
        hinges.append((hinge, random_rotation(rng)[0]))
    return owner, hinges


def _nearest_owner(specimen: Specimen, owner, mask, voxel: float):
    """Which body's atom lies nearest to each voxel of the mask; ndarray (n, n, n), int8."""
    from scipy.spatial import cKDTree

    near = np.zeros(mask.shape, np.int8)
    if owner.any():
        places = np.argwhere(mask)[:, ::-1].astype(np.float32) * np.float32(voxel)
        near[mask] = owner[cKDTree(specimen.positions).query(places)[1]]
    return near
