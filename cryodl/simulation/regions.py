"""What resolution a simulated map shows: labels from transfer function and noise, not from taste.

Two truths are kept apart (and combined only for training an aspect-based method):

aspect resolution
    A map whose radial amplitudes differ from those of the ideal molecule by a factor T(s) shows the
    features of the ideal molecule low-passed at the cut-off with which it correlates best. For a
    flat (Wilson) spectrum the correlation with a low-pass at s_c is
    A(s_c) / sqrt(N(s_c)), A = integral of T s² and N = integral of s² up to s_c; at its maximum
    T(s_c) is half the mean of T below s_c. Sharpening and blurring move it.

signal-to-noise resolution
    The last frequency at which the full map's signal-to-noise ratio is 1/3, which is where the FSC
    of its two half maps is 0.143 (Rosenthal & Henderson 2003). No filter moves it.
"""

from __future__ import annotations

import numpy as np

SNR_AT_FSC_0143 = 1 / 3


def aspect_resolution(frequencies, amplitude, *, edge=0.0):
    """Cut-off (Å) of the low-passed ideal map that a map with these amplitudes resembles most.

    frequencies : ndarray (n,), 1/Å, evenly spaced from 0 to Nyquist
    amplitude : ndarray (n,), radial amplitude relative to the ideal molecule
    edge : float, 1/Å, distance of a low-pass filter's nominal cut-off before its half-way point;
        half the width of a raised cosine that starts at its cut-off
    """
    volume = frequencies**2
    projection = np.cumsum(amplitude * volume)
    correlation = projection / np.sqrt(np.maximum(np.cumsum(volume), 1e-12))
    best = frequencies[int(np.argmax(correlation))]
    return 1 / max(best - edge, frequencies[1])


def snr_resolution(frequencies, ratio):
    """Last resolution (Å) at which the signal-to-noise ratio of the full map is at least 1/3.

    frequencies : ndarray (n,), 1/Å;  ratio : ndarray (n,), power of signal over power of noise
    """
    seen = np.flatnonzero(ratio >= SNR_AT_FSC_0143)
    last = frequencies[seen[-1]] if len(seen) else frequencies[1]
    return 1 / max(last, frequencies[1])


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
