"""Agreement of a map with the density of its model: Fourier shells, and correlation in space.

The model's density has the amplitudes of the map in every shell, so that sharpening counts for
nothing, and one B-factor for all atoms, since those of files are too often meaningless.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryodl.errors import InputError
from cryodl.filters.shells import (
    inverse,
    power_spectrum,
    scale_shells,
    shell_frequencies,
    transform,
)
from cryodl.half_maps.fsc import (
    correlate,
    cut_out,
    level_shells,
    resolution_at,
    soft_mask,
    within,
)
from cryodl.maps.crop import crop
from cryodl.maps.volume import Volume
from cryodl.simulation.structure import atom_density

MARGIN = 15.0  # Å of the map kept around the model
NEAR = 3.0  # Å from an atom: within, a voxel belongs to it
LEAST = 8  # voxels of a residue, below which their correlation says nothing
LOW = 1e-6  # gain of shells beyond the resolution


@dataclass(frozen=True)
class Agreement:
    """frequencies, fsc : ndarray (shells,), 1/Å, and within a soft mask about the model
    fsc_05, fsc_0143 : Å where it falls below 0.5 and 0.143; None where it is never above
    correlation : of all voxels within 3 Å of an atom;  chains, residues : ndarrays, of those
        nearest to an atom of each, nan where they are too few
    nearest : ndarray of the cropped map's shape, int, nearest atom or -1
    """

    frequencies: np.ndarray
    fsc: np.ndarray
    fsc_05: float | None
    fsc_0143: float | None
    correlation: float
    chains: np.ndarray
    residues: np.ndarray


def agreement(
    volume: Volume,
    positions: np.ndarray,
    elements: np.ndarray,
    chains: np.ndarray,
    residues: np.ndarray,
    resolution: float | None = None,
) -> Agreement:
    """How far a map agrees with atoms.

    Parameters
    ----------
    positions : ndarray (n, 3), x y z in Å, within the map;  elements : ndarray (n,)
    chains, residues : ndarray (n,), int, the number of each atom's
    resolution : Å, to which the model's density is cut; None takes where the FSC falls to 0.143

    Raises
    ------
    InputError : no atom lies in the map
    """
    part = _around(volume, positions)
    small = crop(volume, part)
    places = positions - np.asarray(small.origin)
    density = atom_density(places, elements, small.shape, small.voxel_size)
    nearest = _nearest_atoms(places, small)
    inside = nearest >= 0
    weights = soft_mask(inside, small.voxel_size)
    shape = small.shape
    maps = small.data, density
    levelled = [transform(values) for values in maps]
    model = levelled[1].copy()
    for spectrum in levelled:
        level_shells([spectrum], shape)
    _, fsc = correlate(within(levelled, shape, weights), shape)
    frequencies = shell_frequencies(shape, small.voxel_size)
    fsc_05, fsc_0143 = (resolution_at(frequencies, fsc, level) for level in (0.5, 0.143))
    limit = resolution or fsc_0143
    powers = [power_spectrum(transform(cut_out(values, weights)), shape) for values in maps]
    gain = np.sqrt(powers[0] / np.maximum(powers[1], powers[1].max() * 1e-12))
    if limit:
        gain = np.where(frequencies * limit > 1, LOW * gain.max(), gain)
    scale_shells(model, shape, np.maximum(gain, 1e-30))
    model = inverse(model, shape)[inside]
    atom, values = nearest[inside], small.data[inside]
    groups = (np.zeros(len(positions), int), chains, residues)
    whole, of_chains, of_residues = (_correlations(values, model, g[atom], g) for g in groups)
    return Agreement(frequencies, fsc, fsc_05, fsc_0143, float(whole[0]), of_chains, of_residues)


def _around(volume: Volume, positions: np.ndarray) -> tuple[slice, ...]:
    places = ((positions - np.asarray(volume.origin)) / volume.voxel_size)[:, ::-1]
    margin = MARGIN / volume.voxel_size
    low = np.clip(np.floor(places.min(axis=0) - margin), 0, None).astype(int)
    high = np.minimum(np.ceil(places.max(axis=0) + margin).astype(int) + 1, volume.shape)
    if (low >= high).any():
        raise InputError("no atom of the model lies in the map's box: fit it into the map first")
    return tuple(slice(a, b) for a, b in zip(low, high))


def _nearest_atoms(places: np.ndarray, grid: Volume) -> np.ndarray:
    """The atom nearest to every voxel within 3 Å of one; ndarray, shape (z, y, x), int, else -1.

    Every atom is laid over the voxels about it, one step from its own voxel after the other. Atoms
    in one voxel take turns, so that no two meet in a step.
    """
    voxel = grid.voxel_size
    reach = int(NEAR / voxel) + 1
    around = np.argwhere(np.ones((2 * reach + 1,) * 3)) - reach
    around = around[np.linalg.norm(around, axis=1) <= NEAR / voxel + 3**0.5 / 2]
    wide = tuple(n + 2 * reach for n in grid.shape)  # so that no step leaves it
    whole = np.rint(places[:, ::-1] / voxel)
    own = np.ravel_multi_index(tuple((whole.astype(int) + reach).T), wide)
    order = np.argsort(own, kind="stable")
    own, rest = own[order], (places[:, ::-1] - whole * voxel)[order].T.copy()
    first = np.flatnonzero(np.diff(own, prepend=-1))
    turn = np.arange(len(own)) - np.repeat(first, np.diff(first, append=len(own)))
    squares = np.full(np.prod(wide), NEAR**2, np.float32)
    nearest = np.full(wide, -1, np.int32)
    for atoms in (np.flatnonzero(turn == k) for k in range(turn.max() + 1)):
        z, y, x = rest[:, atoms]
        for step in around:
            voxels = own[atoms] + int(step @ [wide[1] * wide[2], wide[2], 1])
            a, b, c = step * voxel
            distance = ((z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2).astype(np.float32)
            closer = np.flatnonzero(distance < squares[voxels])
            voxels = voxels[closer]
            squares[voxels] = distance[closer]
            nearest.ravel()[voxels] = order[atoms[closer]]
    return nearest[(slice(reach, -reach),) * 3]


def _correlations(
    first: np.ndarray, second: np.ndarray, group: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """Correlation of two maps' values in each group; nan where it has too few."""
    size = int(groups.max()) + 1
    first, second = (values.astype(np.float64) - values.mean() for values in (first, second))

    def total(values: np.ndarray | None) -> np.ndarray:
        return np.bincount(group, values, size)

    count = np.maximum(total(None), 1)
    a, b = total(first), total(second)
    cross = total(first * second) - a * b / count
    powers = (total(first**2) - a * a / count) * (total(second**2) - b * b / count)
    few = (count < LEAST) | (powers <= 0)
    return np.where(few, np.nan, cross / np.sqrt(np.where(few, 1, powers)))
