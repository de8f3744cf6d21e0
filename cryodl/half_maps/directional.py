"""Fourier shell correlation in cones: whether a map is as good in one direction as in another.

Views that are missing or rare leave some directions of Fourier space with more noise. In a cone
about every direction the FSC of the half maps tells its resolution (Tan et al. 2017, Nat. Methods
14, 793). Cones have a half-angle of 20 degrees. The ratio of the smallest to the largest area under
their curves is cryoSPARC's cFAR. It is never 1: a cone holds few coefficients of a small molecule,
so areas differ by chance. By how much is told by leaving out an eighth of every cone in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.filters.shells import shell_frequencies, shell_planes, transform
from cryodl.half_maps.fsc import (
    THRESHOLDS,
    FscCurve,
    correct,
    level_shells,
    products,
    resolution_at,
    within,
)
from cryodl.maps.volume import Volume

HALF_ANGLE = 20.0  # degrees
CELL = 5.0  # degrees, edge of the cells into which directions are sorted
SECTORS = 8  # of a cone, left out in turn
APART = 40.0  # degrees, at least, between the directions that are named as the worst
FULL = 3  # shells from the middle that hold too few coefficients for cones
BEYOND = 1.3  # times the frequency of the resolution: beyond, curves are chance and count as 0
SURE, UNEVEN = 3.0, 0.85  # spread over that of chance, and ratio of areas, of an anisotropic map


@dataclass(frozen=True)
class DirectionalFsc:
    """FSC in cones about directions on half a sphere.

    directions : ndarray (n, 3), unit vectors z, y, x with x >= 0, evenly spread
    frequencies : ndarray (shells,), 1/Å
    fsc : ndarray (n, shells), within the mask, corrected for it; 0 beyond what can be told
    resolutions : ndarray (n,), Å, where the curves fall below 0.143; nan where there is no signal
    areas : ndarray (n,), 1/Å, under the curves;  chance : spread (SD) that they have by chance
    """

    directions: np.ndarray
    frequencies: np.ndarray
    fsc: np.ndarray
    resolutions: np.ndarray
    areas: np.ndarray
    chance: float

    @property
    def area_ratio(self) -> float:
        """Smallest over largest area: cFAR, which small maps have low by chance."""
        return _ratio(self.areas)

    @property
    def true_areas(self) -> np.ndarray:
        """Areas drawn to their mean by as much as chance spreads them; ndarray (n,), 1/Å."""
        mean, variance = self.areas.mean(), self.areas.var()
        true = max(variance - self.chance**2, 0.0)
        return mean + np.sqrt(true / max(variance, 1e-30)) * (self.areas - mean)

    @property
    def anisotropic(self) -> bool:
        """Whether directions differ, and more than by chance."""
        sure = self.areas.std() > SURE * self.chance
        return bool(sure and _ratio(self.true_areas) < UNEVEN)

    @property
    def sphericity(self) -> float:
        """Of the surface in Fourier space to which the map reaches, 1 for a sphere: the surface of
        the ball of its volume over its own. Differences by chance are left out."""
        radius = self.true_areas
        near = _angles(self.directions, self.directions) < np.radians(HALF_ANGLE)
        slopes = [_slope(radius, i, near[i], self.directions) for i in range(len(radius))]
        surface = np.mean(radius**2 * np.sqrt(1 + np.square(slopes)))
        return float(min(np.mean(radius**3) ** (2 / 3) / max(surface, 1e-30), 1.0))

    def worst(self, count: int = 3) -> list[dict[str, Any]]:
        """The worst directions, apart from one another: "axis" (x, y, z) and "resolution" (Å)."""
        found: list[int] = []
        for i in np.argsort(self.areas):
            angles = _angles(self.directions[[i]], self.directions[found])
            if not found or np.degrees(angles.min()) >= APART:
                found.append(int(i))
            if len(found) == count:
                break
        return [
            {
                "axis": [round(float(v), 3) for v in self.directions[i][::-1]],
                "resolution": round(float(self.resolutions[i]), 4),
            }
            for i in found
        ]


def directional_fsc(
    half1: Volume, half2: Volume, weights: np.ndarray, curve: FscCurve
) -> DirectionalFsc:
    """FSC of two half maps in cones.

    half1, half2 : Volume, on one grid
    weights : ndarray, shape (z, y, x), soft mask
    curve : their FSC within this mask, whose correction for the mask the cones get too
    """
    directions = cell_centres()
    frequencies = shell_frequencies(half1.shape, half1.voxel_size)
    resolution = curve.resolution(THRESHOLDS[0])
    end = len(frequencies)
    if resolution is not None:
        end = int(np.searchsorted(frequencies, BEYOND / resolution))
    sums = _cell_sums(half1, half2, weights, len(directions))[..., :end]
    added = curve.randomised[:end] if curve.randomised_from else np.zeros(end)
    added = np.where(frequencies[:end] * (curve.randomised_from or 0) > 1, added, 0)
    cones = _angles(directions, directions) <= np.radians(HALF_ANGLE)
    sectors = _sectors(directions)
    step = frequencies[1]

    def curves(where: np.ndarray) -> np.ndarray:
        cross, power1, power2 = where.astype(float) @ sums
        fsc = correct(cross / np.sqrt(np.maximum(power1 * power2, 1e-30)), added)
        fsc[:, :FULL] = curve.corrected[:FULL]
        return fsc

    def areas(fsc: np.ndarray) -> np.ndarray:
        return fsc[:, 1:].clip(0).sum(axis=1) * step

    fsc = curves(cones)
    left = np.stack([areas(curves(cones & (sectors != k))) for k in range(SECTORS)])
    chance = np.sqrt(np.mean(left.var(axis=0)) * (SECTORS - 1))  # jackknife
    whole = np.zeros((len(directions), len(frequencies)))
    whole[:, :end] = fsc
    resolutions = [resolution_at(frequencies, line, THRESHOLDS[0]) or np.nan for line in whole]
    return DirectionalFsc(
        directions, frequencies, whole, np.array(resolutions), areas(fsc), float(chance)
    )


def _cell_sums(half1: Volume, half2: Volume, weights: np.ndarray, cells: int) -> np.ndarray:
    """Cross and own powers of the masked maps: ndarray (3, cells, shells)."""
    shape = half1.shape
    spectra = [transform(half.data) for half in (half1, half2)]
    level_shells(spectra, shape)
    powers = products(*within(spectra, shape, weights))
    count = max(shape) // 2 + 1
    sums = np.zeros((3, cells * count))
    for k, (cell, shell) in enumerate(cells_and_shells(shape)):
        inside = shell < count
        index = cell[inside] * count + shell[inside]
        for row, power in zip(sums, powers):
            row += np.bincount(index, power(k)[inside], sums.shape[1])
    return sums.reshape(3, cells, count)


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


def _sectors(directions: np.ndarray) -> np.ndarray:
    """In which sector of the cone about axis i direction j lies: ndarray (n, n), int."""
    found = np.empty((len(directions),) * 2, np.int8)
    for i, axis in enumerate(directions):
        across = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
        across /= np.linalg.norm(across)
        seen = directions * np.sign(directions @ axis)[:, None]
        angle = np.arctan2(seen @ np.cross(axis, across), seen @ across)
        found[i] = ((angle + np.pi) / (2 * np.pi) * SECTORS).astype(int) % SECTORS
    return found


def _angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Between axes, radians: ndarray (n, m), 0 to pi / 2."""
    return np.arccos(np.clip(np.abs(first @ second.T), 0, 1))


def _ratio(areas: np.ndarray) -> float:
    return float(areas.min() / max(areas.max(), 1e-30))


def _slope(radius: np.ndarray, i: int, near: np.ndarray, directions: np.ndarray) -> float:
    """Relative change of the radius with the angle about a direction, by least squares."""
    signs = np.sign(directions[near] @ directions[i])[:, None]
    steps = signs * directions[near] - directions[i]
    change = np.log(radius[near] / radius[i])
    return float(np.linalg.norm(np.linalg.lstsq(steps, change, rcond=1e-3)[0]))
