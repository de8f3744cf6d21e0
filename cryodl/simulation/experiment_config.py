"""The ingredients of a simulated experiment: every one a number, drawn from a range by a seed.

A config is a dict over the keys of RANGES and CHANCES. A range is [low, high], from which a number
is drawn evenly, or a number, which is taken as it is; a chance is a probability. What was drawn is
a config again (chances become 0 or 1), and repeats the experiment with the same seed: one random
number is spent on every key, drawn or not.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError, SettingError
from cryodl.files.reading import read_json

COARSEST_SAMPLING = 2.1  # a resolution is at least so many voxels

# B-factors that scale with the experiment are in units of resolution²: an FSC is near 1 at half its
# limit, so a map falls off the faster the worse it is (7 R²: 110 Å² at 4 Å, 430 Å² at 7.9 Å).
RANGES: dict[str, Any] = {
    "resolution": [2.5, 10.0],  # Å, where the masked FSC of the half maps falls to 0.143
    "voxel_size": [0.5, 2.0],  # Å
    "box": 0,  # voxels; 0: what molecule and margin need. A larger molecule is cut
    "margin": [20.0, 40.0],  # Å, around molecule and belt
    # B-factors of the atoms: the best atoms' in Å², and what is added elsewhere, in R²
    "b_base": [5.0, 40.0],
    "b_radial": [0.0, 6.0],  # at the rim, growing as the radius squared
    "domains": [1, 6],
    "b_domain": [0.0, 6.0],  # of the worst domain
    "domain_border": [1.0, 8.0],  # Å, over which domains run into one another
    "b_wave": [0.0, 3.0],  # of a wave through the molecule
    "wavelength": [25.0, 80.0],  # Å
    # parts that are badly seen, or not at all, at the rim of the molecule
    "missing_share": [0.0, 0.06],  # of the atoms
    "flexible_parts": [0, 3],
    "flexible_share": [0.01, 0.06],  # of the atoms, each part
    "occupancy": [0.2, 0.7],  # of the flexible parts
    "b_flexible": [0.0, 5.0],  # R², added
    # solvent and belt; densities in units of the mean density inside the molecule
    "solvent": [0.1, 0.8],
    "b_solvent": [100.0, 400.0],  # Å², how soft the solvent's and the belt's borders are
    "belt_width": [12.0, 25.0],  # Å, from the molecule's surface
    "belt_thickness": [30.0, 45.0],  # Å, along the membrane's normal
    "belt_offset": [-0.2, 0.2],  # of the molecule's length along the normal
    "belt_heads": [0.1, 0.4],  # above the solvent
    "belt_tails": [-0.3, 0.1],
    # the reconstruction
    "fall_off": [4.0, 16.0],  # R², of signal (60-260 Å² at 4 Å): motion, alignment, detector
    "noise_b": [-1.0, 2.0],  # R², of the noise
    "noise_low": [0.0, 3.0],  # excess of noise power at low frequencies
    "noise_low_at": [20.0, 60.0],  # Å, coarser than which that excess lies
    "noise_radial": [-0.4, 0.8],  # of its standard deviation, in the middle of the box
    "noise_radius": [0.15, 0.4],  # of the box, how far that reaches
    "native_voxel": [1.05, 1.6],  # times the voxel size: the grid of the reconstruction
    # what depositors do
    "sharpening": [0.5, 1.4],  # of the B-factor that makes up for the fall-off
    "low_pass": [0.8, 1.1],  # times the resolution
    "over_filter": [1.2, 1.7],  # times that, where someone wanted it smooth
    "low_pass_width": [0.02, 0.3],  # of its frequency
    "mask_radius": [3.0, 10.0],  # Å beyond the molecule, of a soft mask
    "mask_edge": [3.0, 10.0],  # Å
    "tight_radius": [0.0, 2.0],  # Å, of a tight mask
    "log_scale": [-2.0, 1.0],  # decades
    "offset": [-0.5, 0.5],  # of the map's standard deviation
}
CHANCES: dict[str, float] = {
    "turn": 0.0,  # a random orientation; else the map stands at its model
    "other_hand": 0.1,
    "belt": 0.25,  # detergent micelle or lipid disc
    "resampled": 0.3,  # from a coarser grid
    "sharpened": 0.7,
    "fsc_weighted": 0.7,
    "low_passed": 0.75,
    "over_filtered": 0.1,  # of those low-passed
    "soft_masked": 0.35,
    "tightly_masked": 0.15,
    "ball_masked": 0.3,  # by the largest ball that the box holds
}
COUNTS = ("box", "domains", "flexible_parts")
SIGNED = ("b_wave", "belt_offset", "belt_tails", "noise_b", "noise_radial", "log_scale", "offset")
# between which an ingredient means something, and a machine can make it; the others: above 0
LIMITS: dict[str, tuple[float, float]] = {
    "resolution": (0.5, 40),
    "voxel_size": (0, 20),
    "box": (0, 600),
    "margin": (0, 300),
    "domains": (1, 100),
    "domain_border": (0.1, 100),
    "wavelength": (1, 1e4),
    "flexible_parts": (0, 100),
    "noise_low_at": (1, 1e4),
    "noise_radius": (0.01, 10),
    "native_voxel": (1, 10),
    "low_pass": (0.1, 10),
    "over_filter": (0.1, 10),
    "low_pass_width": (1e-3, 1),
    "log_scale": (-20, 20),
}


def full_config(
    config: dict[str, Any] | None = None,
    ranges=RANGES,
    chances=CHANCES,
    signed=SIGNED,
    limits: Mapping[str, tuple[float, float]] = LIMITS,
) -> dict[str, Any]:
    """The defaults, with `config` in their place.

    ranges, chances, signed, limits : the tables of another kind of experiment

    Raises SettingError for a key that is unknown, or a value that is no number or range or lies
    beyond the ingredient's limits.
    """
    if config is not None and not isinstance(config, Mapping):
        raise SettingError(f"ingredients are an object of names and numbers, not {config!r:.40}")
    config = dict(config or {})
    for key, value in config.items():
        if key not in ranges and key not in chances:
            near = difflib.get_close_matches(str(key), [*ranges, *chances], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SettingError(f"a simulated experiment has no ingredient {key!r}{hint}")
        numbers = value if isinstance(value, (list, tuple)) and key in ranges else [value]
        if len(numbers) not in (1, 2) or not all(is_number(n) for n in numbers):
            kinds = "number or [low, high]" if key in ranges else "number"
            raise SettingError(f"{key}: {value!r} is no {kinds}")
        if key in chances and not 0 <= value <= 1:
            raise SettingError(f"{key}: {value:g} is no probability; give a number from 0 to 1")
        if numbers[0] > numbers[-1]:
            raise SettingError(f"{key}: the range {value} ends below its beginning")
        if key in ranges and key not in signed and numbers[0] < 0:
            raise SettingError(f"{key}: {value} is below 0")
        low, high = limits.get(key, (-math.inf, math.inf))
        if numbers[0] < low or numbers[-1] > high:
            raise SettingError(f"{key}: {value} is not between {low:g} and {high:g}")
    return {**ranges, **chances, **config}


def read_config(path: str | Path) -> tuple[dict[str, Any], int | None]:
    """Ingredients from a JSON file: an object of them, or an earlier run's experiment.json.

    Returns the ingredients, and the seed of that earlier run or None.

    Raises InputError where the file cannot be read, SettingError where it is no JSON object.
    """
    try:
        values = read_json(path)
    except ValueError as error:
        raise SettingError(f"{path} is not JSON: {error}") from None
    seed = None
    if isinstance(values, dict) and "config" in values:
        values, seed = values["config"], values.get("seed")
    if not isinstance(values, dict) or not (seed is None or _is_seed(seed)):
        raise SettingError(f"{path} must hold a JSON object of ingredients")
    return values, seed


def draw(config: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Draw a number for every ingredient of a full config.

    Raises InputError where a fixed voxel size cannot hold the resolution; one that is drawn is made
    to hold it.
    """
    drawn = draw_numbers(config, rng)
    finest = COARSEST_SAMPLING * drawn["voxel_size"]
    if drawn["resolution"] < finest:
        if not isinstance(config["voxel_size"], (list, tuple)):
            raise InputError(
                f"resolution {drawn['resolution']:g} Å is finer than the {finest:g} Å that voxels "
                f"of {drawn['voxel_size']:g} Å hold with a margin; give a coarser resolution or "
                "smaller voxels"
            )
        drawn["voxel_size"] = drawn["resolution"] / COARSEST_SAMPLING
    return drawn


def draw_numbers(
    config: dict[str, Any], rng: np.random.Generator, ranges=RANGES, chances=CHANCES, counts=COUNTS
) -> dict[str, Any]:
    """One number for every ingredient, and for every chance 0 or 1."""
    drawn: dict[str, Any] = {}
    for key in ranges:
        share = rng.random()
        bounds = config[key] if isinstance(config[key], (list, tuple)) else [config[key]]
        if key in counts:
            low, high = round(bounds[0]), round(bounds[-1])
            drawn[key] = min(low + int(share * (high - low + 1)), high)
        else:
            drawn[key] = float(bounds[0] + share * (bounds[-1] - bounds[0]))
    for key in chances:
        drawn[key] = int(rng.random() < config[key])
    return drawn


def even_in_logarithm(drawn: dict[str, Any], config: dict[str, Any], *keys: str) -> None:
    """Have numbers that were drawn from ranges lie evenly in the logarithm, in place."""
    for key in keys:
        if isinstance(config[key], (list, tuple)):
            low, high = config[key][0], config[key][-1]
            share = (drawn[key] - low) / max(high - low, 1e-9)
            drawn[key] = float(low * (high / low) ** share)


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def is_number(value: Any) -> bool:
    """Whether a value from JSON is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e300  # JSON also has integers that no float can hold
