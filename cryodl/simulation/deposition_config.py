"""What people do to a map before they deposit it: every step a number that is drawn by a seed.

As in experiment_config.py. Lengths are in Å unless a comment says otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cryodl.simulation import experiment_config as shared

# what the full map is filtered by; a kind is drawn evenly, so a name twice is twice as likely
FILTERS = (
    "none", "relion", "relion", "cryosparc", "local", "gaussian", "butterworth", "cosine",
    "cosine", "sharpened",
)  # fmt: skip
MASKS = ("none", "none", "none", "none", "rim", "cylinder", "soft", "soft", "tight", "zone", "part")
GRIDS = ("kept", "kept", "kept", "fourier", "fourier", "linear", "cubic", "nearest", "binned")
STORED = ("float32", "float32", "float32", "float32", "float16", "bytes")

RANGES: dict[str, Any] = {
    "filter": [0, len(FILTERS) - 1],
    "mask": [0, len(MASKS) - 1],
    "grid": [0, len(GRIDS) - 1],
    "stored": [0, len(STORED) - 1],
    # filters
    "sharpening": [0.3, 1.7],  # of the B-factor that makes up for the map's fall-off
    "low_pass": [0.5, 2.0],  # times the resolution, of one that is the whole filter
    "final_low_pass": [0.8, 1.2],  # times the resolution, of one that ends a sharpening
    "low_pass_width": [0.005, 0.2],  # of its frequency
    "order": [2.0, 10.0],  # of a Butterworth filter
    "last_low_pass": [0.8, 2.0],  # times the resolution, of one after the mask
    "last_width": [0.005, 0.05],  # of its frequency
    "local_error": [0.8, 1.3],  # times the true local resolution, to which a local filter goes
    # masks
    "rim_radius": [0.3, 0.5],  # of the box
    "rim_edge": [0.0, 8.0],  # voxels
    "rim_left": [0.0, 0.005],  # of what lies outside
    "mask_radius": [3.0, 12.0],  # beyond the molecule and its belt
    "mask_edge": [3.0, 12.0],
    "tight_radius": [-1.0, 2.0],
    "zone_radius": [-1.0, 5.0],  # beyond 3 Å around atoms
    "part_radius": [15.0, 40.0],  # of a part of the molecule, which alone is kept
    # thresholds, in standard deviations of the map
    "floor": [-1.0, 1.5],
    # the grid
    "voxels": [0.35, 3.0],  # of the new ones, in the old
    "finest_voxel": 0.5,
    "coarsest_voxel": 6.0,
    "largest_box": 160,  # voxels
    "crop_margin": [2.0, 20.0],  # around what is kept
    "pad": [0.0, 0.3],  # of the box, of zeros on each side
    # values
    "log_scale": [-4.0, 3.0],  # decades of the standard deviation
    "offset": [-0.5, 0.5],  # of the map's standard deviation
}
CHANCES: dict[str, float] = {
    "filtered_last": 0.15,  # low-passed after the mask, as archives' older maps are
    "other_hand": 0.15,
    "thresholded": 0.12,
    "negative_to_zero": 0.08,
    "cropped": 0.25,
    "padded": 0.08,
    "lifted": 0.3,  # an offset is added
}
COUNTS = ("filter", "mask", "grid", "stored", "largest_box")
SIGNED = ("tight_radius", "zone_radius", "floor", "log_scale", "offset")
LIMITS: dict[str, tuple[float, float]] = {
    "filter": (0, len(FILTERS) - 1),
    "mask": (0, len(MASKS) - 1),
    "grid": (0, len(GRIDS) - 1),
    "stored": (0, len(STORED) - 1),
    "low_pass": (0.1, 10),
    "final_low_pass": (0.1, 10),
    "low_pass_width": (1e-3, 1),
    "last_low_pass": (0.1, 10),
    "last_width": (1e-3, 1),
    "order": (1, 50),
    "local_error": (0.1, 10),
    "rim_radius": (0.05, 1),
    "voxels": (0.1, 10),
    "finest_voxel": (0.1, 20),
    "coarsest_voxel": (0.1, 20),
    "largest_box": (32, 600),
    "pad": (0, 2),
    "log_scale": (-20, 20),
}


def full_config(config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The defaults, with `config` in their place; a filter, mask, grid or storage by its name."""
    names = {"filter": FILTERS, "mask": MASKS, "grid": GRIDS, "stored": STORED}
    if isinstance(config, dict):
        config = {
            key: names[key].index(value) if key in names and value in names[key] else value
            for key, value in config.items()
        }
    return shared.full_config(config, RANGES, CHANCES, SIGNED, LIMITS)


def draw(config: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A number for every ingredient of a full config; sizes of voxels evenly in the logarithm."""
    drawn = shared.draw_numbers(config, rng, RANGES, CHANCES, COUNTS)
    shared.even_in_logarithm(drawn, config, "voxels")
    return drawn
