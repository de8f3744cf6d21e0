"""Q-score: how well the density about each atom falls off as that of an atom would.

Pintilie et al. 2020, Nat. Methods 17, 328. On spheres of 0.1 to 2.0 Å about an atom lie eight
points or more that are nearer to it than to any other atom; Q is the correlation of their densities
with a Gaussian of the distance. As in MapQ, the map is first interpolated onto a grid whose origin
is a whole number of voxels, and a sphere takes 8, 10, 12 ... evenly spread points until at least
eight are free, at most fifty times.

A point u r of a sphere is taken by a neighbour at n, not free, where  |u r - n| <= 0.9 r,  which is
from the radius on whose inverse is  c + sqrt(c² - 0.19 / n²)  with  c = u n / n².  So one pass over
directions serves all radii, and it goes from neighbour to neighbour over many atoms at once, whose
directions stay in the processor's cache.
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
FLAT = 1e-6  # of the map's range; below, values about an atom differ by rounding alone


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
    ndarray, shape (sigmas, n), float64, from -1 to 1; nan where the density about an atom is
        constant
    """
    from scipy.spatial import cKDTree

    data, origin = _on_whole_voxels(volume)
    positions = np.asarray(positions, np.float64)
    places = (positions - origin) / volume.voxel_size
    flat = FLAT * float(np.ptp(volume.data))
    tree = cKDTree(positions)
    if conformers is None:
        conformers = np.zeros(len(positions), int)
    found = np.zeros((len(sigmas), len(positions)))

    def work(start: int) -> None:
        part = np.arange(start, min(start + CHUNK, len(positions)))
        near, own = _neighbours(tree, positions, part, conformers)
        sums = _shell_sums(near, own, places[part], volume.voxel_size, data)
        for row, sigma in zip(found, sigmas):
            row[part] = _correlate(sums, sigma, flat)

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

    atoms, inverse = len(places), (1 / RADII).astype(np.float32)
    sums = np.zeros((3, atoms, len(RADII)))
    middle = map_coordinates(data, places.T[::-1], order=1, mode="constant", prefilter=False)
    pending = np.ones((atoms, len(RADII)), bool)
    squares = np.einsum("ij,ij->i", near, near)
    close = np.zeros(atoms, bool)  # to an atom from which a sphere may come free again
    close[own[squares < CLOSE**2]] = True
    scaled, least, order, counts = _by_neighbour(near, squares, own, atoms)
    for attempt in range(TRIES):
        open_ = pending[order].any(axis=1)  # atoms with spheres that have no points yet
        if not open_.any():
            break
        scaled, least = (table[:, open_] for table in (scaled, least))
        order, counts = order[open_], counts[open_]
        spread = directions(POINTS + 2 * attempt)
        taken = _taken_from(scaled, least, counts, spread)
        last = np.partition(taken, POINTS - 1, axis=1)[:, POINTS - 1, None]
        rank, radius = np.nonzero(pending[order] & ((last < inverse) | close[order, None]))
        free = taken[rank] < inverse[radius, None]  # (spheres, points)
        for odd in order[close[order]]:
            those = order[rank] == odd
            free[those] = _are_free(spread, RADII[radius[those]], near[own == odd])
        count = free.sum(axis=1)
        enough = count >= POINTS
        if not enough.any():
            continue
        count, atom, radius = count[enough], order[rank[enough]], radius[enough]
        sphere, point = np.nonzero(free[enough])
        reach = (RADII[radius] / voxel_size)[sphere]
        at = np.empty((3, len(sphere)))
        for row, across in zip(at[::-1], range(3)):
            np.multiply(spread[:, across][point], reach, out=row)
            row += places[:, across][atom][sphere]
        values = map_coordinates(data, at, np.float64, order=1, mode="constant", prefilter=False)
        values -= middle[atom][sphere]
        starts = np.cumsum(count) - count
        pending[atom, radius] = False
        sums[:, atom, radius] = (
            count, np.add.reduceat(values, starts), np.add.reduceat(values * values, starts),
        )  # fmt: skip
    return sums


def _by_neighbour(near, squares, own, atoms):
    """Tables of the first, second ... neighbour of atoms, those with most of them first.

    Returns n / n² (neighbours, atoms, 3), 0.19 / n² (neighbours, atoms), the atoms' order and how
    many neighbours each has; ndarrays
    """
    counts = np.bincount(own, minlength=atoms)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(atoms, int)
    rank[order] = np.arange(atoms)
    slot = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts, counts)
    inverse = 1 / np.maximum(squares, np.float32(1e-6))
    scaled = np.zeros((counts.max(initial=0), atoms, 3), np.float32)
    scaled[slot, rank[own]] = near * inverse[:, None]
    least = np.zeros(scaled.shape[:2], np.float32)
    least[slot, rank[own]] = np.float32(1 - SHARE**2) * inverse
    return scaled, least, order, counts[order]


def _taken_from(scaled, least, counts, spread) -> np.ndarray:
    """Inverse of the radius (1/Å) from which on each direction of each atom is taken, 0 for never:
    ndarray (atoms, points)."""
    taken = np.zeros((len(counts), len(spread)), np.float32)
    turned = np.ascontiguousarray(spread.T, np.float32)
    with np.errstate(invalid="ignore"):  # of a direction that passes a neighbour by
        for each, limit in zip(scaled, least):
            many = int(np.count_nonzero(limit))
            along = each[:many] @ turned
            root = along * along
            root -= limit[:many, None]
            np.sqrt(root, out=root)
            root += along
            np.fmax(taken[:many], root, out=taken[:many])
    return taken


def _are_free(spread: np.ndarray, radii: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Whether points of spheres are free, each asked by itself: an atom so near takes points of
    small spheres only.  ndarray (spheres, points), bool"""
    points = spread * radii[:, None, None]
    away = np.linalg.norm(points[:, :, None] - near, axis=3)
    return (away > SHARE * radii[:, None, None]).all(axis=2)


def _correlate(sums: np.ndarray, sigma: float, flat: float) -> np.ndarray:
    """Correlation with the Gaussian; the central value counts as often as a sphere has points.

    flat : RMS difference from the central value up to which there is none to correlate: nan
    """
    count, total, squares = sums
    fall = np.exp(-0.5 * (RADII / sigma) ** 2) - 1
    number = POINTS + count.sum(axis=1)
    cross = total @ fall - total.sum(axis=1) * (count @ fall) / number
    density = squares.sum(axis=1) - total.sum(axis=1) ** 2 / number
    gaussian = count @ fall**2 - (count @ fall) ** 2 / number
    norm = np.sqrt(np.maximum(density, 0) * gaussian)
    found = np.clip(np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0), -1, 1)
    constant = (count.sum(axis=1) > 0) & (squares.sum(axis=1) <= number * flat**2)
    return np.where(constant, np.nan, found)
