"""The points at which local resolution is measured, and the way back to every voxel."""

from __future__ import annotations

import numpy as np

from ..maps.resample import resample_to
from ..maps.volume import Volume


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
        part *= ramp.reshape([-1 if a == axis else 1 for a in range(3)])
    return part


def untapered(box: tuple[slice, ...], shape: tuple[int, ...], width: int) -> tuple[slice, ...]:
    """What `taper` leaves as it is: slices of the part (z, y, x).

    shape : of the whole map, (z, y, x)
    """
    ends = [_faded(cut, n, width) for cut, n in zip(box, shape)]
    return tuple(
        slice(first, cut.stop - cut.start - last) for (first, last), cut in zip(ends, box)
    )


def _faded(cut: slice, n: int, width: int) -> tuple[int, int]:
    """Voxels that are faded at both ends of an axis of `n` voxels, of which `cut` is kept."""
    reach = min(width, (cut.stop - cut.start) // 2)
    return reach * (cut.start > 0), reach * (cut.stop < n)


def _rise(size: int) -> np.ndarray:
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / max(size, 1))).astype(np.float32)
