"""Histogram of local resolution on a figure for a window: the bars of ``histogram``, wider."""

from __future__ import annotations

from typing import Any

import numpy as np

from .figure import style, write_title
from .histogram import fill_axes
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
    palette_map = colour_map(palette)
    with style():
        width, height = 5.6, 3.6
        figure.set_size_inches(width, height)
        head = 0.30 + (0.2 if title else 0.0)
        bottom, tall = 0.42 / height, 1 - (0.42 + head) / height
        axes = figure.add_axes((0.095, bottom, 0.755, tall))
        fill_axes(axes, values, vmin, vmax, stats=stats, claimed=claimed, palette=palette)
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
