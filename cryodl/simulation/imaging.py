"""Particles of a specimen that moves, and the reconstruction of half of them.

The specimen is a core with bodies that turn about hinges or are not always there. Every particle is
a central slice of each body at its own angle, times the contrast transfer function, with noise; a
reconstruction puts it back where an alignment with errors believes it to lie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cryodl.simulation.filters import FourierBox
from cryodl.simulation.placement import Symmetry, draw_errors, draw_views
from cryodl.simulation.reconstruction import edge_low_pass, noise_gain, transform_atoms
from cryodl.simulation.slices import FourierDensity, HalfPlane, Insertion
from cryodl.simulation.specimen import (
    Specimen,
    belt_density,
    distance_from,
    molecular_mask,
    random_rotation,
)
from cryodl.simulation.structure import deblur_table, default_blur

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
    from cryodl.simulation.structure import atom_density

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


def wavelength(kilovolts: float) -> float:
    """Wavelength of the electrons, Å, with the relativistic correction."""
    volts = 1e3 * kilovolts
    return 12.2643247 / np.sqrt(volts * (1 + 0.978466e-6 * volts))


def contrast_transfer(
    u, v, defocus_u, defocus_v, azimuth, *, kilovolts, cs, amplitude_contrast, phase_shift=0.0
):
    """CTF of particles, with the sign that makes matter bright (Rohou & Grigorieff 2015, eq. 3).

    u, v : ndarrays (points,), 1/Å
    defocus_u, defocus_v : ndarrays (particles,), Å, underfocus is positive
    azimuth : ndarray (particles,), radians, of defocus_u from the u axis
    kilovolts, cs (mm), amplitude_contrast (0 to 1), phase_shift (radians) : floats

    Returns ndarray (particles, points), float32.
    """
    square = (u**2 + v**2).astype(np.float32)
    angle = np.arctan2(v, u).astype(np.float32)
    length = wavelength(kilovolts)
    mean = ((defocus_u + defocus_v) / 2)[:, None].astype(np.float32)
    difference = ((defocus_u - defocus_v) / 2)[:, None].astype(np.float32)
    defocus = mean + difference * np.cos(2 * (angle - azimuth[:, None].astype(np.float32)))
    phase = np.float32(np.pi * length) * defocus * square
    phase -= (np.pi / 2 * cs * 1e7 * length**3 * square.astype(float) ** 2).astype(np.float32)
    return np.sin(phase + np.float32(np.arcsin(amplitude_contrast) + phase_shift))


LEAST_PARTICLES = 40  # of an experiment of high symmetry, whose particles count many times
BATCH = 1 << 18  # points of slices that are held at a time


def reconstruct(
    bodies: Bodies, symmetry: Symmetry, drawn: dict[str, Any], error: float, rng, preferred
):
    """Image half of the particles and reconstruct them.

    drawn : as from particle_config.draw
    preferred : ndarray (views, 3), views about which particles gather where they do
    error : share of the drawn errors of alignment, defocus and conformation that is made

    Returns (signal, noise): ndarrays (n, n, n), float32; the noise is of any strength.
    """
    n, voxel = len(bodies.mask), drawn["voxel_size"]
    plane, insertion = HalfPlane(n), Insertion(n, parts=2)
    fourier = [body.slices() for body in bodies.parts]
    operators = _used(symmetry)
    count = max(drawn["particles"] // 2 // len(operators), LEAST_PARTICLES // 2)
    step = max(1, BATCH // len(plane.u) // len(operators))
    reach = max(np.linalg.norm(np.argwhere(bodies.mask) - n // 2, axis=1).max() * voxel, 10.0)
    errors = _errors(drawn, error, reach)
    gain = noise_gain(plane.radius / (n * voxel), drawn).astype(np.float32)
    for start in range(0, count, step):
        size = min(step, count - start)
        views = draw_views(size, _views(drawn), rng, preferred)
        points = plane.points(views)
        values = np.zeros(points.shape[1:], np.complex64)
        for body, density in zip(bodies.parts, fourier):
            values += _slices_of(body, density, views, plane, drawn, error, reach, rng)
        true, believed = _transfer(plane, size, drawn, error, rng)
        values *= true * np.exp(drawn["scale_spread"] * rng.normal(size=(size, 1))).astype("f4")
        turns, shifts = draw_errors(size, errors, rng)
        values *= _phases(shifts[:, :1] * plane.u + shifts[:, 1:] * plane.v, n * voxel)
        noise = rng.standard_normal((*values.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
        noise *= gain * np.exp(drawn["noise_spread"] * rng.normal(size=(size, 1))).astype("f4")
        assigned = turns @ views
        if drawn["wrong_poses"]:
            wrong = rng.random(size) < drawn["wrong_share"] * error
            assigned[wrong] = draw_views(size, _views(drawn), rng, preferred)[wrong]
        places = plane.points(assigned)
        for rotation, shift in operators:
            turned = np.tensordot(rotation.astype(np.float32), places, 1)
            along = np.tensordot(shift.astype(np.float32), turned, 1)
            phase = _phases(along, n * voxel) if shift.any() else 1
            insertion.add(turned, believed, values * phase, noise * phase)
    return tuple(insertion.density(part, drawn["gridding"]) for part in range(2))


def _used(symmetry: Symmetry):
    """Operators that a reconstruction averages over: of a helix, the middle ones."""
    pairs = list(zip(symmetry.rotations, symmetry.shifts))
    if not symmetry.shifts.any():
        return pairs
    middle = len(pairs) // 2
    reach = min(5, middle)
    return pairs[middle - reach : middle + reach + 1]


def _views(drawn):
    return {
        **drawn,
        "preferred": drawn["preferred"] * drawn["gathered"],
        "side_views": drawn["symmetric"] and drawn["helical"],
    }


def _errors(drawn, error: float, reach: float):
    """Standard deviations of the alignment's errors in degrees and Å."""
    unit = error * drawn["resolution"]
    return {
        "angle_error": float(np.degrees(min(drawn["angle_error"] * unit / reach, 0.5))),
        "shift_error": drawn["shift_error"] * unit,
        "heavy_tails": drawn["heavy_tails"],
    }


def _slices_of(body, density, views, plane, drawn, error: float, reach: float, rng):
    """Slices of one body, turned about its hinge in every particle by another angle."""
    from scipy.spatial.transform import Rotation

    count = len(views)
    if not np.any(body.hinge):
        return density.read(plane.points(views))
    angle = error * drawn["swing"] * drawn["resolution"] / reach
    if drawn["conformations"] == 1:
        angles = angle * rng.normal(size=count)
    else:
        angles = np.linspace(-angle, angle, drawn["conformations"])[
            rng.integers(drawn["conformations"], size=count)
        ]
    turns = Rotation.from_rotvec(angles[:, None] * body.axis).as_matrix()
    points = plane.points(views @ turns)
    values = density.read(points)
    moved = (body.hinge - turns @ body.hinge).astype(np.float32)
    along = np.einsum("pij,pj->pi", views[:, :2].astype(np.float32), moved)
    length = plane.size * drawn["voxel_size"]
    values *= _phases(along[:, :1] * plane.u + along[:, 1:] * plane.v, length)
    values[rng.random(count) > 1 - error * (1 - drawn["body_presence"])] = 0
    return values


def _phases(along, length: float):
    """exp(-2 pi i along / length): a shift by Å, of points in Fourier voxels of a box."""
    angle = (along * np.float32(-2 * np.pi / length)).astype(np.float32)
    phases = np.empty(angle.shape, np.complex64)
    phases.real, phases.imag = np.cos(angle), np.sin(angle)
    return phases


def _transfer(plane, count: int, drawn, error: float, rng):
    """CTF of particles as it is, and as it is believed to be."""
    length = plane.size * drawn["voxel_size"]
    kilovolts = 200.0 if drawn["kilovolts"] < 250 else 300.0
    defocus = drawn["defocus"] + drawn["defocus_range"] * rng.random(count)
    split = drawn["astigmatism"] * rng.random(count) / 2
    azimuth = rng.uniform(0, np.pi, count)
    radian = drawn["resolution"] ** 2 / (np.pi * wavelength(kilovolts))  # Å of defocus
    wrong = error * drawn["defocus_error"] * radian * rng.normal(size=count)
    options = {
        "kilovolts": kilovolts,
        "cs": drawn["cs"],
        "amplitude_contrast": drawn["amplitude_contrast"],
        "phase_shift": np.pi / 2 * drawn["phase_plate"],
    }
    u, v = plane.u / np.float32(length), plane.v / np.float32(length)
    return [
        contrast_transfer(u, v, middle + split, middle - split, azimuth, **options)
        for middle in (defocus, defocus + wrong)
    ]
