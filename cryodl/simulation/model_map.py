"""Maps of atomic models: of a fitted model on its map's grid, and low-passed maps with noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryodl.compute.memory import check_memory
from cryodl.errors import InputError, counted
from cryodl.maps.volume import Volume
from cryodl.simulation.filters import (
    EDGE,
    UNIT_RESOLUTION,
    bin_frequencies,
    frequency_bins,
    raised_cosine,
)
from cryodl.simulation.filters import NumpyFourier as fourier
from cryodl.simulation.structure import Structure, atom_density, deblur_table, default_blur

NEAR = 3.0  # Å from an atom: within is the molecule


def model_map(structure: Structure, grid: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Density and mask of a model on a map's grid.

    Atoms have the B-factor that keeps them from aliasing (about 60 Å² at 1 Å); the files' own are
    too often meaningless.

    structure : Structure, in the frame of the map
    grid : the map

    Returns (density, its maximum 1; mask, within 3 Å of an atom): ndarrays, shape (z, y, x).
    Raises InputError where most atoms lie outside of the map's box.
    """
    from scipy.ndimage import distance_transform_edt

    positions: np.ndarray = structure.positions - np.asarray(grid.origin, np.float32)
    index = np.rint(positions / grid.voxel_size).astype(int)[:, ::-1]
    inside = np.all((index >= 0) & (index < grid.shape), axis=1)
    if inside.mean() < 0.5:
        raise InputError(
            f"{inside.mean():.0%} of the atoms of {structure.name} lie in the box of its map: fit "
            "the model, or check the map's origin"
        )
    density = atom_density(
        positions[inside], structure.elements[inside], grid.shape, grid.voxel_size
    )
    free = np.ones(grid.shape, bool)
    free[tuple(index[inside].T)] = False
    mask = distance_transform_edt(free, sampling=grid.voxel_size) <= NEAR
    return density / density.max(), mask


@dataclass(frozen=True)
class SimulatedMap:
    """A map and its truth.

    volume : Volume, at the model's place
    truth : ndarray (z, y, x), float32, Å: cut-off of the nearest atom's chain
    distance : ndarray (z, y, x), float32, Å to the nearest atom
    """

    volume: Volume
    truth: np.ndarray
    distance: np.ndarray


def simulate_map(
    structure: Structure,
    resolution,
    voxel_size: float,
    *,
    noise: float = 0.0,
    b_factor: float = 0.0,
    blur: float = 0.0,
    random_phases: float | None = None,
    margin: float = 15.0,
    seed: int = 0,
) -> SimulatedMap:
    """Simulate the map of a structure.

    structure : Structure
    resolution : float, Å; or a sequence, one for every chain in order (repeated if shorter)
    voxel_size : float, Å
    noise : float, standard deviation of white noise, in units of the 3 Å map's maximum
    b_factor : float, Å², of every atom
    blur : float, Å², B-factor applied to the finished map, noise included; negative sharpens
    random_phases : float or None, Å beyond which phases are made random
    margin : float, Å, around the molecule
    seed : int

    Raises InputError where a resolution is finer than the grid holds, or more are given than there
    are chains.
    """
    import scipy.fft

    cutoffs = np.atleast_1d(np.asarray(resolution, float))
    if not np.all(cutoffs >= 2 * voxel_size):
        raise InputError(
            f"resolution {cutoffs.min():g} Å is finer than the {2 * voxel_size:g} Å that a voxel "
            f"size of {voxel_size:g} Å holds; give a coarser resolution or a smaller voxel"
        )
    rng = np.random.default_rng(seed)
    shape, origin = _grid(structure, voxel_size, margin)
    positions = structure.positions - origin
    bins, frequencies = frequency_bins(shape), bin_frequencies(shape, voxel_size)
    blurred = deblur_table(frequencies, default_blur(voxel_size))
    blurred[frequencies > 0.55 / voxel_size] = 0  # only rounding errors there
    edge = EDGE / voxel_size
    _, chains = np.unique(structure.chains, return_inverse=True)
    count = int(chains.max()) + 1
    if len(cutoffs) > count:
        raise InputError(
            f"{len(cutoffs)} resolutions are given for {counted(count, 'chain')}: give one "
            "for each at most"
        )
    of_chain = cutoffs[np.arange(count) % len(cutoffs)]
    half = (*shape[:2], shape[2] // 2 + 1)
    total, ideal = np.zeros(half, np.complex64), np.zeros(half, np.complex64)
    for cutoff in np.unique(of_chain):
        own = of_chain[chains] == cutoff
        elements = structure.elements[own]
        density = atom_density(positions[own], elements, shape, voxel_size, b_factor=b_factor)
        spectrum = scipy.fft.rfftn(density)
        ideal = ideal + spectrum
        table = (raised_cosine(frequencies, cutoff, edge) * blurred).astype(np.float32)
        total = total + spectrum * table[bins]
    at_unit = (raised_cosine(frequencies, UNIT_RESOLUTION, edge) * blurred).astype(np.float32)
    unit = float(scipy.fft.irfftn(ideal * at_unit[bins], s=shape).max())
    del ideal
    if random_phases:
        total = _randomise(total, frequencies[bins] > 1 / random_phases, rng)
    total = total / np.float32(unit)
    if noise:
        white = rng.standard_normal(shape, dtype=np.float32) * np.float32(noise)
        total = total + scipy.fft.rfftn(white).astype(np.complex64)
    if blur:
        total = total * np.exp(-blur * frequencies**2 / 4).astype(np.float32)[bins]
    data = scipy.fft.irfftn(total, s=shape).astype(np.float32)
    truth, distance = _truth(positions, of_chain[chains], shape, voxel_size)
    x, y, z = (float(o) for o in origin)
    return SimulatedMap(Volume(data, voxel_size, (x, y, z)), truth, distance)


def _grid(structure, voxel_size, margin):
    """Shape (z, y, x) of the smallest box with molecule and margin, and its origin (x, y, z)."""
    import scipy.fft

    low, high = structure.positions.min(axis=0), structure.positions.max(axis=0)
    # float64: a molecule of a thousand Å on voxels of a thousandth must not overflow
    sizes = np.ceil((high.astype(float) - low + 2 * margin) / voxel_size)
    check_memory(
        24 * float(np.prod(sizes)),  # bytes: the map, its transform, the truth, the distance
        f"a molecule of {' x '.join(f'{n:.0f}' for n in high - low)} Å takes"
        f" {' x '.join(f'{n:.0f}' for n in sizes)} voxels of {voxel_size:g} Å",
        "give larger voxels, or a part of it",
    )
    # Even and quick to transform.
    shape = tuple(2 * scipy.fft.next_fast_len(int(n + 1) // 2) for n in sizes.astype(int)[::-1])
    middle = (low + high) / 2
    origin = middle - (np.array(shape[::-1]) // 2) * voxel_size
    # On whole voxels, so that maps of one model at one voxel size lie on one grid.
    return shape, np.round(origin / voxel_size) * voxel_size


def _randomise(spectrum, beyond, rng):
    """Give the coefficients `beyond` the phases of noise, which keeps the map real."""
    import scipy.fft

    noise = scipy.fft.rfftn(
        rng.standard_normal((spectrum.shape[0], spectrum.shape[1], 2 * (spectrum.shape[2] - 1)))
    )
    phases = noise / np.maximum(np.abs(noise), 1e-12)
    return np.where(beyond, np.abs(spectrum) * phases, spectrum).astype(np.complex64)


def _truth(positions, cutoffs, shape, voxel_size):
    from scipy.ndimage import distance_transform_edt

    index = np.clip(np.rint(positions / voxel_size).astype(int), 0, np.array(shape[::-1]) - 1)
    cutoff = np.zeros(shape, np.float32)
    cutoff[index[:, 2], index[:, 1], index[:, 0]] = cutoffs
    distance, nearest = distance_transform_edt(
        cutoff == 0, sampling=voxel_size, return_indices=True
    )
    return cutoff[tuple(nearest)], distance.astype(np.float32)


def turned(structure: Structure, edge: float, rng: np.random.Generator) -> Structure:
    """A structure in a random orientation, in the middle of a box; what lies outside is left out.

    edge : Å, of the box, whose first voxel is the origin. A larger molecule is cut about one of
        its atoms.
    """
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation[:, 0] *= np.sign(np.linalg.det(rotation))
    moved = (structure.positions - structure.positions.mean(axis=0)) @ rotation.T
    if np.ptp(moved, axis=0).max() > edge:
        moved -= moved[rng.integers(len(moved))]
    else:
        moved -= (moved.min(axis=0) + moved.max(axis=0)) / 2
    moved = (moved + edge / 2 + rng.uniform(-0.5, 0.5, 3)).astype(np.float32)
    keep = np.all((moved >= 0) & (moved < edge), axis=1)
    return replace(
        structure, positions=moved[keep], elements=structure.elements[keep],
        chains=structure.chains[keep],
    )  # fmt: skip


def uniform_maps(
    structure: Structure,
    resolutions: Sequence[float],
    box: int,
    rng: np.random.Generator,
    *,
    voxel_size: float = 1.0,
    b_factor: float = 0.0,
    noise: Sequence[float] | np.ndarray | float = 0.0,
    edge: Sequence[float] | np.ndarray | float = EDGE,
) -> list[np.ndarray]:
    """Maps of one molecule in one orientation at several resolutions.

    structure : Structure
    resolutions : Å, cut-offs of the low-pass filter
    box : voxels along each axis
    b_factor : Å², of every atom
    noise : standard deviation of white noise, in units of the map's own; one, or one for each
    edge : cycles per voxel, width of the filter's raised cosine; one, or one for each

    Returns ndarrays, shape (box, box, box), float32.
    """
    shape = (box, box, box)
    placed = turned(structure, box * voxel_size, rng)
    bins, frequencies = frequency_bins(shape), bin_frequencies(shape, voxel_size)
    density = atom_density(placed.positions, placed.elements, shape, voxel_size, b_factor=b_factor)
    spectrum = fourier.rfft3(density)
    deblur = deblur_table(frequencies, default_blur(voxel_size))
    deblur[frequencies > 0.55 / voxel_size] = 0  # only rounding errors there
    count = len(resolutions)
    maps = []
    for resolution, level, width in zip(
        resolutions, np.broadcast_to(noise, count), np.broadcast_to(edge, count)
    ):
        low_pass = raised_cosine(frequencies, resolution, width / voxel_size)
        data = fourier.irfft3(spectrum * fourier.take(low_pass * deblur, bins), shape)
        if level > 0:
            data = data + level * data.std() * rng.standard_normal(shape, dtype=np.float32)
        maps.append(data.astype(np.float32))
    return maps
