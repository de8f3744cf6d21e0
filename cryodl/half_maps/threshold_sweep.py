"""Local resolution by a sweep of frequencies, from coarse to fine, past a threshold.

At points of a coarse grid an estimator gives by how much a band of frequencies exceeds its
threshold (the margin). The resolution is where the margin last is positive; from the points it is
interpolated to every voxel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cryodl.compute.parallel import thread_count
from cryodl.maps.edges import along, half_cosine
from cryodl.maps.resample import resample_to
from cryodl.maps.volume import Volume


class Points:
    """Every `step`-th voxel along each axis, as far as voxels of the mask lie between them.

    inside : ndarray, shape (z, y, x), bool
    step : voxels
    """

    def __init__(self, inside: np.ndarray, step: int) -> None:
        from scipy.ndimage import maximum_filter

        self.step, self.inside = step, inside
        # one point beyond the last voxel, so that every voxel lies between points
        padded = np.pad(inside, [(0, -(n - 1) % step) for n in inside.shape])
        near = maximum_filter(padded, 2 * step - 1) if step > 1 else padded
        self.taken = near[::step, ::step, ::step]
        self.places = np.array(np.nonzero(self.taken)) * step

    def to_voxels(self, values: np.ndarray, smoothing: float) -> np.ndarray:
        """Values at all voxels of the mask, smoothed among points; 0 outside.

        values : ndarray (n,), one for each point;  smoothing : standard deviation, voxels
        """
        from scipy.ndimage import gaussian_filter

        grid = np.zeros(self.taken.shape, np.float32)
        grid[self.taken] = values
        if smoothing > 0:
            sigma = smoothing / self.step
            weight = gaussian_filter(self.taken.astype(np.float32), sigma)
            grid = gaussian_filter(grid, sigma)
            grid[self.taken] /= weight[self.taken]
            grid[~self.taken] = 0
        coarse = Volume(grid, float(self.step))
        fine = Volume(self.inside.astype(np.float32), 1.0)
        return resample_to(coarse, fine).data * self.inside


def point_step(sigma: float) -> int:
    """Voxels between points for a Gaussian window of `sigma` voxels: fine enough to interpolate."""
    return int(np.clip(1.8 * sigma, 1, 4))


def taper(data: np.ndarray, box: tuple[slice, ...], width: int) -> np.ndarray:
    """A part of a map, led to 0 over `width` voxels at faces that are not the map's own."""
    part = data[box].astype(np.float32)
    for axis, (cut, n) in enumerate(zip(box, data.shape)):
        first, last = _faded(cut, n, width)
        size = part.shape[axis]
        ramp = np.ones(size, np.float32)
        ramp[:first] = _rise(first)
        ramp[size - last :] = _rise(last)[::-1]
        part *= along(axis, ramp)
    return part


def untapered(box: tuple[slice, ...], shape: tuple[int, ...], width: int) -> tuple[slice, ...]:
    """What `taper` leaves as it is: slices of the part (z, y, x).

    shape : of the whole map, (z, y, x)
    """
    ends = [_faded(cut, n, width) for cut, n in zip(box, shape)]
    return tuple(slice(first, cut.stop - cut.start - last) for (first, last), cut in zip(ends, box))


def _faded(cut: slice, n: int, width: int) -> tuple[int, int]:
    """Voxels that are faded at both ends of an axis of `n` voxels, of which `cut` is kept."""
    reach = min(width, (cut.stop - cut.start) // 2)
    return reach * (cut.start > 0), reach * (cut.stop < n)


def _rise(size: int) -> np.ndarray:
    return half_cosine((np.arange(size) + 0.5) / max(size, 1), rising=True).astype(np.float32)


MEMORY = 4e9  # bytes that bands computed at the same time may take
BYTES = 24  # for each voxel of the map, while its finest band is computed
FINISHED = 0.002  # share of voxels still rising below which a sweep ends
SMOOTHING = 0.5  # of the result, in resolutions


class ThresholdSweep:
    """The last frequency at which a margin is positive, interpolated to where it is 0.

    count : of voxels
    patience : steps in a row that must fail before a voxel is done; MonoRes takes three
    """

    def __init__(self, count: int, patience: int) -> None:
        self.patience = patience
        self.fails = np.zeros(count, np.int8)
        self.position = np.full(count, -np.inf, np.float32)  # log frequency of the crossing
        self.margin = np.zeros(count, np.float32)  # where it last was positive
        self.last = np.full(count, -np.inf, np.float32)  # log frequency there
        self.rising = np.ones(count, bool)

    def update(self, frequency: float, margins: np.ndarray) -> None:
        """Take the margins at the next frequency (1/Å)."""
        place = np.float32(np.log(frequency))
        passed = self.rising & (margins > 0)
        first_fail = self.rising & ~passed & (self.fails == 0) & np.isfinite(self.last)
        start, end = self.margin[first_fail], margins[first_fail]
        before = self.last[first_fail]
        self.position[first_fail] = before + (place - before) * start / (start - end)
        self.fails[self.rising & ~passed] += 1
        self.fails[passed] = 0
        self.margin[passed] = margins[passed]
        self.last[passed] = self.position[passed] = place
        self.rising &= self.fails < self.patience

    @property
    def finished(self) -> bool:
        """Whether no more than a few voxels have not crossed yet."""
        return bool(self.rising.mean() < FINISHED)

    def resolution(self) -> np.ndarray:
        """Å, ndarray (count,); infinite where the margin never was positive."""
        with np.errstate(over="ignore"):
            return np.exp(-self.position)


def run_sweep(
    frequencies: np.ndarray,
    margins: Callable[[float, int], np.ndarray],
    sweep: ThresholdSweep,
    voxels: int,
    progress: Callable[[str, int, int], None] | None = None,
) -> float:
    """Go through the bands, several at a time, until all voxels have crossed.

    frequencies : ndarray, 1/Å, rising
    margins : margins(frequency, workers) gives those of one band
    voxels : of the map, by which memory is counted

    Returns the last frequency seen.
    """
    cores = thread_count()
    at_once = int(max(1, min(cores, MEMORY / (BYTES * voxels))))
    workers = max(1, cores // at_once)
    frequency = frequencies[0]
    with ThreadPoolExecutor(at_once) as pool:
        for first in range(0, len(frequencies), at_once):
            batch = frequencies[first : first + at_once]
            found: Iterable[np.ndarray] = pool.map(margins, batch, [workers] * len(batch))
            for frequency, values in zip(batch, found):
                sweep.update(frequency, values)
            if progress:
                progress("bands", min(first + at_once, len(frequencies)), len(frequencies))
            if sweep.finished:
                break
    if progress:
        progress("bands", len(frequencies), len(frequencies))
    return float(frequency)


def sweep_resolution(
    frequencies: np.ndarray,
    margins: Callable[[float, int], np.ndarray],
    points: Points,
    box: tuple[slice, ...],
    shape: tuple[int, ...],
    voxel_size: float,
    *,
    patience: int,
    coarsest: float,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[np.ndarray, float]:
    """The resolution where margins at the points cross 0, at every voxel.

    frequencies, margins, progress : as of `run_sweep`;  patience : as of `ThresholdSweep`
    points : of the box;  box : slices of the map;  shape : (z, y, x) of the map
    coarsest : Å, given where a margin never was positive

    Returns (ndarray, shape (z, y, x), float32, Å, 0 outside the mask; share of points whose margin
    never was positive).
    """
    sweep = ThresholdSweep(points.places.shape[1], patience)
    run_sweep(frequencies, margins, sweep, points.inside.size, progress)
    values = sweep.resolution()
    unseen = float(np.mean(np.isinf(values)))
    values = np.minimum(values, coarsest)
    result = np.zeros(shape, np.float32)
    result[box] = points.to_voxels(values, SMOOTHING * float(np.median(values)) / voxel_size)
    return result, unseen
