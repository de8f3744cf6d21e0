"""Directions over half a sphere, the cones about them, and sums over their Fourier coefficients.

Every coefficient is counted once, in the cell of its direction; a cone is a sum of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cryodl.filters.shells import shell_planes

HALF_ANGLE = 20.0  # degrees
CELL = 5.0  # degrees, edge of the cells into which directions are sorted
SECTORS = 8  # of a cone, left out in turn


def in_cones(directions: np.ndarray) -> np.ndarray:
    """Whether direction j lies in the cone about direction i: ndarray (n, n), bool."""
    return angles(directions, directions) <= np.radians(HALF_ANGLE)


def cell_sums(shape: tuple[int, ...], *powers: Callable[[int], np.ndarray]) -> np.ndarray:
    """Sums over the coefficients of every cell and shell, and at last their count.

    powers : functions of the number of a plane, as `products` makes them
    Returns ndarray (powers + 1, cells, shells)
    """
    cells, count = len(cell_centres()), max(shape) // 2 + 1
    sums = np.zeros((len(powers) + 1, cells * count))
    for k, (cell, shell) in enumerate(cells_and_shells(shape)):
        inside = shell < count
        index = cell[inside] * count + shell[inside]
        for row, power in zip(sums, powers):
            row += np.bincount(index, power(k)[inside], sums.shape[1])
        sums[-1] += np.bincount(index, minlength=sums.shape[1])
    return sums.reshape(-1, cells, count)


def cell_centres() -> np.ndarray:
    """Directions on half a sphere, about CELL apart: ndarray (n, 3), unit vectors z, y, x."""
    counts, _ = _rings()
    found = []
    for ring, count in enumerate(counts):
        polar = (ring + 0.5) * (np.pi / 2 / len(counts))
        about = (np.arange(count) + 0.5) * (2 * np.pi / count) - np.pi
        z, y = np.sin(polar) * np.sin(about), np.sin(polar) * np.cos(about)
        found.append(np.stack([z, y, np.full(count, np.cos(polar))], axis=1))
    return np.concatenate(found)


def cells_and_shells(shape: tuple[int, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The cell of direction and the shell of every coefficient of a real transform, by planes.

    Yields two ndarrays (y, x // 2 + 1), int
    """
    counts, first = _rings()
    y, x = np.fft.fftfreq(shape[1])[:, None], np.fft.rfftfreq(shape[2])[None, :]
    for z, shells in zip(np.fft.fftfreq(shape[0]), shell_planes(shape)):
        radius = np.sqrt(z * z + y * y + x * x)
        polar = np.arccos(np.clip(x / np.maximum(radius, 1e-12), 0, 1))
        ring = np.minimum((polar * (2 * len(counts) / np.pi)).astype(int), len(counts) - 1)
        share = (np.arctan2(z, np.broadcast_to(y, radius.shape)) + np.pi) / (2 * np.pi)
        place = np.minimum((share * counts[ring]).astype(int), counts[ring] - 1)
        yield first[ring] + place, shells


def _rings() -> tuple[np.ndarray, np.ndarray]:
    """Cells in each ring about the x axis, and the number of its first."""
    rings = round(90 / CELL)
    polar = (np.arange(rings) + 0.5) * (np.pi / 2 / rings)
    counts = np.maximum(np.rint(2 * np.pi * np.sin(polar) / np.radians(CELL)), 3).astype(int)
    return counts, np.cumsum(counts) - counts


def sectors(directions: np.ndarray) -> np.ndarray:
    """In which sector of the cone about axis i direction j lies: ndarray (n, n), int."""
    found = np.empty((len(directions),) * 2, np.int8)
    for i, axis in enumerate(directions):
        across = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
        across /= np.linalg.norm(across)
        seen = directions * np.sign(directions @ axis)[:, None]
        angle = np.arctan2(seen @ np.cross(axis, across), seen @ across)
        found[i] = ((angle + np.pi) / (2 * np.pi) * SECTORS).astype(int) % SECTORS
    return found


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Between axes, radians: ndarray (n, m), 0 to pi / 2."""
    return np.arccos(np.clip(np.abs(first @ second.T), 0, 1))
