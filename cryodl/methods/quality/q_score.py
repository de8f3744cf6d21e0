"""Q-score: how well the density about each atom falls off as that of an atom would.

Pintilie et al. 2020, Nat. Methods 17, 328. On spheres of 0.1 to 2.0 Å about an atom lie eight
points or more that are nearer to it than to any other atom; Q is the correlation of their densities
with a Gaussian of the distance. As in MapQ, the map is first interpolated onto a grid whose origin
is a whole number of voxels, and a sphere takes 8, 10, 12 ... evenly spread points until at least
eight are free, at most fifty times.

A point u r of a sphere is taken by a neighbour at n, not free, from a radius on that does not
depend on the sphere:  |u r - n| <= 0.9 r.  So one pass over directions serves all radii.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from cryodl.compute.parallel import thread_count
from cryodl.maps.volume import Volume

SIGMA = 0.6  # Å, of the Gaussian, as MapQ's
RADII = np.arange(1, 21) * 0.1  # Å
POINTS, TRIES = 8, 50
SHARE = 0.9  # of the radius, within which of another atom a point is not free
REACH = float(RADII[-1]) * (1 + SHARE)  # Å, of neighbours that can take a point
CLOSE = 0.9  # Å; another atom nearer than that takes points of small spheres alone
CHUNK = 4096  # atoms worked on at a time
NEVER = np.float32(1e9)


def q_scores(
    positions: np.ndarray,
    volume: Volume,
    sigmas: Sequence[float] = (SIGMA,),
    *,
    conformers: np.ndarray | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> np.ndarray:
    """Q of every atom.

    Parameters
    ----------
    positions : ndarray, shape (n, 3), x y z in Å, of all atoms but hydrogens
    volume : the map
    sigmas : Å, of the Gaussians
    conformers : ndarray (n,), int, which alternate conformation an atom belongs to, 0 for all of
        them: atoms of two different ones are no neighbours
    progress : called with (stage, atoms done, atoms in all)

    Returns
    -------
    ndarray, shape (sigmas, n), float64, from -1 to 1
    """
    from scipy.spatial import cKDTree

    data, origin = _on_whole_voxels(volume)
    positions = np.asarray(positions, np.float64)
    places = (positions - origin) / volume.voxel_size
    tree = cKDTree(positions)
    if conformers is None:
        conformers = np.zeros(len(positions), int)
    found = np.zeros((len(sigmas), len(positions)))

    def work(start: int) -> None:
        part = np.arange(start, min(start + CHUNK, len(positions)))
        near, own = _neighbours(tree, positions, part, conformers)
        sums = _shell_sums(near, own, places[part], volume.voxel_size, data)
        for row, sigma in zip(found, sigmas):
            row[part] = _correlate(sums, sigma)

    starts = range(0, len(positions), CHUNK)
    with ThreadPoolExecutor(thread_count()) as pool:
        for number, _ in enumerate(pool.map(work, starts), 1):
            if progress:
                progress("Q-score", min(number * CHUNK, len(positions)), len(positions))
    return found


def _on_whole_voxels(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Values interpolated onto a grid whose origin is whole voxels, and that origin (x, y, z)."""
    origin = np.asarray(volume.origin, np.float32).astype(float)
    step = float(np.float32(volume.voxel_size))
    rounded = np.round(origin / step) * step
    data = volume.data
    for axis, offset in enumerate(((rounded - origin) / step)[::-1]):
        if abs(offset) < 1e-6:
            continue
        other = np.roll(data, -int(np.sign(offset)), axis)
        edge: list = [slice(None)] * 3
        edge[axis] = -1 if offset > 0 else 0
        data = data * np.float32(1 - abs(offset)) + other * np.float32(abs(offset))
        data[tuple(edge)] = 0
    return data, rounded


def _neighbours(tree, positions, part, conformers) -> tuple[np.ndarray, np.ndarray]:
    """Of a run of atoms, vectors to all neighbours, ndarray (pairs, 3), and whose they are."""
    lists = tree.query_ball_point(positions[part], REACH, return_sorted=False)
    counts = np.array([len(one) for one in lists])
    own = np.repeat(np.arange(len(part)), counts)
    other = np.concatenate([np.asarray(one, int) for one in lists])
    first, second = conformers[part][own], conformers[other]
    keep = (other != part[own]) & ((first == second) | (first == 0) | (second == 0))
    own, other = own[keep], other[keep]
    return (positions[other] - positions[part[own]]).astype(np.float32), own


@lru_cache(maxsize=TRIES)
def directions(count: int) -> np.ndarray:
    """Evenly spread unit vectors on a spiral (Saff & Kuijlaars 1997), as MapQ has them; (n, 3)."""
    height = np.linspace(-1, 1, count)
    across = np.sqrt(np.maximum(count * (1 - height**2), 0))
    turns = np.divide(3.6, across, out=np.zeros(count), where=across > 1e-9)
    turns[0] = 0
    angle = np.cumsum(turns) % (2 * np.pi)
    angle[-1] = 0
    flat = np.sqrt(np.maximum(1 - height**2, 0))
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), height], axis=1)


def _shell_sums(near, own, places, voxel_size, data) -> np.ndarray:
    """Count, sum and sum of squares of densities less the central one: ndarray (3, n, radii)."""
    from scipy.ndimage import map_coordinates

    atoms, radii = len(places), RADII.astype(np.float32)
    sums = np.zeros((3, atoms, len(radii)))
    middle = map_coordinates(data, places.T[::-1], order=1, mode="constant", prefilter=False)
    pending = np.ones((atoms, len(radii)), bool)
    squares = np.einsum("ij,ij->i", near, near)
    close = np.zeros(atoms, bool)  # to an atom from which a sphere may come free again
    close[own[squares < CLOSE**2]] = True
    for attempt in range(TRIES):
        atom, radius = np.nonzero(pending)  # spheres that have no points yet
        if not len(atom):
            break
        spread = directions(POINTS + 2 * attempt)
        active = np.flatnonzero(pending.any(axis=1))
        rank = np.full(atoms, -1)
        rank[active] = np.arange(len(active))
        pairs = rank[own] >= 0
        until = _taken_from(near[pairs], squares[pairs], rank[own[pairs]], len(active), spread)
        free = until[rank[atom]] > radii[radius, None]  # (spheres, points)
        for odd in active[close[active]]:
            those = atom == odd
            free[those] = _are_free(spread, RADII[radius[those]], near[own == odd])
        enough = free.sum(axis=1) >= POINTS
        sphere, point = np.nonzero(free[enough])
        atom, radius = atom[enough], radius[enough]
        pending[atom, radius] = False
        steps = spread[point] * (RADII[radius] / voxel_size)[sphere, None]
        at = (places[atom][sphere] + steps).T[::-1]
        values = map_coordinates(data, at, order=1, mode="constant", prefilter=False)
        values = values.astype(np.float64) - middle[atom][sphere]
        for table, weights in zip(sums, (None, values, values**2)):
            table[atom, radius] = np.bincount(sphere, weights, len(atom))
    return sums


def _taken_from(near, squares, rank, count, spread) -> np.ndarray:
    """Radius (Å) from which on each direction of each atom is taken: ndarray (count, points)."""
    inner = np.float32(1 - SHARE**2)
    along = near @ spread.T.astype(np.float32)
    root = along * along
    root -= (inner * squares)[:, None]
    never = (root < 0) | (along <= 0)
    along -= np.sqrt(np.abs(root, out=root), out=root)
    along /= inner
    along[never] = NEVER
    until = np.full((count, len(spread)), NEVER)
    starts = np.flatnonzero(np.diff(rank, prepend=-1))
    if len(starts):
        until[rank[starts]] = np.minimum.reduceat(along, starts, axis=0)
    return until


def _are_free(spread: np.ndarray, radii: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Whether points of spheres are free, each asked by itself: an atom so near takes points of
    small spheres only.  ndarray (spheres, points), bool"""
    points = spread * radii[:, None, None]
    away = np.linalg.norm(points[:, :, None] - near, axis=3)
    return (away > SHARE * radii[:, None, None]).all(axis=2)


def _correlate(sums: np.ndarray, sigma: float) -> np.ndarray:
    """Correlation with the Gaussian; the central value counts as often as a sphere has points."""
    count, total, squares = sums
    fall = np.exp(-0.5 * (RADII / sigma) ** 2) - 1
    number = POINTS + count.sum(axis=1)
    cross = total @ fall - total.sum(axis=1) * (count @ fall) / number
    density = squares.sum(axis=1) - total.sum(axis=1) ** 2 / number
    gaussian = count @ fall**2 - (count @ fall) ** 2 / number
    norm = np.sqrt(np.maximum(density, 0) * gaussian)
    return np.clip(np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0), -1, 1)
