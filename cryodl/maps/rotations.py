"""Rotations of the cube, each of which brings a grid onto itself, and means over them.

A network's prediction for a turned map is almost, but not quite, that for the map turned. The mean
over a group of rotations is, whatever the network: for a map turned by one of them it is the same
mean, its terms in another order (Cohen and Welling, ICML 2016, on what such groups are to
networks). Voxels only change places, so nothing is interpolated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any

import numpy as np

from cryodl.maps.volume import Volume


@dataclass(frozen=True)
class Rotation:
    """One rotation: the axes of an array in another order, some of them reversed.

    order : axis of the array that becomes each axis
    flips : whether each axis is then reversed
    """

    order: tuple[int, ...] = (0, 1, 2)
    flips: tuple[bool, ...] = (False, False, False)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Rotation:
        """One of the 48 rotations and mirror images of the cube, at random."""
        order = tuple(int(axis) for axis in rng.permutation(3))
        return cls(order, tuple(bool(step < 0) for step in rng.choice([-1, 1], 3)))

    def turn(self, data: np.ndarray) -> np.ndarray:
        """An array turned: a view.  data : ndarray, shape (z, y, x) or (z, y, x, channels)"""
        turned = data.transpose(*self.order, *range(3, data.ndim))
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def back(self, data: np.ndarray) -> np.ndarray:
        """What `turn` gave, turned back: a view."""
        data = data[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        return data.transpose(*np.argsort(self.order), *range(3, data.ndim))


def _is_proper(rotation: Rotation) -> bool:
    """Whether it is a rotation: another order or direction of the axes may be a mirror."""
    return np.linalg.det(np.eye(3)[list(rotation.order)]) * (-1) ** sum(rotation.flips) > 0


ONE = (Rotation(),)
# Those of one order of the axes after another: networks are slow at the first map of a new shape.
ALL = tuple(
    rotation
    for order in permutations(range(3))
    for rotation in (Rotation(order, flips) for flips in product((False, True), repeat=3))
    if _is_proper(rotation)
)


@dataclass(frozen=True)
class Pass:
    """One of the passes over which an answer is averaged.

    number : from 0 on;  count : of all
    report : called with (done, total) of all passes
    """

    number: int
    count: int
    report: Callable[[int, int], None] | None = None

    def progress(self, done: int, total: int) -> None:
        """Report how much of this pass is done."""
        if self.report is not None:
            self.report(self.number * total + done, self.count * total)


def rotations(thorough: bool) -> tuple[Rotation, ...]:
    """All 24, or none but the one that changes nothing."""
    return ALL if thorough else ONE


def mean_over(
    chosen: tuple[Rotation, ...],
    estimate: Callable[..., Iterable[np.ndarray]],
    *given: Volume | np.ndarray | None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterable[np.ndarray]:
    """The mean of what is estimated from a map in several orientations.

    chosen : the rotations, `ALL` or `ONE`
    estimate : called with a Pass and with what was given, turned; it gives ndarrays: those of shape
        (z, y, x) are turned back, those of fewer axes are taken as they are. Where it yields them
        one after another, no more than one is alive beside the means
    given : Volumes, ndarrays of shape (z, y, x), or None. Turned volumes have their origin at 0
    progress : called with (done, total) of all passes

    Returns the means, in the order in which they were given; of one rotation the answer itself.
    """
    if len(chosen) == 1:
        return estimate(Pass(0, 1, progress), *given)
    means: list[np.ndarray] = []
    for number, rotation in enumerate(chosen):
        turned = (_turned(one, rotation) for one in given)
        for i, answer in enumerate(estimate(Pass(number, len(chosen), progress), *turned)):
            answer = rotation.back(answer) if answer.ndim >= 3 else answer
            if number == 0:
                means.append(answer / len(chosen))
            else:
                means[i] += answer / len(chosen)
    return means


def agreed(
    chosen: tuple[Rotation, ...], find: Callable[[Volume], np.ndarray], volume: Volume
) -> np.ndarray:
    """A mask that most orientations of a map agree on: ndarray, shape (z, y, x), bool.

    find : gives a mask, ndarray of bool, of a Volume; the rules for masks work on blocks of voxels,
        which begin at one end of the box
    """
    if len(chosen) == 1:
        return find(volume)
    [share] = mean_over(chosen, lambda _, turned: [find(turned).astype(np.float32)], volume)
    return share > 0.5 if (share > 0.5).any() else find(volume)


def _turned(given: Any, rotation: Rotation) -> Any:
    if given is None:
        return None
    if not isinstance(given, Volume):
        return np.ascontiguousarray(rotation.turn(given))
    data = np.ascontiguousarray(rotation.turn(given.data))
    return replace(given, data=data, origin=(0.0, 0.0, 0.0), start=(0, 0, 0), header_origin=None,
                   header_spacing=None)  # fmt: skip
