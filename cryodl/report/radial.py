"""Local resolution against the distance from the molecule's centre."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cryodl.report.figure import style, write_title
from cryodl.report.palette import DEFAULT_PALETTE, colour_map, draw_key

#: Shells are at least a voxel thick and at most so many.
MAX_SHELLS = 60
#: Shells of fewer voxels are left out: their percentiles mean nothing.
MIN_VOXELS = 8


class RadialProfile(NamedTuple):
    """Resolution in shells around the centre: ndarrays, shape (shells,), all in Å."""

    radius: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray


def radial_profile(resolution: np.ndarray, mask: np.ndarray, voxel_size: float) -> RadialProfile:
    """Median, 5 and 95 percentiles of resolution in shells around the mask's centre of mass.

    Parameters
    ----------
    resolution : ndarray, shape (z, y, x), in Å; what is not finite or not above 0 is left out
    mask : ndarray, shape (z, y, x), non-zero inside the molecule
    voxel_size : float, in Å

    Raises
    ------
    ValueError
        Shapes differ, or nothing is known inside the mask.
    """
    if resolution.shape != mask.shape:
        raise ValueError(f"resolution has shape {resolution.shape} but the mask {mask.shape}")
    places = np.argwhere(np.asarray(mask) != 0)
    values = resolution[tuple(places.T)].astype(float)
    known = np.isfinite(values) & (values > 0)
    if not known.any():
        raise ValueError("no resolution is known inside the mask: there is nothing to draw")
    distance = voxel_size * np.linalg.norm(places - places.mean(axis=0), axis=1)
    distance, values = distance[known], values[known]
    thick = max(voxel_size, float(distance.max()) / MAX_SHELLS)
    shell = (distance / thick).astype(int)
    order = np.argsort(shell, kind="stable")
    starts = np.flatnonzero(np.diff(shell[order], prepend=-1))
    least = min(MIN_VOXELS, int(np.bincount(shell).max()))
    shells = []
    for inside in np.split(order, starts[1:]):
        if inside.size >= least:
            low, median, high = np.percentile(values[inside], (5, 50, 95))
            shells.append((float(distance[inside].mean()), float(median), float(low), float(high)))
    return RadialProfile(*np.array(shells).T)


def draw_radius(
    figure: Any,
    profile: RadialProfile,
    *,
    vmin: float,
    vmax: float,
    palette: str = DEFAULT_PALETTE,
    title: str = "",
) -> Any:
    """Draw a radial profile: median in the key's colours, 5 to 95 % as a band.

    Parameters
    ----------
    figure : matplotlib Figure, empty
    profile : from :func:`radial_profile`
    vmin, vmax : ends of the colour key in Å

    Returns
    -------
    the matplotlib axes
    """
    with style():
        width, height = 5.6, 3.6
        figure.set_size_inches(width, height)
        head = 0.30 + (0.2 if title else 0.0)
        bottom, tall = 0.42 / height, 1 - (0.42 + head) / height
        axes = figure.add_axes((0.095, bottom, 0.755, tall))
        axes.fill_between(
            profile.radius, profile.low, profile.high, color="0.88", lw=0, label="5–95 % of voxels"
        )
        axes.plot(profile.radius, profile.median, color="0.35", lw=0.9, zorder=2, label="median")
        axes.scatter(
            profile.radius, profile.median, c=profile.median, cmap=colour_map(palette),
            vmin=vmin, vmax=vmax, s=22, edgecolor="0.25", lw=0.4, zorder=3,
        )  # fmt: skip
        axes.set_xlim(0, 1.02 * float(profile.radius.max()) or 1.0)
        axes.margins(y=0.06)
        axes.set_xlabel("Distance from the molecule's centre (Å)")
        axes.set_ylabel("Local resolution (Å)")
        key = (0.875, bottom + 0.1 * tall, 0.024, 0.8 * tall)
        draw_key(figure, key, colour_map(palette), vmin, vmax)
        figure.legend(
            frameon=False, loc="upper left", ncol=2, borderpad=0.1, handlelength=1.4,
            bbox_to_anchor=(0.09, 1 - (0.05 + (0.2 if title else 0.0)) / height),
        )  # fmt: skip
        if title:
            write_title(figure, 0.095 * width, 0.06, title, right=width - 0.05)
        figure.draw_without_rendering()
    return axes
