"""The ingredients of an experiment from particles: every one a number that is drawn by a seed.

As in experiment_config.py: a range is [low, high] or a number, a chance a probability, and what was
drawn is a config again. Lengths are in Å and angles in degrees unless a comment says otherwise;
B-factors that scale with the experiment are in units of its resolution squared (R²).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.simulation import experiment_config as shared

COARSEST_SAMPLING = 2.35  # a resolution is at least so many voxels: nearer to two the grid ends it
SYMMETRIES = ("C2", "C3", "C4", "C5", "C6", "C7", "D2", "D3", "D4", "D7", "T", "O", "I")

_SPECIMEN = (
    "b_base", "b_radial", "domains", "b_domain", "domain_border", "b_wave", "wavelength",
    "missing_share", "flexible_parts", "flexible_share", "occupancy", "b_flexible", "solvent",
    "b_solvent", "belt_width", "belt_thickness", "belt_offset", "belt_heads", "belt_tails",
)  # fmt: skip

RANGES: dict[str, Any] = {
    "resolution": [2.2, 13.0],  # where the masked FSC of the half maps falls to 0.143
    "sampling": [2.4, 7.0],  # voxels a resolution; ignored where voxel_size is given
    "voxel_size": 0,  # 0: as the sampling has it
    "box": 0,  # voxels; 0: what molecule and margin need
    "largest_box": 112,  # voxels; of a larger molecule a part is taken
    "margin": [0.1, 0.3],  # of the molecule's length, on each side
    **{key: shared.RANGES[key] for key in _SPECIMEN},
    "fall_off": [2.0, 14.0],  # R², of the signal: motion, detector
    # the specimen moves
    "bodies": [0, 2],  # parts that turn about hinges
    "body_share": [0.1, 0.4],  # of the atoms
    "conformations": [1, 5],  # angles at which a part is met; 1: any angle
    "swing": [0.0, 1.5],  # times the resolution, that the rim of a part moves
    "body_presence": [0.4, 1.0],  # share of particles that have the part
    # symmetry
    "symmetry": [0, len(SYMMETRIES) - 1],  # which, where symmetric
    "twist": [20.0, 170.0],
    "rise": [4.0, 28.0],
    # the microscope
    "kilovolts": [200.0, 300.0],  # the nearer of the two is taken
    "cs": [0.01, 2.7],  # mm
    "amplitude_contrast": [0.07, 0.12],
    "defocus": [5000.0, 12000.0],  # the least
    "defocus_range": [3000.0, 20000.0],  # above the least
    "astigmatism": [0.0, 600.0],
    "defocus_error": [0.0, 0.4],  # of the CTF's phase at the resolution, radians
    # the particles
    "particles": [300.0, 1500.0],
    "preferred": [0.0, 0.8],  # share in preferred views, where there are such
    "preferred_views": [1, 3],
    "preferred_spread": [3.0, 20.0],
    "angle_error": [0.03, 0.2],  # at the rim of the molecule, in resolutions
    "shift_error": [0.02, 0.15],  # in resolutions
    "wrong_share": [0.05, 0.4],  # of particles with a random pose, where there are such
    "scale_spread": [0.0, 0.3],  # logarithm of a particle's contrast, standard deviation
    # their noise
    "noise_low": [0.0, 6.0],  # excess of noise power at low frequency
    "noise_low_at": [20.0, 80.0],  # coarser than which that excess lies
    "noise_b": [-0.5, 1.5],  # R²
    "noise_spread": [0.0, 0.3],  # logarithm of a particle's noise, standard deviation
    "gridding": 0,  # iterations that refine the weights; RELION makes 10, which takes as long again
    # what the reconstructing program leaves at the rim of its box
    "rim_radius": [0.42, 0.5],  # of the box
    "rim_edge": [0.0, 6.0],  # voxels
    "rim_left": [0.0, 0.01],  # of the density beyond
}
CHANCES: dict[str, float] = {
    "turn": 0.7,  # a random orientation; else the molecule stands at its model
    "other_hand": 0.0,  # a deposition turns hands
    "belt": 0.25,
    "symmetric": 0.3,
    "helical": 0.2,  # of those symmetric
    "phase_plate": 0.03,
    "gathered": 0.3,  # views are gathered about a few
    "heavy_tails": 0.4,
    "wrong_poses": 0.3,
    "many_particles": 0.3,  # noise as of endless particles: Gaussian, of the same spectrum
    "rim_masked": 0.6,
}
COUNTS = (
    "box", "largest_box", "domains", "flexible_parts", "bodies", "conformations", "symmetry",
    "preferred_views", "gridding",
)  # fmt: skip
SIGNED = (*shared.SIGNED, "twist")
LIMITS: dict[str, tuple[float, float]] = {
    **shared.LIMITS,
    "sampling": (COARSEST_SAMPLING, 30),
    "box": (0, 400),
    "largest_box": (32, 400),
    "margin": (0, 3),
    "bodies": (0, 20),
    "body_share": (0, 0.9),
    "conformations": (1, 100),
    "swing": (0, 100),
    "body_presence": (0, 1),
    "symmetry": (0, len(SYMMETRIES) - 1),
    "rise": (0.5, 500),
    "kilovolts": (50, 1000),
    "cs": (0, 20),
    "amplitude_contrast": (0, 1),
    "particles": (2, 1e6),
    "preferred": (0, 1),
    "preferred_views": (1, 100),
    "wrong_share": (0, 0.95),
    "gridding": (0, 100),
    "rim_radius": (0.05, 1),
}


def full_config(config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The defaults, with `config` in their place; raises SettingError as experiment_config does."""
    return shared.full_config(config, RANGES, CHANCES, SIGNED, LIMITS)


def draw(config: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A number for every ingredient of a full config; sizes and numbers evenly in the logarithm.

    Raises InputError where a voxel size that is given cannot hold the resolution.
    """
    drawn = shared.draw_numbers(config, rng, RANGES, CHANCES, COUNTS)
    shared.even_in_logarithm(drawn, config, "resolution", "particles", "sampling")
    drawn["particles"] = round(drawn["particles"])
    resolution = drawn["resolution"]
    if not drawn["voxel_size"]:
        drawn["voxel_size"] = resolution / drawn["sampling"]
    finest = COARSEST_SAMPLING * drawn["voxel_size"]
    if resolution < finest:
        raise InputError(
            f"resolution {resolution:g} Å is finer than the {finest:g} Å that voxels of "
            f"{drawn['voxel_size']:g} Å hold with a margin; give a coarser resolution or smaller "
            "voxels"
        )
    return drawn
