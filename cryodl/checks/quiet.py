"""Boxes that are quiet beyond a sphere or a cylinder, as refinement programs leave them.

Beyond the particle's diameter RELION and cryoSPARC write zeros, or hardly any noise. Such a rim is
no mask of the molecule, whose outline it does not follow, and its silence is no solvent. It shows
in the texture (differences of neighbouring voxels): strong in all directions up to one radius, and
gone beyond. For what is measured and for what networks read it is filled with noise like the
solvent's within.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from cryodl.filters.sharpen import Shells
from cryodl.filters.shells import inverse, transform
from cryodl.maps.mask import automatic_mask, coarse_mask, existing_mask
from cryodl.maps.volume import Volume

SAMPLED = 64  # places along each axis at which texture is taken
QUIET = 0.1  # root mean square texture beyond, over that within
EVEN = 0.2  # least texture within in any direction, over the median of directions
FULL = 0.9  # likewise of what is left within, where nothing is beyond
SCATTER = 0.1  # of the texture of noise between shells
SOFTEST = 0.1  # of the box's edge: width of a soft edge
RING = 3  # places that give the texture within
MOSTLY = 0.4  # share of molecule just within, from which on the edge is its own, or its mask's
BELOW = 0.02  # ... as it is where fewer densities than that share are below those beyond
LEAST = 0.03  # share of the box that is a rim
APART = 6.0  # Å that solvent is away from the molecule
_AXES = range(3)
ENOUGH = 0.02  # share of the box that is solvent enough to measure its noise


@dataclass(frozen=True)
class Rim:
    """Where a box is quiet.

    kind : "sphere", or "cylinder" along an axis;  axis : 0, 1 or 2 (z, y, x), or None
    radius : Å, about the middle of the box
    weights : ndarray (z, y, x), float32; 1 within, falling to 0
    """

    kind: str
    axis: int | None
    radius: float
    weights: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """ndarray (z, y, x), bool."""
        return self.weights > 0.5

    @property
    def sentence(self) -> str:
        along = "" if self.axis is None else f" along {'zyx'[self.axis]}"
        return (
            f"the box is quiet beyond a {self.kind} of {self.radius:.0f} Å{along}: for what is "
            "computed it is filled with noise like that of the solvent, and nothing is reported "
            "there"
        )


def quiet_rim(volume: Volume) -> Rim | None:
    """The sphere about the middle of a box, or the cylinder about an axis, beyond which it is
    quiet; None where there is none.

    volume : density, any scale and offset
    """
    if min(volume.shape) < 16:
        return None
    every = -(-max(volume.shape) // SAMPLED)
    texture = _texture(volume.data, every)
    ends = [np.r_[: max(1, n // 16), -max(1, n // 16) : 0] for n in texture.shape]
    corners = texture[np.ix_(*ends)]
    if not corners.mean() < QUIET**2 * texture.mean():
        return None
    support = existing_mask(volume.data) if not corners.any() else None
    candidates = [(texture, EVEN)]
    if support is not None:  # where nothing at all is left, the outline itself gives the shape
        whole = tuple(slice(0, n - 1, every) for n in volume.shape)
        candidates.insert(0, (support[whole].astype(np.float32), FULL))
    for (shown, even), axis in product(candidates, (None, 0, 1, 2)):
        found = _edge(shown, [n / every for n in volume.shape], axis, even)
        if found is None:
            continue
        first, last = (place * every for place in found)
        radius = _radius(volume.shape, axis)
        ring = (radius > first - RING * every) & (radius <= first)
        molecule = coarse_mask(volume)
        if _is_molecule(volume, ring, radius > last + every, molecule):
            return None
        if shown is not texture:  # an outline ends where a soft edge ends
            first = max(last / 2, first - SOFTEST * max(volume.shape))
        weights, edge = _weights(volume, radius, first, last)
        if np.mean((weights > 0.999) & ~molecule) <= ENOUGH:
            return None  # the molecule fills it: its soft mask, with no solvent to fill a rim like
        kind = "sphere" if axis is None else "cylinder"
        return Rim(kind, axis, edge * volume.voxel_size, weights)
    return None


def filled(volume: Volume, rim: Rim | None, *, like_all: bool = False) -> Volume:
    """A map whose rim holds noise like the solvent's within, always the same; without one as it is.

    volume : density;  rim : of it, as `quiet_rim` finds it
    like_all : noise like all that is within, to ask whether that is noise
    """
    if rim is None:
        return volume
    from scipy.ndimage import gaussian_filter

    data, weights = volume.data, rim.weights
    within = weights > 0.999
    solvent = within if like_all else _solvent(volume, within)
    level = np.float32(data[solvent].mean(dtype=np.float64))
    beyond = np.float32(np.median(data[weights < 0.001]))
    window = gaussian_filter(solvent.astype(np.float32), 1.5) * solvent
    shells = Shells(data.shape)
    held = transform((data - level) * window)
    size = np.sqrt(np.square(window, dtype=np.float64).sum())
    white = np.random.default_rng(0).standard_normal(data.shape, dtype=np.float32)
    spectrum = transform(white)
    shells.multiply(spectrum, shells.amplitude(held) / size)
    noise = inverse(spectrum, data.shape)
    noise *= np.sqrt(1 - weights**2)
    noise += (1 - weights) * (level - beyond)
    return volume.with_data(data + noise)


def emptied(volume: Volume, rim: Rim | None, given: Volume) -> Volume:
    """A map that was made from a filled one, with what was given beyond the rim."""
    if rim is None:
        return volume
    return volume.with_data(np.where(rim.inside, volume.data, given.data))


def molecule_within(volume: Volume, rim: Rim | None) -> np.ndarray:
    """The molecule by `automatic_mask`, in a map whose rim is filled; ndarray (z, y, x), bool.

    A molecule that fills its soft mask looks as if it had a rim. Filled with noise as strong as the
    molecule that rim would pass for one: the map is then taken as it is.
    """
    found = automatic_mask(filled(volume, rim))
    if rim is None or (found & rim.inside).any():
        return within_rim(found, rim)
    return automatic_mask(volume)


def within_rim(mask: np.ndarray, rim: Rim | None) -> np.ndarray:
    """A mask without what it holds of the rim, unless nothing would be left."""
    if rim is None or not (mask & rim.inside).any():
        return mask
    return mask & rim.inside


def _solvent(volume: Volume, within: np.ndarray) -> np.ndarray:
    """Where noise is measured, ndarray (z, y, x), bool: around the molecule; or all within."""
    for molecule in (_grown_molecule(volume), coarse_mask(volume)):
        solvent = within & ~molecule
        if solvent.mean() > ENOUGH:
            return solvent
    return within


def _grown_molecule(volume: Volume) -> np.ndarray:
    """Roughly the molecule and what lies near it, ndarray (z, y, x), bool."""
    from scipy.ndimage import binary_dilation

    reach = max(1, round(APART / volume.voxel_size))
    return binary_dilation(coarse_mask(volume), iterations=reach)


def _is_molecule(volume: Volume, ring, beyond, molecule: np.ndarray) -> bool:
    """Whether what lies just within is the edge of a round molecule, and no solvent.

    ring, beyond, molecule : ndarray (z, y, x), bool: just within, what is quiet, and roughly where
        the molecule is
    """
    if np.mean(volume.data[ring] < np.median(volume.data[beyond])) < BELOW:
        return True
    return bool(molecule[ring].mean() > MOSTLY)


def _texture(data: np.ndarray, every: int) -> np.ndarray:
    """Squared differences of neighbours, summed over the axes, at every so many voxels."""
    here = tuple(slice(0, n - 1, every) for n in data.shape)
    total = np.zeros_like(data[here])
    for axis, n in enumerate(data.shape):
        ahead = (*here[:axis], slice(1, n, every), *here[axis + 1 :])
        total += np.square(data[ahead] - data[here])
    return total


def _places(shape, size=None):
    """Distances of places from the middle of a box along each axis, three ndarrays."""
    size = shape if size is None else size
    return [
        (np.arange(n, dtype=np.float32) - edge // 2).reshape([-1 if a == i else 1 for a in _AXES])
        for i, (n, edge) in enumerate(zip(shape, size))
    ]


def _radius(shape, axis, size=None):
    """Distance from the middle, or from an axis, in places: ndarray (z, y, x)."""
    squares = [np.square(p) for i, p in enumerate(_places(shape, size)) if i != axis]
    return np.broadcast_to(np.sqrt(sum(squares)), shape)


def _sectors(shape, axis, size):
    """Number of the direction of every place, 24 of them about a point and 32 about an axis; and
    which places count: for a cylinder those of the middle, for one may end in a sphere."""
    places = [np.broadcast_to(p, shape) for p in _places(shape, size)]
    signs = sum((p >= 0).astype(int) << i for i, p in enumerate(places) if i != axis)
    if axis is None:
        largest = np.argmax(np.abs(np.stack(places)), axis=0)
        return 8 * largest + signs, np.ones(shape, bool)
    along = np.clip((places[axis] / size[axis] + 0.3) / 0.075, 0, 7.99).astype(int)
    return 8 * along + signs, np.abs(places[axis]) < 0.3 * size[axis]


def _edge(texture, size, axis, even: float) -> tuple[float, float] | None:
    """Radii between which the texture ceases in all directions, in places; or None."""
    radius = np.rint(_radius(texture.shape, axis, size)).astype(int)
    sector, counted = _sectors(texture.shape, axis, size)
    shells = int(radius.max()) + 1
    which = (sector * shells + radius)[counted]
    number = np.bincount(which, minlength=64 * shells).reshape(-1, shells)
    power = np.bincount(which, texture[counted], 64 * shells).reshape(-1, shells)
    held, total = (np.r_[np.cumsum(v.sum(axis=0)[::-1])[::-1], 0] for v in (number, power))
    beyond = total / np.maximum(held, 1)
    used = number.any(axis=1)
    number, power = (np.pad(v[used], ((0, 0), (1, 0))).cumsum(axis=1) for v in (number, power))
    largest = min(shells - 2, int(0.5 * max(size)) + 2)
    for width in range(1, max(2, round(SOFTEST * max(size))) + 1):
        last = np.arange(RING + width + 2, largest + 1)
        counts, sums = (v[:, last - width] - v[:, last - width - RING] for v in (number, power))
        seen = np.sqrt(np.divide(sums, counts, where=counts > 0, out=np.full(sums.shape, np.nan)))
        usual, least = np.nanmedian(seen, axis=0), np.nanmin(seen, axis=0)
        ends = (least > even * usual) & (np.sqrt(beyond[last + 1]) < QUIET * usual)
        ends &= held[last + 1] >= LEAST * held[0]
        if ends.any():
            end = float(last[np.argmax(ends)])
            return end - width, end
    return None


def _weights(volume: Volume, radius, first: float, last: float):
    """Share of the noise that is left, by radius, and the radius at which it is a half (voxels).

    first, last : voxels, between which it falls
    """
    shell = np.rint(radius[:-1, :-1, :-1]).astype(int)
    away = np.arange(shell.max() + 1)
    solvent = ~_grown_molecule(volume)[:-1, :-1, :-1]
    number = np.bincount(shell[solvent], minlength=len(away))
    power = np.bincount(shell[solvent], _texture(volume.data, 1)[solvent], len(away))
    spread = np.sqrt(power / np.maximum(number, 1))
    seen = number > 30
    within = spread[(away > first - 4) & (away <= first + 1) & seen]
    usual = np.median(within) if within.size else 0.0
    # a map that was masked has no texture there, and nothing to compare with
    left = np.clip(spread / usual, 0, 1) if usual > 0 else np.ones(len(away))
    left[~seen | (left > 1 - SCATTER)] = 1
    left[away <= first - 1] = 1
    left = np.minimum.accumulate(left)
    left[away > last + 1] = 0
    left[left < QUIET] = 0
    edge = float(np.interp(-0.5, -left, away)) if (left > 0.5).any() else first
    return np.interp(radius, away, left).astype(np.float32), edge
