"""An experiment from particles: a specimen that moves, its noisy images, and two reconstructions.

Images are central slices of the specimen in its conformation, multiplied by the CTF; a
reconstruction puts them back where an alignment with errors believes them to lie. All of this is
linear, so signal and noise are reconstructed apart: the noise is brought afterwards to the strength
at which the half maps' FSC falls to 0.143 where it should, and the local truth is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.errors import InputError, counted
from cryodl.maps.volume import Volume
from cryodl.simulation.filters import FourierBox
from cryodl.simulation.imaging import make_bodies, reconstruct, sharp_density
from cryodl.simulation.particle_config import draw, full_config
from cryodl.simulation.placement import place
from cryodl.simulation.reconstruction import calibrate, fsc_mask
from cryodl.simulation.specimen import distance_from, radii, soft_step
from cryodl.simulation.structure import Structure

MAPS = ("half1", "half2", "signal", "model", "mask", "belt")
ERRORS = 1.0, 0.5, 0.2, 0.0  # of those drawn, until the signal alone reaches the resolution
SIGNAL_ALONE = 0.6  # FSC of the halves' signals that is expected at the resolution
LEAST_ATOMS = 200


@dataclass(frozen=True)
class Reconstruction:
    """What an experiment gives, and its truth; ndarrays (z, y, x) on one cubic grid.

    half1, half2 : float32, half maps, neither filtered nor sharpened nor masked
    signal : float32, their mean without its noise
    signals : float32, each half without its noise, which views and errors make differ: with it
        benchmarks/directional.py knows the resolution by direction
    model : float32, density of the resting atoms without B-factors; its maximum is 1
    mask : bool, within 3 Å of a resting atom
    belt : bool, detergent or lipid around it
    voxel_size : Å
    origin : x y z in Å of the first voxel in the model's frame
    resolution : Å, at which the half maps' FSC falls to 0.143 within `fsc_mask`
    atoms : Structure, the resting atoms in the frame of the maps, where they were placed
    drawn : with the same seed, a config that repeats the experiment
    measured : what came of it
    """

    half1: np.ndarray
    half2: np.ndarray
    signal: np.ndarray
    signals: tuple[np.ndarray, ...]
    model: np.ndarray
    mask: np.ndarray
    belt: np.ndarray
    voxel_size: float
    origin: tuple[float, float, float]
    resolution: float
    atoms: Structure
    drawn: dict[str, Any]
    measured: dict[str, Any]

    @property
    def full(self) -> np.ndarray:
        """The full map: the mean of the halves; ndarray (z, y, x), float32."""
        return (self.half1 + self.half2) / 2

    def volume(self, name: str) -> Volume:
        """One of MAPS as a Volume."""
        return Volume(getattr(self, name), self.voxel_size, self.origin)


def simulate_particles(
    structure: Structure, config: dict[str, Any] | None = None, seed: int = 0
) -> Reconstruction:
    """Simulate particles of a structure and reconstruct their two halves.

    structure : Structure
    config : numbers or ranges that replace defaults (see particle_config.py)
    seed : int; the same gives the same bytes

    Raises
    ------
    SettingError : an unknown ingredient, or a value that is none
    InputError : a voxel size that does not hold the resolution, a box too small for the molecule, a
        molecule of too few atoms, a seed below 0
    """
    if seed < 0:
        raise InputError(f"seed {seed} is below 0; give a whole number from 0 up")
    if len(structure) < LEAST_ATOMS:
        raise InputError(
            f"{structure.name} has {counted(len(structure), 'atom')} besides hydrogen: an "
            f"experiment needs {LEAST_ATOMS}; give a larger structure"
        )
    # A stream for each, so that one ingredient does not shift what another draws.
    rng_draw, rng_specimen, rng_bodies, *rng_halves, rng_noise, rng_views = (
        np.random.default_rng([seed, k]) for k in range(7)
    )
    drawn = draw(full_config(config), rng_draw)
    specimen, symmetry, drawn = place(structure, drawn, rng_specimen)
    bodies = make_bodies(specimen, drawn, rng_bodies)
    voxel, resolution = drawn["voxel_size"], drawn["resolution"]
    box = FourierBox(specimen.box, voxel)
    weights = fsc_mask(distance_from(bodies.mask, voxel), resolution)
    views = rng_views.normal(size=(max(drawn["preferred_views"], 1), 3))
    states = [rng.bit_generator.state for rng in rng_halves]
    for error in ERRORS:
        for rng, state in zip(rng_halves, states):
            rng.bit_generator.state = state
        pairs = [reconstruct(bodies, symmetry, drawn, error, rng, views) for rng in rng_halves]
        signals, noises = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        if drawn["many_particles"]:
            noises = [_same_spectrum(noise, box, rng_noise) for noise in noises]
        levels, reached, alone = calibrate(
            signals, noises, weights, resolution, box, span=10.0, steps=45
        )
        if alone > SIGNAL_ALONE and reached < 1.03 * resolution:
            break
    rim = _rim(specimen.box, drawn)
    unit = np.float32(1 / max(float(np.mean(signals, axis=0)[bodies.mask].std()), 1e-30))
    halves = [
        (signal + np.float32(level) * noise) * rim * unit
        for signal, level, noise in zip(signals, levels, noises)
    ]
    signal = (signals[0] + signals[1]) / 2 * rim * unit
    model = sharp_density(specimen, voxel)
    noise = (halves[0] + halves[1]) / 2 - signal
    return Reconstruction(
        half1=halves[0],
        half2=halves[1],
        signal=signal,
        signals=tuple(each * rim * unit for each in signals),
        model=model / model.max(),
        mask=bodies.mask,
        belt=(bodies.covered == 0) & ~bodies.mask,
        voxel_size=voxel,
        origin=specimen.origin,
        resolution=resolution,
        atoms=specimen.as_structure(structure.name),
        drawn=drawn,
        measured={
            "structure": structure.name,
            "seed": int(seed),
            "atoms": len(specimen.positions),
            "box": specimen.box,
            "bodies": len(bodies.parts) - 1,
            "symmetry": len(symmetry.rotations),
            "fsc_resolution": float(reached),
            "alignment_error": error,
            "noise_in_mask": float(noise[bodies.mask].std()),
            "mask_share": float(bodies.mask.mean()),
        },
    )


def _same_spectrum(noise, box: FourierBox, rng):
    """Gaussian noise with the radial spectrum of another."""
    power = box.power(box.to_spectrum(noise))
    white = rng.standard_normal(box.shape, dtype=np.float32)
    return box.to_map(box.to_spectrum(white), np.sqrt(power / noise.size))


def _rim(n: int, drawn):
    """What the program leaves of the density at the rim of the box; ndarray (n, n, n) or 1."""
    if not drawn["rim_masked"]:
        return np.float32(1)
    radius = radii(n, cylinder=bool(drawn["symmetric"] and drawn["helical"]))
    inside = soft_step(radius, drawn["rim_radius"] * n - drawn["rim_edge"], drawn["rim_edge"])
    left = np.float32(drawn["rim_left"])
    return left + (1 - left) * inside
