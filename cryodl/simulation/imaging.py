"""Contrast transfer function of an electron microscope."""

from __future__ import annotations

from typing import Any

import numpy as np

from cryodl.simulation.bodies import Bodies
from cryodl.simulation.placement import Symmetry, draw_errors, draw_views
from cryodl.simulation.reconstruction import noise_gain
from cryodl.simulation.slices import HalfPlane, Insertion


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


def reconstruct(bodies: Bodies, symmetry: Symmetry, drawn: dict[str, Any], error: float, rng):
    """Image half of the particles and reconstruct them.

    drawn : as from particle_config.draw
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
        views = draw_views(size, _views(drawn), rng)
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
            assigned[wrong] = draw_views(size, _views(drawn), rng)[wrong]
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
