"""Half maps of known local resolution, for tests and benchmarks of the half-map estimators."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfftn, rfftn

from cryodl.maps.volume import Volume
from cryodl.simulation.filters import bin_frequencies, frequency_bins, radial_power
from cryodl.simulation.structure import Structure, atom_density, deblur_table, default_blur

FALL_OFF = 7.0  # B-factor of a map in its resolution squared, as real maps have it


def simulate_half_maps(positions, elements, regions, resolutions, voxel_size, shape, *, seed=0):
    """Two half maps in which every region's signal meets the noise at its own resolution.

    The noise has the spectrum of the molecule beyond 12 Å and is flat below; the signal of a region
    falls off as a Gaussian, so the ratio of their powers in the full map, where the molecule is,
    falls steadily, and is 1/3 just at the region's resolution R: an FSC of 0.143.

    positions : ndarray (n, 3), x y z in Å, around 0;  elements : ndarray (n,)
    regions : ndarray (n,), int, for each atom;  resolutions : Å, for each region

    Returns (half1, half2, inside, truth): two Volume, ndarray (z, y, x) bool, within 3 Å of an
    atom, and ndarray (z, y, x), Å, of the nearest atom's region.
    """
    from scipy.ndimage import distance_transform_edt

    rng = np.random.default_rng(seed)
    resolutions = np.asarray(resolutions, float)
    middle = np.array(shape[::-1]) // 2 * voxel_size
    placed = np.asarray(positions, float) + middle
    index = np.clip(np.rint(placed / voxel_size).astype(int), 0, np.array(shape[::-1]) - 1)
    label = np.full(shape, -1, np.int16)
    label[index[:, 2], index[:, 1], index[:, 0]] = regions
    distance, nearest = distance_transform_edt(label < 0, sampling=voxel_size, return_indices=True)
    inside = distance <= 3
    truth = resolutions[label[tuple(nearest)]].astype(np.float32)

    bins, s = frequency_bins(shape), bin_frequencies(shape, voxel_size)
    deblur = deblur_table(s, default_blur(voxel_size)) * (s <= 0.55 / voxel_size)
    parts = [
        rfftn(atom_density(placed[regions == r], elements[regions == r], shape, voxel_size))
        for r in range(len(resolutions))
    ]
    power = radial_power(sum(parts), bins, len(s)) * deblur**2 / inside.mean()
    power = np.minimum(_smooth(np.maximum(power, power.max() * 1e-9)), np.interp(1 / 12, s, power))
    noise = 3 * np.exp(-FALL_OFF / 2) * power
    signal = sum(
        part * (np.exp(-FALL_OFF * r**2 * s**2 / 4) * deblur).astype(np.float32)[bins]
        for part, r in zip(parts, resolutions)
    )
    gain = np.sqrt(2 * noise / np.prod(shape)).astype(np.float32)[bins]
    halves = []
    for _ in range(2):
        white = rfftn(rng.standard_normal(shape, dtype=np.float32))
        halves.append(Volume(irfftn(signal + white * gain, s=shape), voxel_size))
    return halves[0], halves[1], inside, truth


def _smooth(power, width=12):
    padded = np.pad(np.log(power), width, mode="edge")
    return np.exp(np.convolve(padded, np.ones(2 * width + 1) / (2 * width + 1), "valid"))


def packed_ball(radius=15.0, seed=3, spacing=1.9):
    """Atoms packed at random in a ball: positions (n, 3) in Å and elements (n,)."""
    rng = np.random.default_rng(seed)
    axis = np.arange(-radius, radius, spacing)
    grid = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    points = grid + rng.normal(0, 0.6, grid.shape)
    points = points[np.linalg.norm(points, axis=1) < radius]
    points = points[rng.random(len(points)) < 0.5]
    elements = rng.choice([6, 7, 8], len(points), p=[0.64, 0.17, 0.19]).astype(np.uint8)
    return points, elements


def as_regions(structure: Structure, resolutions):
    """Halves of a structure along its longest axis, or the whole where there is one resolution."""
    positions = structure.positions - structure.positions.mean(axis=0)
    longest = np.linalg.svd(positions, full_matrices=False)[2][0]
    along = positions @ longest
    cuts = np.quantile(along, np.arange(1, len(resolutions)) / len(resolutions))
    return positions, structure.elements, np.searchsorted(cuts, along)
