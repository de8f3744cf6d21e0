"""Cut a molecule into regions of different resolution, and give each its resolution."""

from __future__ import annotations

import numpy as np

LEVELS = 6  # steps into which a smoothly varying resolution is cut


def draw_regions(positions, chains, config, rng):
    """Assign every atom to a region and every region a resolution.

    positions : ndarray (n, 3), Å;  chains : ndarray (n,)
    config : dict with `best` and `worst` resolution, Å
    rng : numpy Generator

    Returns (regions, resolutions): ndarray (n,) int, and ndarray (regions,) in Å.
    """
    kind = rng.choice(["whole", "chains", "domains", "smooth"], p=[0.3, 0.15, 0.35, 0.2])
    if kind == "smooth":
        return _smooth_levels(positions, config, rng)
    if kind == "whole":
        regions = np.zeros(len(positions), int)
    elif kind == "chains":
        _, order = np.unique(chains, return_inverse=True)
        regions = order % LEVELS
    else:
        seeds = positions[rng.choice(len(positions), rng.integers(2, 7))]
        distance = np.linalg.norm(positions[:, None] - seeds[None], axis=-1)
        regions = distance.argmin(axis=1)
    _, regions = np.unique(regions, return_inverse=True)
    count = int(regions.max()) + 1
    if rng.random() < 0.5:  # as different as the range allows, or variations on one theme
        return regions, draw_resolution(config, rng, count)
    return regions, draw_resolution(config, rng) * np.exp(rng.normal(0, 0.2, count))


def draw_resolution(config, rng, count=1):
    """Resolutions (Å), most of them even in log Å and some even in Å, over the trained range."""
    best, worst = config["best"], config["worst"]
    even = rng.uniform(best, worst, count)
    logarithmic = best * (worst / best) ** rng.random(count)
    return np.where(rng.random(count) < 0.3, even, logarithmic)


def _smooth_levels(positions, config, rng):
    first, last = np.sort(draw_resolution(config, rng, 2))
    wave = rng.normal(size=3)
    wave /= np.linalg.norm(wave) * rng.uniform(25, 80) * config["voxel_size"]
    field = 0.5 + 0.5 * np.sin(positions @ wave * 2 * np.pi + rng.uniform(0, 2 * np.pi))
    level = np.minimum((field * LEVELS).astype(int), LEVELS - 1)
    used, regions = np.unique(level, return_inverse=True)
    return regions, first * (last / first) ** ((used + 0.5) / LEVELS)
