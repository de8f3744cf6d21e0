"""Several local-resolution maps in one histogram and on one page, and a map before and after
local filtering."""

from __future__ import annotations

import os
from typing import Any, Sequence

import numpy as np

from cryodl.report.figure import new_figure, plain, save_both, style, write_title
from cryodl.report.histogram import bin_edges
from cryodl.report.palette import DEFAULT_PALETTE, UNCERTAINTY_PALETTE, resolution_range
from cryodl.report.slices import draw_planes, grey_scale

# Okabe and Ito's colours for every kind of colour blindness (jfly.uni-koeln.de/color), without
# the yellow, too pale for a line; with dashes after the seventh map.
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
LONGEST_NAME = 32
MOST_STEPS = 40  # different values up to which a map is taken for one of regular steps


def draw_histograms(
    values: Sequence[np.ndarray],
    names: Sequence[str],
    out_base: str | os.PathLike[str],
    *,
    claimed: float | None = None,
    title: str = "",
) -> None:
    """Write the outlines of several histograms, over each other, as ``out_base``.png and .svg.

    Parameters
    ----------
    values : ndarrays of any shape
        Local resolution of each map in Å, at the same voxels.
    names : of the maps; the legend says median and standard deviation (SD) beside them, best first
    claimed : float, optional
        Resolution claimed for the whole map in Å, drawn as a dotted line.

    Raises
    ------
    ValueError
        No map, or one without values.
    """
    with style():
        figure = new_figure(4.4, 3.0)
    overlay_histograms(figure, values, names, claimed=claimed, title=title)
    save_both(figure, out_base)


def overlay_histograms(
    figure: Any,
    values: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    claimed: float | None = None,
    title: str = "",
) -> Any:
    """Draw the outlines of several histograms on an empty figure, which takes the size they need.

    values, names, claimed : as in :func:`draw_histograms`

    Returns the matplotlib axes with the outlines.
    """
    values = [np.asarray(v, dtype=np.float64).ravel() for v in values]
    if not values or any(v.size == 0 for v in values):
        raise ValueError("every map needs values to draw a histogram of")
    shared = bin_edges(np.concatenate(values))
    bins = [_steps(v, shared) for v in values]
    order = sorted(range(len(values)), key=lambda i: float(np.median(values[i])))
    with style():
        head = (0.24 if title else 0.06) + 0.128 * (len(values) + (claimed is not None)) + 0.08
        width, height = 4.4, 2.5 + head
        figure.set_size_inches(width, height)
        axes = figure.add_axes((0.12, 0.42 / height, 0.85, 1 - (0.42 + head) / height))
        for i in order:
            edges = bins[i]
            counts, _ = np.histogram(np.clip(values[i], edges[0], edges[-1]), bins=edges)
            colour, dash = _line(i)
            axes.stairs(
                100.0 * counts / values[i].size / np.diff(edges), edges, color=colour, ls=dash,
                lw=1.3,
                label=f"{shorten(names[i])}: {np.median(values[i]):.2f} Å, "
                f"SD {values[i].std():.2f} Å",
            )  # fmt: skip
        top = 1.1 * axes.dataLim.ymax
        for i in order:  # the median of each, as a mark hanging from the top
            axes.plot([np.median(values[i])] * 2, [0.94 * top, top], color=_line(i)[0], lw=1.6)
        marks = [min(e[0] for e in bins), max(e[-1] for e in bins)]
        if claimed is not None:
            axes.axvline(
                claimed, color="0.35", lw=1.2, ls=(0, (1, 1)), label=f"claimed {claimed:.2f} Å"
            )
            marks.append(claimed)
        air = 0.02 * (max(marks) - min(marks))
        axes.set_xlim(min(marks) - air, max(marks) + air)
        axes.set_ylim(0, top)
        axes.set_xlabel("Local resolution (Å)")
        axes.set_ylabel("Voxels (% per Å)")
        figure.legend(
            frameon=False, loc="lower left", bbox_to_anchor=(0.11, 1 - head / height),
            handlelength=2.2, borderpad=0.2, labelspacing=0.25,
        )  # fmt: skip
        write_title(figure, 0.12 * width, 0.06, title, right=width - 0.05)
        figure.draw_without_rendering()
        # numbers of many digits take more room than is left for them
        missing = 0.03 * figure.bbox.width - axes.get_tightbbox().x0
        if missing > 0:
            left, bottom, breadth, tall = axes.get_position().bounds
            missing /= figure.bbox.width
            axes.set_position((left + missing, bottom, breadth - missing, tall))
    return axes


def draw_compared_slices(
    resolutions: Sequence[np.ndarray],
    names: Sequence[str],
    disagreement: np.ndarray,
    mask: np.ndarray,
    out_path: str | os.PathLike[str],
    *,
    voxel_size: float,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    density: np.ndarray | None = None,
    palette: str = DEFAULT_PALETTE,
    title: str = "",
) -> tuple[float, float]:
    """Draw three slices of every map in the colours of one key, and where they disagree.

    Parameters
    ----------
    resolutions : ndarrays, shape (z, y, x)
        In Å, 0 where nothing is known; the maps and then, if wanted, their consensus.
    names : of the rows
    disagreement : ndarray, shape (z, y, x)
        In Å, with a key of its own.
    mask : ndarray, shape (z, y, x)
        Non-zero where all maps are known; decides planes, crop and key.
    origin : (x, y, z) of the first voxel, Å
    density : ndarray, shape (z, y, x), optional
        Shows through in faint grey.

    Returns
    -------
    (vmin, vmax) : ends of the key in Å
    """
    mask = np.asarray(mask) != 0
    vmin, vmax = resolution_range(np.concatenate([r[mask] for r in resolutions]))
    apart = disagreement[mask]
    # a key from 0, so that maps that agree look so
    furthest = resolution_range(apart)[1] if (apart > 0).any() else 0.5
    rows = [(r, palette, vmin, vmax, shorten(n) + " (Å)") for r, n in zip(resolutions, names)]
    rows.append((disagreement, UNCERTAINTY_PALETTE, 0.0, furthest, "Largest − smallest (Å)"))
    grey = None if density is None else grey_scale(density, mask)
    draw_planes(rows, grey, mask, out_path, voxel_size=voxel_size, origin=origin, title=title)
    return vmin, vmax


def draw_filtered(
    before: np.ndarray,
    after: np.ndarray,
    resolution: np.ndarray,
    mask: np.ndarray,
    out_path: str | os.PathLike[str],
    *,
    voxel_size: float,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    palette: str = DEFAULT_PALETTE,
    title: str = "",
) -> tuple[float, float]:
    """Draw three slices of a map before and after local filtering, and the local resolution.

    Parameters
    ----------
    before, after : ndarrays, shape (z, y, x); density, drawn in one grey scale
    resolution : ndarray, shape (z, y, x), in Å, 0 where nothing is known
    mask : ndarray, shape (z, y, x), non-zero inside the molecule
    origin : (x, y, z) of the first voxel, Å

    Returns
    -------
    (vmin, vmax) : ends of the key of resolution in Å
    """
    mask = np.asarray(mask) != 0
    vmin, vmax = resolution_range(resolution[mask])
    rows = [
        (grey_scale(data, mask, before), "gray_r", 0.0, 1.0, name)
        for data, name in ((before, "Density before"), (after, "Density after"))
    ]
    rows.append((resolution, palette, vmin, vmax, "Local resolution (Å)"))
    draw_planes(rows, rows[0][0], mask, out_path, voxel_size=voxel_size, origin=origin, title=title)
    return vmin, vmax


def shorten(name: str) -> str:
    """A name that fits a legend: its middle left out where it is too long."""
    half = LONGEST_NAME // 2
    return plain(name if len(name) <= LONGEST_NAME else name[:half] + "…" + name[-half + 1 :])


def _steps(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Edges of bins, each around one value where a map holds a few regular steps, as ResMap's do.

    In finer bins such a map would be a comb that dwarfs all others.
    """
    steps = np.unique(np.round(values[:: max(1, values.size // 100_003)], 3))
    apart = np.diff(steps)
    if not 2 <= steps.size <= MOST_STEPS or np.ptp(apart) > 0.01 * apart.max():
        return edges
    width = apart.mean()
    return steps[0] - width / 2 + width * np.arange(steps.size + 1)


def _line(number: int) -> tuple[str, Any]:
    return LINES[number % len(LINES)], DASHES[number // len(LINES) % len(DASHES)]
