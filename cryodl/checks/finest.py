"""The finest resolution that a map can hold: where its spectrum ends, or its original voxels.

A map may have been brought to finer voxels by repeating its own, or by lines between them.

Such a map holds no more than the coarser one did, but its spectrum does not end: repeated voxels
and straight lines have images at all frequencies. In space they show: whole planes are equal to
the one before them, or are the mean of their neighbours. The latter only where the voxels of both
grids lie on each other: lines that are cut anywhere else are not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cryodl.filters.shells import transform
from cryodl.maps.edges import along
from cryodl.maps.volume import Volume

REPEATED = 0.3  # share of planes, along every axis, from which it is no chance
ROUNDING = 2e-5  # of a plane's spread, by which a mean may be off
LINES = 7  # of a plane, that are looked at first


def coarser_by(volume: Volume) -> float:
    """How much larger the voxels were that a map comes from; 1 where nothing shows it.

    volume : density, any scale and offset
    """
    for holds in (_repeated, _straight):
        share = 1.0
        for axis in range(3):
            share = min(share, _share(volume.data, axis, holds))
            if share < REPEATED:  # as along the first axis of nearly every map
                break
        if share >= REPEATED:
            return 1 / (1 - share) if share < 0.95 else 1.0
    return 1.0


def _share(data: np.ndarray, axis: int, holds) -> float:
    """Share of the planes across an axis for which something holds, of those that are not even."""
    planes = np.moveaxis(data, axis, 0)
    held = counted = 0
    for k in range(1, len(planes) - 1):
        step = max(1, planes.shape[1] // LINES)
        lines = planes[k - 1 : k + 2, ::step]
        if lines[1].min() == lines[1].max():  # nothing but what a mask left
            continue
        counted += 1
        held += bool(holds(lines, lines) and holds(planes[k - 1 : k + 2], lines))
    return held / counted if counted > 8 else 0.0


def _repeated(three: np.ndarray, lines: np.ndarray) -> bool:
    return np.array_equal(three[0], three[1])


def _straight(three: np.ndarray, lines: np.ndarray) -> bool:
    off, spread = np.abs(three[1] - (three[0] + three[2]) / 2), float(lines[1].std())
    return float(off.max()) < ROUNDING * spread and not np.array_equal(three[0], three[2])


LARGEST = 320  # voxels along each axis of the middle that is looked at
COARSEST = 30.0  # Å; an edge at lower frequencies is none of a grid or a resolution
SMALLEST = 32  # voxels along an edge, below which shells are too few
LEAST = 8  # shells before an edge, which give the course
WITHIN = 0.12  # of the frequency, or three shells, within which an edge falls
EMPTY = np.log(20)  # by so much amplitudes fall at an edge ...
BELOW = np.log(8)  # ... and by so much below the course before it
GONE = np.log(50)  # having fallen by so much, if they do, they have ended
LOW_PASSED = "the spectrum of the map ends at"  # as a warning begins
NEARLY = 0.97  # of Nyquist, beyond which an edge is that of the grid


def finest_possible(volume: Volume) -> float:
    """The finest resolution that a map can hold, Å: two voxels, or where its spectrum ends.

    volume : density, any scale and offset

    Also where it was brought to finer voxels by repetition or linear interpolation (`coarser_by`).
    In doubt the map is believed: a fall that may be one of atoms, blurring or a mask is no end.
    """
    nyquist = 0.5 / (volume.voxel_size * coarser_by(volume))
    if min(volume.shape) < SMALLEST:
        return 1 / nyquist
    ends = [end for end in (_end(*profile) for profile in _profiles(volume)) if end is not None]
    return float(1 / min([nyquist, *ends]))


def finest_warning(volume: Volume, finest: float) -> str | None:
    """A sentence where a map holds less than its voxels could, or None.

    finest : Å, as `finest_possible` gives it
    """
    if not _is_coarser(volume, finest):
        return None
    by = coarser_by(volume)
    if by > 1 and finest <= 2 * volume.voxel_size * by * 1.001:
        return (
            f"the map was brought to its voxels of {volume.voxel_size:.3g} Å from ones of "
            f"{finest / 2:.3g} Å, by repeating them or by lines between them: no resolution finer "
            f"than {finest:.2f} Å is given"
        )
    return (
        f"{LOW_PASSED} {finest:.2f} Å, as if it was low-passed there or brought "
        f"to finer voxels from ones of {finest / 2:.2f} Å: it holds nothing finer"
    )


def holds_nothing_better(voxel_size: float, finest: float | None = None) -> str:
    """Words on what voxels (Å) cannot show; finest : Å, where it is not two of them."""
    return (
        f"the voxel size of {voxel_size:g} Å holds nothing better than "
        f"{finest or 2 * voxel_size:.1f} Å"
    )


def coarse_voxels(volume: Volume, spec: Mapping[str, Any]) -> list[str]:
    """A sentence where two voxels are twice the best resolution that a network tells, or none.

    spec : of its bundle
    """
    if volume.voxel_size <= spec["resolution_limits"][0]:
        return []
    return [f"{holds_nothing_better(volume.voxel_size)}: no finer value is given"]


def finest_stats(volume: Volume, finest: float) -> dict[str, Any]:
    """What statistics say of it: "finest_possible" in Å, and "finest_possible_from"."""
    return {
        "finest_possible": round(finest, 4),
        "finest_possible_from": (
            "two voxels"
            if not _is_coarser(volume, finest)
            else "two voxels of a coarser grid"
            if coarser_by(volume) > 1
            else "end of the spectrum"
        ),
    }


def _is_coarser(volume: Volume, finest: float) -> bool:
    return finest > 2 * volume.voxel_size * 1.001


def _profiles(volume: Volume):
    """Frequency (1/Å) and amplitude by sphere, then by cube: pairs of ndarrays (shells,)."""
    part = tuple(slice(max(0, n - LARGEST) // 2, (n + LARGEST) // 2) for n in volume.shape)
    data = volume.data[part]
    density = data - np.float32(np.median(data[::2, ::2, ::2]))
    for axis, n in enumerate(density.shape):  # a border that shows in the next shell alone
        weights = 0.5 - 0.5 * np.cos(2 * np.pi / n * (np.arange(n) + 0.5))
        density *= along(axis, weights.astype(np.float32))
    spectrum = transform(density)
    count = max(data.shape) // 2 + 1
    steps = 2 * (count - 1)
    z, y = (np.abs(np.fft.fftfreq(n, 1 / steps)).astype(np.float32) for n in data.shape[:2])
    x = np.fft.rfftfreq(data.shape[2], 1 / steps).astype(np.float32)
    flat, edge = y[:, None] ** 2 + x**2, np.maximum(y[:, None], x)
    total, number = np.zeros((2, 2, count))
    for plane, height in zip(spectrum, z):
        power = (plane.real**2 + plane.imag**2).ravel()
        for kind, radius in enumerate((np.sqrt(flat + height**2), np.maximum(edge, height))):
            shell = np.minimum(np.rint(radius).astype(np.intp).ravel(), count)
            total[kind] += np.bincount(shell, power, count + 1)[:count]
            number[kind] += np.bincount(shell, minlength=count + 1)[:count]
    frequency = np.arange(count) / (steps * volume.voxel_size)
    return [(frequency, np.sqrt(t / np.maximum(n, 1))) for t, n in zip(total, number)]


def _end(frequency: np.ndarray, amplitude: np.ndarray) -> float | None:
    """Frequency (1/Å) beyond which a profile is empty, or None where it has no edge.

    frequency, amplitude : ndarrays (shells,), from 0 to Nyquist
    """
    tiny = float(amplitude.max()) * 1e-12
    log = np.log(np.maximum(amplitude, tiny if tiny > 0 else 1.0))
    rest = np.maximum.accumulate(log[::-1])[::-1]  # the highest from a shell on
    last = len(log) - 1
    for i in range(LEAST, int(NEARLY * last)):
        if frequency[i] * COARSEST < 1:
            continue
        after = i + max(3, round(WITHIN * i))
        if after >= last or log[i] - rest[after] < EMPTY:
            continue
        begin = max(2, i - 2 * LEAST)
        course = np.polyfit(frequency[begin : i + 1] ** 2, log[begin : i + 1], 1)
        if np.polyval(course, frequency[after] ** 2) - rest[after] < BELOW:
            continue
        gone = max(log[i] - GONE, rest[after])  # in favour of the map, which may fade slowly
        fallen = i + int(np.argmax(rest[i:] <= gone))
        above, below = rest[fallen - 1 : fallen + 1]
        part = (above - gone) / (above - below)
        return float(frequency[fallen - 1] + part * frequency[1])
    return None
