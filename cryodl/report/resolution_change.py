"""Local resolution before and after a treatment: medians as bars, and histograms.

After figure 2 of Sanchez-Garcia et al. (2021), which shows medians of many maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .figure import style, write_title
from .histogram import bin_edges

# Blue before and red after, as in that figure, in colours told apart with every colour blindness.
COLOURS = "#0072b2", "#d55e00"
WIDTH, HEIGHT = 6.4, 2.9  # inches


def draw_resolution_change(
    figure: Any, values: Mapping[str, np.ndarray], *, title: str = ""
) -> tuple[Any, Any]:
    """Draw two local resolutions of one molecule.

    Parameters
    ----------
    figure : matplotlib Figure, empty; it takes the size that it needs
    values : name -> ndarray, any shape: local resolution in Å at the same voxels, before and after

    Returns
    -------
    the matplotlib axes of the medians and of the histograms

    Raises
    ------
    ValueError
        Not two maps, or one without values.
    """
    arrays = {name: np.asarray(v, dtype=np.float64).ravel() for name, v in values.items()}
    if len(arrays) != 2 or not all(v.size for v in arrays.values()):
        raise ValueError("two maps with values are compared; is the mask empty?")
    height = HEIGHT + (0.2 if title else 0.0)
    figure.set_size_inches(WIDTH, height)
    with style():
        bars, histograms = (
            figure.add_axes((left, 0.44 / height, wide, 2.2 / height))
            for left, wide in ((0.085, 0.22), (0.40, 0.585))
        )
        edges = bin_edges(np.concatenate(list(arrays.values())))
        for place, ((name, found), colour) in enumerate(zip(arrays.items(), COLOURS)):
            low, median, high = np.percentile(found, (25, 50, 75))
            bars.bar(place, median, 0.62, color=colour)
            bars.plot([place, place], [low, high], color="black", lw=1.2)
            bars.annotate(
                f"{median:.2f}", (place, high), (0, 3), textcoords="offset points", ha="center",
                va="bottom",
            )  # fmt: skip
            counts, _ = np.histogram(np.clip(found, edges[0], edges[-1]), bins=edges)
            histograms.stairs(
                100.0 * counts / found.size, edges, color=colour, lw=1.4,
                label=f"{name}: {median:.2f} ± {found.std():.2f} Å",
            )  # fmt: skip
        bars.set_xticks([0, 1], list(arrays))
        bars.tick_params(axis="x", length=0)
        bars.set(xlim=(-0.6, 1.6), ylabel="Median local resolution (Å)")
        bars.set_ylim(0, 1.15 * max(np.percentile(found, 75) for found in arrays.values()))
        histograms.set(xlabel="Local resolution (Å)", ylabel="Voxels (%)")
        histograms.set_ylim(0, 1.08 * histograms.dataLim.ymax)
        figure.legend(
            frameon=False, loc="upper left", ncol=2, handlelength=1.6, borderpad=0.1,
            bbox_to_anchor=(0.39, 1 - (0.03 + (0.2 if title else 0.0)) / height),
        )  # fmt: skip
        if title:
            write_title(figure, 0.085 * WIDTH, 0.06, title, right=WIDTH - 0.05)
        figure.draw_without_rendering()
    return bars, histograms
