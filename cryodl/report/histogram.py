"""Local resolution in the colours of the key: as a histogram, and by distance from the centre."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from cryodl.report.figure import ONE_COLUMN, new_figure, save_both, style, write_title
from cryodl.report.palette import DEFAULT_PALETTE, colour_map, draw_key, resolution_range

#: Widths of a bin in Å; the first that gives at most MAX_BINS bins is taken.
BIN_WIDTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
MAX_BINS = 50


def bin_edges(values: np.ndarray, shown: float = 0.0) -> np.ndarray:
    """Edges of round, equal bins over all but the outermost thousandth of ``values``.

    Parameters
    ----------
    values : ndarray, shape (n,), finite, in Å
    shown : float
        Length of the axis in Å where it is longer than the values' own span; no bin is
        narrower than a hundredth of it.

    Returns
    -------
    edges : ndarray, shape (bins + 1,), in Å, ascending, at least four bins
    """
    low, high = np.percentile(values, (0.05, 99.95))
    finest = max((high - low) / MAX_BINS, shown / 100)
    width = next((w for w in BIN_WIDTHS if w >= finest), BIN_WIDTHS[-1])
    # values that all fall into one bin get empty neighbours, so that the bar is seen as a bar
    first = np.floor(low / width + 1e-6) - 1
    last = max(np.floor(high / width + 1e-6) + 2, first + 4)
    return np.arange(first, last + 0.5) * width


def draw_histogram(
    values: np.ndarray,
    out_base: str | os.PathLike[str],
    *,
    stats: dict[str, Any] | None = None,
    title: str = "",
    claimed: float | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    palette: str = DEFAULT_PALETTE,
) -> None:
    """Write the histogram of local resolution as ``out_base``.png (300 dpi) and ``out_base``.svg.

    Parameters
    ----------
    values : ndarray, any shape
        Local resolution of the voxels inside the mask, in Å. Zero and NaN are left out; the
        outermost thousandth is counted in the bars at the ends.
    stats : dict, optional
        ``median`` and ``percentiles`` (keys ``"2.5"``, ``"97.5"``) in Å, so that the figure says
        what the table says; computed from ``values`` where absent.
    claimed : float, optional
        Resolution claimed for the whole map in Å, drawn as a dashed line.
    vmin, vmax : float, optional
        Ends of the colour key in Å; default :func:`resolution_range`.

    Raises
    ------
    ValueError
        No finite value above 0.
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    values = values[np.isfinite(values) & (values > 0)]
    if values.size == 0:
        raise ValueError("no finite value above 0 to draw a histogram of; is the mask empty?")
    if vmin is None or vmax is None:
        vmin, vmax = resolution_range(values)
    with style():
        # from the top: title, one or two lines of legend, axes
        head = (0.22 if title else 0.04) + (0.32 if claimed else 0.18)
        height = 2.35 + head
        figure = new_figure(ONE_COLUMN, height)
        axes = figure.add_axes((0.155, 0.42 / height, 0.815, 1 - (0.42 + head) / height))
        fill_axes(axes, values, vmin, vmax, stats=stats, claimed=claimed, palette=palette)
        # above the axes, where no bar can lie under it
        handles, labels = axes.get_legend_handles_labels()
        order = sorted(range(len(labels)), key=lambda i: labels[i].startswith("2.5"))
        figure.legend(
            [handles[i] for i in order], [labels[i] for i in order], frameon=False,
            loc="lower left", bbox_to_anchor=(0.14, 1 - head / height), ncol=2,
            handlelength=1.4, columnspacing=1.2, borderpad=0.2, labelspacing=0.3,
        )  # fmt: skip
        write_title(figure, 0.155 * ONE_COLUMN, 0.06, title, right=ONE_COLUMN - 0.05)
        save_both(figure, out_base)


def fill_axes(
    axes: Any,
    values: np.ndarray,
    vmin: float,
    vmax: float,
    *,
    stats: dict[str, Any] | None = None,
    claimed: float | None = None,
    palette: str = DEFAULT_PALETTE,
    colours: Any = None,
) -> None:
    """Draw bars, interval, median and claim on axes, labelled for a legend.

    Parameters
    ----------
    axes : matplotlib axes, empty
    values : ndarray, shape (n,), finite and above 0, in Å
    vmin, vmax, stats, claimed : as in :func:`draw_histogram`
    colours : matplotlib colour map, in place of the palette
    """
    median, low, high = _summary(values, stats)
    edges = bin_edges(values, abs(claimed - median) if claimed else 0.0)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    percent = 100.0 * counts / values.size
    centres = (edges[:-1] + edges[1:]) / 2
    shown = colour_map(palette) if colours is None else colours
    colours = shown(np.clip((centres - vmin) / (vmax - vmin), 0, 1))
    interval = f"2.5–97.5 %: {low:.2f}–{high:.2f} Å"
    axes.axvspan(low, high, color="0.93", lw=0, zorder=0, label=interval)
    # bars in a pale colour would vanish on white without an outline
    axes.bar(centres, percent, np.diff(edges), color=colours, edgecolor="0.25", lw=0.35)
    axes.axvline(median, color="black", lw=1.2, label=f"median {median:.2f} Å")
    if claimed:
        axes.axvline(
            claimed, color="#c0392b", lw=1.2, ls=(0, (4, 2)), label=f"claimed {claimed:.2f} Å"
        )
    axes.set_xlim(*_limits(edges, low, high, median, claimed))
    axes.set_ylim(0, 1.06 * percent.max())
    axes.set_xlabel("Local resolution (Å)")
    axes.set_ylabel("Voxels (%)")


def _summary(values: np.ndarray, stats: dict[str, Any] | None) -> tuple[float, float, float]:
    """Median, 2.5 and 97.5 percentiles in Å."""
    if stats is None:
        low, median, high = np.percentile(values, (2.5, 50, 97.5))
        return float(median), float(low), float(high)
    percentiles = stats["percentiles"]
    return float(stats["median"]), float(percentiles["2.5"]), float(percentiles["97.5"])


def _limits(
    edges: np.ndarray, low: float, high: float, median: float, claimed: float | None
) -> tuple[float, float]:
    """Limits of the x axis in Å: all bars and all lines, with a little air."""
    marks = [edges[0], edges[-1], low, high, median] + ([claimed] if claimed else [])
    air = 0.02 * (max(marks) - min(marks))
    return min(marks) - air, max(marks) + air


def draw_bars(
    figure: Any,
    values: np.ndarray,
    *,
    vmin: float,
    vmax: float,
    stats: dict[str, Any] | None = None,
    claimed: float | None = None,
    palette: str = DEFAULT_PALETTE,
    title: str = "",
) -> Any:
    """Draw the histogram of local resolution in the colours of a key from ``vmin`` to ``vmax``.

    Parameters
    ----------
    figure : matplotlib Figure, empty; it takes the size that the histogram needs
    values : ndarray, any shape
        Local resolution inside the mask in Å; zero and NaN are left out.
    vmin, vmax : ends of the colour key in Å
    stats, claimed : as in :func:`cryodl.report.histogram.draw_histogram`

    Returns
    -------
    the matplotlib axes with the bars

    Raises
    ------
    ValueError
        No finite value above 0.
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    values = values[np.isfinite(values) & (values > 0)]
    if values.size == 0:
        raise ValueError("no resolution is known inside the mask: there is nothing to draw")
    with style():
        axes, key = _window_axes(figure, title)
        fill_axes(axes, values, vmin, vmax, stats=stats, claimed=claimed, palette=palette)
        draw_key(figure, key, colour_map(palette), vmin, vmax, values=values)
        _finish_window(figure, title, ncol=3, columnspacing=1.4)
    return axes


WINDOW = 5.6, 3.6  # inches


def _window_axes(figure: Any, title: str) -> tuple[Any, tuple[float, float, float, float]]:
    """Axes on an empty figure, which takes its size, and where the colour key lies."""
    figure.set_size_inches(*WINDOW)
    head = 0.30 + (0.2 if title else 0.0)
    bottom, tall = 0.42 / WINDOW[1], 1 - (0.42 + head) / WINDOW[1]
    key = 0.875, bottom + 0.1 * tall, 0.024, 0.8 * tall
    return figure.add_axes((0.095, bottom, 0.755, tall)), key


def _finish_window(figure: Any, title: str, **columns: Any) -> None:
    """Write legend and title above the axes."""
    figure.legend(
        frameon=False, loc="upper left", borderpad=0.1, handlelength=1.4,
        bbox_to_anchor=(0.09, 1 - (0.05 + (0.2 if title else 0.0)) / WINDOW[1]), **columns,
    )  # fmt: skip
    write_title(figure, 0.095 * WINDOW[0], 0.06, title, right=WINDOW[0] - 0.05)
    figure.draw_without_rendering()


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
        axes, key = _window_axes(figure, title)
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
        draw_key(figure, key, colour_map(palette), vmin, vmax, values=profile.median)
        _finish_window(figure, title, ncol=2)
    return axes
