"""Simulated boxes for training: a molecule, what blurs it, noise, and what people do to a map.

Two kinds, mixed: *clean* boxes as in DeepRes (section 2.1: sharp low-pass filters, white noise),
and *experiments* in which every region loses its signal to noise at its own resolution, and the
map is then weighted, flattened, sharpened too much or too little, low-passed and masked, as
depositors do.
Every choice is drawn from one generator, so a seed gives the same box again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryodl.maps.edges import half_cosine
from cryodl.simulation.filters import (
    EDGE,
    UNIT_RESOLUTION,
    bin_frequencies,
    frequency_bins,
    larger_voxels,
    radial_power,
    raised_cosine,
)
from cryodl.simulation.filters import NumpyFourier as fourier
from cryodl.simulation.local_truth import SNR_AT_FSC_0143, aspect_resolution, snr_resolution
from cryodl.simulation.specimen import random_rotation
from cryodl.simulation.structure import atom_density, deblur_table, default_blur

LEVELS = 6  # steps into which a smoothly varying resolution is cut
LARGEST_LOG_GAIN = 7.0  # flattening stops here: beyond lies a map's low-pass, not its fall-off


@dataclass(frozen=True)
class Box:
    """A simulated box and its truth, the truth on the half grid on which networks learn.

    density : ndarray (n, n, n), float32
    resolution : ndarray (n/2, n/2, n/2), float32, Å, of the nearest atom's region
    distance : ndarray (n/2, n/2, n/2), float32, Å to the nearest atom
    """

    density: np.ndarray
    resolution: np.ndarray
    distance: np.ndarray


def simulate_box(structure, config, rng) -> Box:
    """Simulate one box around a random atom of a structure.

    structure : Structure
    config : dict with box (voxels), voxel_size, best and worst (Å), clean (share of clean boxes),
        plain (share of those made as the paper's tests are: neither B-factors nor solvent, white
        noise, no mask), random_phases (share of the others whose phases are made random beyond
        some resolution), and optionally emptied (what a mask left out stays 0 when resampled)
    rng : numpy Generator
    """
    n, voxel = config["box"], config["voxel_size"]
    clean = rng.random() < config["clean"]
    plain = clean and rng.random() < config["plain"]
    positions, elements, chains = _place(structure, n * voxel, rng)
    regions, resolutions = draw_regions(positions, chains, config, rng)
    distance, owner = _nearest_atom(positions, regions, n // 2, 2 * voxel)

    bins = frequency_bins((n, n, n))
    frequencies = bin_frequencies((n, n, n), voxel)
    blurs, contrast = np.zeros(len(positions)), np.ones_like(frequencies)
    if not plain:
        blurs, contrast = _draw_blur(len(positions), frequencies, rng)
    spectra = _region_spectra(positions, elements, blurs, regions, config, contrast, bins)
    ideal = spectra[0]
    for spectrum in spectra[1:]:
        ideal = ideal + spectrum
    low_pass = fourier.take(_deblurred_low_pass(frequencies, voxel), bins)
    unit = float(fourier.irfft3(ideal * low_pass, (n, n, n)).max())
    # Power inside the molecule, where the signal is, on the scale of one coefficient.
    share = max(float(np.mean(distance < 3)), 0.02)
    blur = deblur_table(frequencies, default_blur(voxel))
    power = _smooth(radial_power(ideal, bins, len(frequencies)) * blur**2) / share
    power = np.maximum(power, power[frequencies <= 0.5 / voxel].max() * 1e-7)

    draw = _plain if plain else _clean if clean else _experiment
    transfers, noise, labels = draw(resolutions, regions, frequencies, power, unit, config, rng)

    inside = (frequencies <= 0.5 / voxel).astype(np.float32)
    total = None
    for spectrum, transfer in zip(spectra, transfers):
        part = spectrum * fourier.take(transfer * blur * inside, bins)
        total = part if total is None else total + part
    if noise.max() > 0:
        white = rng.standard_normal((n, n, n), dtype=np.float32)
        if not plain and rng.random() < 0.3:
            white *= _radial_variation(n, rng)
        gain = np.sqrt(noise / n**3)  # white noise has power n³ per coefficient
        total = total + fourier.rfft3(white) * fourier.take(gain, bins)
    if plain:
        density = np.array(fourier.irfft3(total, (n, n, n)), np.float32)
        return Box(density, labels[owner].astype(np.float32), distance)
    coarser = None
    if rng.random() < 0.25:
        coarser, coarsest = _coarser_voxels(n, voxel, config, rng)
        total = total * coarser
        labels = np.maximum(labels, coarsest)
    density = np.array(fourier.irfft3(total, (n, n, n)), np.float32)
    density, masked = _mask(density, distance, config, rng)
    if masked and coarser is not None:  # masked on its own grid, and rings when resampled to ours
        left = density != 0
        density = np.array(fourier.irfft3(fourier.rfft3(density) * coarser, (n, n, n)), np.float32)
        if config.get("emptied"):  # as `maps.mask.resample_keeping_mask` does
            density *= left
    return Box(density, labels[owner].astype(np.float32), distance)


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


def _place(structure, edge, rng):
    """Rotate at random, put a random atom near the middle, keep the atoms inside the box."""
    rotation = random_rotation(rng)
    centre = structure.positions[rng.integers(len(structure))] + rng.normal(0, edge / 10, 3)
    moved = (structure.positions - centre) @ rotation.T.astype(np.float32) + edge / 2
    keep = np.all((moved >= 0) & (moved < edge), axis=1)
    return moved[keep], structure.elements[keep], structure.chains[keep]


def _nearest_atom(positions, regions, n, step):
    """Distance (Å) to the nearest atom and that atom's region, for every voxel of a coarse grid."""
    from scipy.ndimage import distance_transform_edt

    index = np.clip(np.rint(positions / step - 0.25).astype(int), 0, n - 1)
    region = np.full((n, n, n), -1, np.int16)
    region[index[:, 2], index[:, 1], index[:, 0]] = regions
    distance, nearest = distance_transform_edt(region < 0, sampling=step, return_indices=True)
    return distance.astype(np.float32), region[tuple(nearest)]


def _draw_blur(atoms, frequencies, rng):
    """B-factor of every atom, and by how much the solvent weakens each frequency."""
    base = rng.uniform(0, 30)
    spread = rng.uniform(0, 15) if rng.random() < 0.5 else 0.0
    b_factors = base + spread * rng.standard_gamma(1.0, atoms)
    if rng.random() < 0.5:  # the solvent hides the molecule's coarse features (Babinet)
        fraction, width = rng.uniform(0.3, 0.9), rng.uniform(150, 500)
    else:
        fraction, width = 0.0, 1.0
    return b_factors, 1 - fraction * np.exp(-width * frequencies**2 / 4)


def _region_spectra(positions, elements, b_factors, regions, config, contrast, bins):
    n, voxel = config["box"], config["voxel_size"]
    gain = fourier.take(contrast, bins)
    spectra = []
    for region in range(int(regions.max()) + 1):
        own = regions == region
        density = atom_density(
            positions[own], elements[own], (n, n, n), voxel, b_factor=b_factors[own]
        )
        spectra.append(fourier.rfft3(density) * gain)
    return spectra


def _deblurred_low_pass(frequencies, voxel):
    return raised_cosine(frequencies, UNIT_RESOLUTION, EDGE / voxel) * deblur_table(
        frequencies, default_blur(voxel)
    )


def _plain(resolutions, regions, frequencies, power, unit, config, rng):
    """The maps of the paper's tests: a raised-cosine low-pass per region and white noise."""
    edge = EDGE / config["voxel_size"]
    transfers = np.array([raised_cosine(frequencies, d, edge) for d in resolutions])
    level = unit * 0.02 * 8 ** rng.random()
    noise = level**2 * config["box"] ** 3 * np.ones_like(frequencies)
    ratios = transfers**2 * power / noise
    return transfers, noise, _labels(frequencies, transfers, ratios, edge / 2, config)


def _clean(resolutions, regions, frequencies, power, unit, config, rng):
    """DeepRes's maps: a raised-cosine low-pass per region, white noise, sometimes a B-factor."""
    edge = EDGE / config["voxel_size"]
    transfers = np.array([raised_cosine(frequencies, d, edge) for d in resolutions])
    noise = np.zeros_like(frequencies)
    if rng.random() < 0.85:
        # `unit` is lower here than in a map without B-factors, in whose unit tests state noise.
        level = unit * 0.003 * (0.2 / 0.003) ** rng.random()
        noise += level**2 * config["box"] ** 3
        if rng.random() < 0.25:  # resampled maps carry no noise beyond their old Nyquist frequency
            noise *= raised_cosine(frequencies, rng.uniform(2, 5) * config["voxel_size"], edge)
    if rng.random() < config["random_phases"]:  # amplitudes stay, the signal ends
        end = draw_resolution(config, rng)[0]
        beyond = 1 - raised_cosine(frequencies, end, 0.2 * edge)
        shown = transfers[np.bincount(regions).argmax()]
        # What leaves the molecule fills the box, so it is thin where the box is large.
        noise += (beyond * shown) ** 2 * power * 0.03 ** rng.random()
        transfers = transfers * (1 - beyond)
    if rng.random() < 0.25:
        strongest = 60 * max(config["voxel_size"], 0.5)  # Å²; past it noise at Nyquist is all
        gain = _b_factor_gain(frequencies, rng.uniform(-strongest, 200), config)
        transfers, noise = transfers * gain, noise * gain**2
    ratios = transfers**2 * power / np.maximum(noise, 1e-6 * power)
    return transfers, noise, _labels(frequencies, transfers, ratios, edge / 2, config)


def _experiment(resolutions, regions, frequencies, power, unit, config, rng):
    """A reconstruction: signal falls off, flat noise takes over at each region's resolution."""
    square = frequencies**2 / 2
    # An FSC curve is near 1 at half its limit, so a map falls off the faster the worse it is:
    # full-box maps here of 3.9 and 7.9 Å as B = 110 and 430 Å², about 7 R².
    fall_off = rng.uniform(6, 16) * resolutions.min() ** 2
    at = np.interp(1 / resolutions, frequencies, np.log(power))
    best = int(resolutions.argmin())
    # Flat noise, at which the best region's ratio is 1/3 just at its resolution.
    s2 = 1 / resolutions**2 / 2
    noise_level = np.exp(at[best] - fall_off * s2[best]) / SNR_AT_FSC_0143
    extra = (at - np.log(noise_level * SNR_AT_FSC_0143)) / s2 - fall_off  # B of the other regions
    transfers = np.exp(-np.maximum(fall_off + extra[:, None], 0) * square / 2)
    noise = noise_level * np.exp(rng.uniform(-20, 20) * square) * np.ones_like(frequencies)

    atoms = np.bincount(regions, minlength=len(resolutions))
    whole = 1 / np.average(1 / resolutions, weights=atoms)
    mean_power = np.average(transfers**2, axis=0, weights=atoms) * power
    gain = _depositor_gain(frequencies, power, mean_power, noise, fall_off, whole, rng, config)
    transfers, noise = transfers * gain, noise * gain**2
    # A viewer sees signal and noise together; where noise takes over is the second bound.
    amplitudes = np.sqrt(transfers**2 + noise / power)
    ratios = transfers**2 * power / np.maximum(noise, 1e-12 * power)
    # The half-way point itself counts here, as a claim by FSC does, not a filter's nominal cut-off:
    # a network trained with that convention read simulated experiments and real maps too high.
    return transfers, noise, _labels(frequencies, amplitudes, ratios, 0.0, config)


def _depositor_gain(frequencies, power, mean_power, noise, fall_off, whole, rng, config):
    """What is done to a map before it is shown, and what `flatten_spectrum` adds."""
    left = rng.normal(0, 0.15) * fall_off
    sharpened = rng.random() < 0.8
    gain = _b_factor_gain(frequencies, (left - fall_off) if sharpened else 0.0, config)
    if rng.random() < 0.75:  # FSC weighting (Rosenthal & Henderson 2003)
        ratio = mean_power / noise
        gain = gain * np.sqrt(ratio / (1 + ratio))
    if sharpened or rng.random() < 0.6:  # no one shows a sharpened map without a low-pass
        end = whole * rng.uniform(0.92, 1.04)
        gain = gain * raised_cosine(frequencies, end, rng.uniform(0.005, 0.06))
    if rng.random() < 0.55:
        limit = 1 / (whole * rng.uniform(0.9, 1.08))
        flat = 0.5 * np.log(power / np.maximum((mean_power + noise) * gain**2, 1e-12 * power))
        flat = np.minimum(
            np.where(frequencies <= limit, flat, np.interp(limit, frequencies, flat)),
            flat[frequencies <= limit].min() + LARGEST_LOG_GAIN,
        )
        gain = gain * np.exp(flat)
    return gain


def _b_factor_gain(frequencies, b_factor, config):
    """exp(-B s² / 4), held constant beyond Nyquist."""
    s = np.minimum(frequencies, 0.5 / config["voxel_size"])
    return np.exp(-b_factor * s**2 / 4)


def _labels(frequencies, amplitudes, ratios, edge, config):
    """Per region, the worse of aspect and signal-to-noise resolution (Å).

    amplitudes, ratios : ndarray (regions, n), relative to the ideal molecule; power over noise
    """
    fine = np.linspace(0, 0.5 / config["voxel_size"], 4000)
    labels = []
    for amplitude, ratio in zip(amplitudes, ratios):
        by_aspect = aspect_resolution(fine, np.interp(fine, frequencies, amplitude), edge=edge)
        by_noise = snr_resolution(fine, np.interp(fine, frequencies, ratio))
        labels.append(max(by_aspect, by_noise))
    return np.array(labels)


def _smooth(power):
    width = 25  # bins
    return np.exp(
        np.convolve(
            np.pad(np.log(np.maximum(power, 1e-30)), width, mode="edge"),
            np.ones(2 * width + 1) / (2 * width + 1),
            mode="valid",
        )
    )


def _radial_variation(n, rng):
    axis = (np.arange(n, dtype=np.float32) - n * rng.uniform(0.2, 0.8)) / n
    r2 = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    return 1 + np.float32(rng.uniform(-0.5, 1.0)) * np.exp(-r2 / np.float32(0.1))


def _coarser_voxels(n, voxel, config, rng):
    """What a coarser grid keeps, a cube in Fourier space, and the finest resolution it holds."""
    coarsest = min(3.6 * voxel, 0.45 * config["worst"])
    coarse = voxel * 1.04 * (coarsest / voxel / 1.04) ** rng.random()
    return larger_voxels((n, n, n), coarse / voxel).astype(np.float32), 2 * coarse


def _mask(density, distance, config, rng):
    """Leave the box, or cut the map around the molecule with a hard or a soft edge."""
    from scipy.ndimage import zoom

    choice = rng.random()
    if choice < 0.45:
        return density, False
    radius = rng.uniform(2.5, 9) * max(config["voxel_size"], 0.7)
    full = zoom(distance, 2, order=1, mode="nearest", grid_mode=True)
    width = 1e-3 if choice < 0.75 else rng.uniform(2, 8)
    return density * half_cosine((radius + width - full) / width, rising=True), True
