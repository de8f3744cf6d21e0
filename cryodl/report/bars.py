"""Histogram of local resolution on a figure for a window: the bars of ``histogram``, wider."""

from __future__ import annotations

from typing import Any

import numpy as np

from .figure import style, write_title
from .histogram import _interval_label, _limits, _summary, bin_edges
from .key import draw_key
from .palette import DEFAULT_PALETTE, colour_map


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
    median, low, high = _summary(values, stats)
    edges = bin_edges(values, abs(claimed - median) if claimed else 0.0)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    percent = 100.0 * counts / values.size
    centres = (edges[:-1] + edges[1:]) / 2
    palette_map = colour_map(palette)
    with style():
        width, height = 5.6, 3.6
        figure.set_size_inches(width, height)
        head = 0.30 + (0.2 if title else 0.0)
        bottom, tall = 0.42 / height, 1 - (0.42 + head) / height
        axes = figure.add_axes((0.095, bottom, 0.755, tall))
        axes.axvspan(low, high, color="0.93", lw=0, zorder=0, label=_interval_label(low, high))
        axes.bar(
            centres, percent, np.diff(edges), edgecolor="0.25", lw=0.35,
            color=palette_map(np.clip((centres - vmin) / (vmax - vmin), 0, 1)),
        )  # fmt: skip
        axes.axvline(median, color="black", lw=1.2, label=f"median {median:.2f} Å")
        if claimed:
            axes.axvline(
                claimed, color="#c0392b", lw=1.2, ls=(0, (4, 2)), label=f"claimed {claimed:.2f} Å"
            )
        axes.set_xlim(*_limits(edges, low, high, median, claimed))
        axes.set_ylim(0, 1.06 * percent.max())
        axes.set_xlabel("Local resolution (Å)")
        axes.set_ylabel("Voxels (%)")
        draw_key(figure, (0.875, bottom + 0.1 * tall, 0.024, 0.8 * tall), palette_map, vmin, vmax)
        figure.legend(
            frameon=False, loc="upper left", ncol=3, borderpad=0.1, handlelength=1.4,
            columnspacing=1.4,
            bbox_to_anchor=(0.09, 1 - (0.05 + (0.2 if title else 0.0)) / height),
        )  # fmt: skip
        if title:
            write_title(figure, 0.095 * width, 0.06, title, right=width - 0.05)
        figure.draw_without_rendering()
    return axes
