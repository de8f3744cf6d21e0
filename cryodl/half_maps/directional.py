"""Fourier shell correlation in cones: whether a map is as good in one direction as in another.

Views that are missing or rare leave some directions of Fourier space with more noise. In a cone
about every direction the FSC of the half maps tells its resolution (Tan et al. 2017, Nat. Methods
14, 793). Cones have a half-angle of 20 degrees. The ratio of the smallest to the largest area under
their curves is cryoSPARC's cFAR. It is never 1: a cone holds few coefficients of a small molecule,
so areas differ by chance. By how much is told by leaving out an eighth of every cone in turn.

Where the curve of a cone crosses the threshold is chance even more: few coefficients lie about one
shell. So all shells about the resolution are asked for one number: by what factor the ratio of
signal to noise in the cone differs from one curve of all cones, as missing views make it differ
(Baldwin & Lyumkis 2020, Prog. Biophys. Mol. Biol. 150, 160). Missing views change it smoothly over
the sphere: its logarithm is a sum of even spherical harmonics, weighed against what they usually
have, so that chance in a cone is held by its neighbours. The curve is smooth and fitted with the
factors: where the whole map is at its end, the finer directions show how it goes on.

What names a map anisotropic is the part of degree 2: rare views make it, and chance and the shape
of a molecule have little of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.filters.shells import products, shell_frequencies, transform
from cryodl.half_maps.cones import (
    HALF_ANGLE,
    SECTORS,
    angles,
    cell_centres,
    cell_sums,
    cells_and_shells,
    in_cones,
    sectors,
)
from cryodl.half_maps.fsc import (
    THRESHOLDS,
    FscCurve,
    correct,
    level_shells,
    resolution_at,
    within,
)
from cryodl.maps.volume import Volume

APART = 40.0  # degrees, at least, between the directions that are named as the worst
FULL = 3  # shells from the middle that hold too few coefficients for cones
BEYOND = 1.3  # times the frequency of the resolution: beyond, curves are chance and count as 0
FIT_FROM = 0.55  # times that frequency, from which on shells tell the ratio of signal to noise
POWERS = {2: 0.3, 4: 0.15, 6: 0.075, 8: 0.0375}  # variance by degree that logarithms usually have
LEVEL = 0.3  # variance of their mean
ALIKE = 0.4  # times the coefficients which a mask makes alike, found by the error of known factors
BEND = 2.0  # second derivative that their curve usually has, by squares of frequency, 1 at the
# resolution of the whole map
AT = float(np.log(THRESHOLDS[0] / (1 - THRESHOLDS[0])))  # logarithm of the ratio at the resolution
STEPS, LONGEST = 12, 1.0  # of Gauss-Newton, and the most by which a step changes a logarithm
SURE, UNEVEN = 2.0, 0.42  # RMS of the part of degree 2 over that by chance, and itself, of an
# anisotropic map


@dataclass(frozen=True)
class DirectionalFsc:
    """FSC in cones about directions on half a sphere.

    directions : ndarray (n, 3), unit vectors z, y, x with x >= 0, evenly spread
    frequencies : ndarray (shells,), 1/Å
    fsc : ndarray (n, shells), within the mask, corrected for it; 0 beyond what can be told
    resolutions : ndarray (n,), Å, by the smooth factors; nan where there is no signal
    areas : ndarray (n,), 1/Å, under the curves;  chance : spread (SD) that they have by chance
    uneven : RMS of the part of degree 2 of the logarithm of signal over noise
    certainty : that over what it is by chance
    """

    directions: np.ndarray
    frequencies: np.ndarray
    fsc: np.ndarray
    resolutions: np.ndarray
    areas: np.ndarray
    chance: float
    uneven: float
    certainty: float

    @property
    def area_ratio(self) -> float:
        """Smallest over largest area: cFAR, which small maps have low by chance."""
        return float(self.areas.min() / max(self.areas.max(), 1e-30))

    @property
    def true_areas(self) -> np.ndarray:
        """Areas drawn to their mean by as much as chance spreads them; ndarray (n,), 1/Å."""
        return _less_chance(self.areas, self.chance)

    @property
    def anisotropic(self) -> bool:
        """Whether directions differ, and more than by chance."""
        far = self.uneven > UNEVEN or np.isnan(self.resolutions).any()
        return bool(self.certainty > SURE and far)

    @property
    def sphericity(self) -> float:
        """Of the surface in Fourier space to which the map reaches, 1 for a sphere: the surface of
        the ball of its volume over its own. Differences by chance are left out."""
        radius = self.true_areas
        near = angles(self.directions, self.directions) < np.radians(HALF_ANGLE)
        slopes = [_slope(radius, i, near[i], self.directions) for i in range(len(radius))]
        surface = np.mean(radius**2 * np.sqrt(1 + np.square(slopes)))
        return float(min(np.mean(radius**3) ** (2 / 3) / max(surface, 1e-30), 1.0))

    def volume(self) -> Volume:
        """FSC by frequency, in the cone of its direction: a cube with frequency 0 in the middle,
        whose voxels stand for one Fourier voxel of the maps, 0 beyond what can be told."""
        many = max(int(np.flatnonzero(self.fsc.any(axis=0))[-1]), 1)
        size = 2 * many + 1
        planes = []
        for cell, shell in cells_and_shells((size,) * 3):
            inside = shell <= many
            planes.append(np.where(inside, self.fsc[cell, np.where(inside, shell, 0)], 0))
        right = np.fft.fftshift(np.array(planes, np.float32), axes=(0, 1))  # of x = 0
        left = right[::-1, ::-1, :0:-1]
        return Volume(np.concatenate([left, right], axis=2), 1.0)

    def worst(self, count: int = 3) -> list[dict[str, Any]]:
        """The worst directions, apart from one another: "axis" (x, y, z) and "resolution" (Å, None
        where there is no signal)."""
        found: list[int] = []
        for i in np.argsort(-np.nan_to_num(self.resolutions, nan=np.inf)):
            away = angles(self.directions[[i]], self.directions[found])
            if not found or np.degrees(away.min()) >= APART:
                found.append(int(i))
            if len(found) == count:
                break
        return [
            {
                "axis": [round(float(v), 3) for v in self.directions[i][::-1]],
                "resolution": _or_none(self.resolutions[i]),
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
    spectra = [transform(half.data) for half in (half1, half2)]
    level_shells(spectra, half1.shape)
    powers = products(*within(spectra, half1.shape, weights))
    *sums, counts = cell_sums(half1.shape, *powers)[..., :end]
    added = curve.randomised[:end] if curve.randomised_from else np.zeros(end)
    added = np.where(frequencies[:end] * (curve.randomised_from or 0) > 1, added, 0)
    cones = in_cones(directions)
    sector = sectors(directions)
    step = frequencies[1]

    def curves(where: np.ndarray) -> np.ndarray:
        cross, power1, power2 = (where.astype(float) @ each for each in sums)
        fsc = correct(cross / np.sqrt(np.maximum(power1 * power2, 1e-30)), added)
        fsc[:, :FULL] = curve.corrected[:FULL]
        return fsc

    def areas(fsc: np.ndarray) -> np.ndarray:
        return fsc[:, 1:].clip(0).sum(axis=1) * step

    fsc = curves(cones)
    chance = _jackknife(areas(curves(cones & (sector != k))) for k in range(SECTORS))
    whole = np.zeros((len(directions), len(frequencies)))
    whole[:, :end] = fsc
    alike = max(ALIKE * float(np.mean(weights**4) / np.mean(weights**2) ** 2), 1.0)
    independent = cones @ counts / alike
    model = _Model.of(
        curve.corrected[:end], fsc, independent, frequencies[:end], resolution, directions
    )
    if model:
        resolutions, uneven, by_chance = model.resolutions(), model.uneven, model.by_chance
    else:
        crossings = [resolution_at(frequencies, line, THRESHOLDS[0]) or np.nan for line in whole]
        resolutions, uneven, by_chance = np.array(crossings), 0.0, np.inf
    resolutions = np.maximum(resolutions, 1 / frequencies[-1])
    return DirectionalFsc(
        directions, frequencies, whole, resolutions, areas(fsc), chance, uneven, uneven / by_chance
    )


@dataclass(frozen=True)
class _Model:
    """Ratios of signal to noise of cones: one curve of all, times a factor of each.

    frequencies, ratio : ndarrays (shells,), 1/Å, and logarithm of the curve, which falls
    factors : ndarray (n,), logarithms;  uneven : RMS of their part of degree 2;  by_chance : what
        that is by chance
    """

    frequencies: np.ndarray
    ratio: np.ndarray
    factors: np.ndarray
    uneven: float
    by_chance: float

    @classmethod
    def of(
        cls,
        fsc: np.ndarray,
        cones: np.ndarray,
        counts: np.ndarray,
        frequencies: np.ndarray,
        resolution: float | None,
        directions: np.ndarray,
    ) -> _Model | None:
        """By penalised least squares, from shells about the resolution; None where the curve does
        not fall off.

        fsc : ndarray (shells,), of the whole map, which holds before these shells
        cones, counts : ndarrays (n, shells), FSC and independent coefficients
        frequencies : ndarray (shells,);  resolution : Å, or None
        """
        from scipy.special import eval_legendre

        if resolution is None:
            return None
        first = max(FULL, int(np.searchsorted(frequencies, FIT_FROM / resolution)))
        if len(frequencies) < first + FULL + 1:
            return None
        cosines = np.clip(directions @ directions.T, -1, 1)
        usual = LEVEL + sum(v * eval_legendre(degree, cosines) for degree, v in POWERS.items())
        sizes, shapes = np.linalg.eigh(usual)
        basis = shapes * np.sqrt(np.maximum(sizes, 0))  # whose shares have a variance of 1
        basis = basis[:, sizes > 1e-9 * sizes[-1]]
        many = basis.shape[1]
        cones, counts = cones[:, first:], counts[:, first:]
        counts = counts / in_cones(directions).sum(axis=0).mean()  # each is in many cones
        squares = (frequencies[first:] * resolution) ** 2
        bends = _bends(squares) / BEND
        penalty = np.eye(many + len(squares))
        penalty[many:, many:] = bends.T @ bends
        found = np.append(np.zeros(many), AT + (2 - AT) * (1 - squares))  # shares and curve
        for _ in range(STEPS):
            model = _sigmoid((basis @ found[:many])[:, None] + found[many:])
            slope = model * (1 - model)
            weight = 2 * counts / np.maximum(1 - model**2, 0.05) ** 2  # by its variance
            known, left = weight * slope**2, weight * slope * (cones - model)
            both = basis.T @ known
            curvature = penalty + np.block(
                [
                    [(basis.T * known.sum(axis=1)) @ basis, both],
                    [both.T, np.diag(known.sum(axis=0))],
                ]
            )
            pull = np.append(basis.T @ left.sum(axis=1), left.sum(axis=0)) - penalty @ found
            step = np.linalg.solve(curvature, pull)
            longest = max(np.abs(basis @ step[:many]).max(), np.abs(step[many:]).max())
            found += step * min(1, LONGEST / max(longest, 1e-30))
        factors, ratio = basis @ found[:many], found[many:]
        if not ratio[-1] < ratio[0] > AT:
            return None
        held = fsc[:first].clip(1e-3, 1 - 1e-3)
        before = np.maximum(np.log(held / (1 - held)), ratio[0])
        falling = np.minimum.accumulate(np.append(before, ratio)) - 1e-6 * np.arange(
            len(frequencies)
        )
        second = 5 * eval_legendre(2, cosines) @ factors / len(factors)
        by_chance = float(np.sqrt(5 / known.sum()))
        return cls(frequencies, falling, factors, float(np.sqrt(np.mean(second**2))), by_chance)

    def resolutions(self) -> np.ndarray:
        """Å, where the ratio of each cone falls to the threshold; beyond the curve, as it falls on
        average; nan where nothing is left; ndarray (n,)."""
        squares, level = self.frequencies**2, AT - self.factors
        found = np.interp(-level, -self.ratio, squares)
        half = len(squares) // 2
        fall = (self.ratio[half] - self.ratio[-1]) / (squares[-1] - squares[half])
        found += np.maximum(self.ratio[-1] - level, 0) / fall
        found[level > self.ratio[1]] = np.nan
        return 1 / np.sqrt(found)


def _bends(places: np.ndarray) -> np.ndarray:
    """Second derivatives of values at places that are not even: ndarray (n - 2, n), which squared
    and added make an integral."""
    steps = np.diff(places)
    slopes = np.diff(np.eye(len(places)), axis=0) / steps[:, None]
    return np.diff(slopes, axis=0) / np.sqrt((steps[1:] + steps[:-1]) / 2)[:, None]


def _sigmoid(ratio: np.ndarray) -> np.ndarray:
    """FSC of half maps whose logarithm of signal over noise this is."""
    return 1 / (1 + np.exp(-np.clip(ratio, -50, 50)))


def _jackknife(left: Iterable[np.ndarray]) -> float:
    """Spread by chance of figures of all cones, from those without each of their sectors: that of
    the median cone, since the worst ones of an uneven map have more of it."""
    variance = np.median(np.var(list(left), axis=0))
    return float(np.sqrt(variance * (SECTORS - 1)))


def _less_chance(values: np.ndarray, chance: float) -> np.ndarray:
    """Values drawn to their mean until their spread is what chance does not explain."""
    mean, variance = values.mean(), values.var()
    true = max(variance - chance**2, 0.0)
    return mean + np.sqrt(true / max(variance, 1e-30)) * (values - mean)


def _or_none(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _slope(radius: np.ndarray, i: int, near: np.ndarray, directions: np.ndarray) -> float:
    """Relative change of the radius with the angle about a direction, by least squares."""
    signs = np.sign(directions[near] @ directions[i])[:, None]
    steps = signs * directions[near] - directions[i]
    change = np.log(radius[near] / radius[i])
    return float(np.linalg.norm(np.linalg.lstsq(steps, change, rcond=1e-3)[0]))
