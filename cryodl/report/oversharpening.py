"""Aspect resolution against the B-factor applied, and where it meets the signal-to-noise one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .figure import new_figure, save_figure, style, write_title

WIDTH, HEIGHT = 4.6, 3.0  # inches
ASPECT, SNR, OTHER = "#1f6f8b", "#d1495b", "#6a4c93"


def draw_oversharpening(
    bfactors: Sequence[float],
    percentiles: Sequence[float],
    out_base: str | os.PathLike[str],
    *,
    medians: Sequence[float],
    snr: float,
    best: float,
    found: bool = True,
    sharpened: float | None = None,
    title: str = "",
) -> None:
    """Write the scan as ``out_base``.png (300 dpi) and ``out_base``.svg.

    After figure 5 of Ramírez-Aportela et al., IUCrJ 6, 1054 (2019).

    Parameters
    ----------
    bfactors : Å², descending from the weakest sharpening
    percentiles, medians : Å, 20 % percentile and median of aspect resolution at each
    snr : Å, 20 % percentile of the signal-to-noise resolution
    best : Å², the recommended B-factor
    found : False where the resolutions do not meet, and there only come nearest
    sharpened : Å, 20 % percentile of a map that was judged
    title : such as the map's name

    Raises
    ------
    ValueError
        Not as many resolutions as B-factors.
    """
    if not len(bfactors) == len(percentiles) == len(medians):
        raise ValueError(
            f"{len(percentiles)} percentiles and {len(medians)} medians for {len(bfactors)} "
            "B-factors"
        )
    with style():
        figure = new_figure(WIDTH, HEIGHT + (0.2 if title else 0))
        height = figure.get_size_inches()[1]
        axes = figure.add_axes((0.115, 0.44 / height, 0.85, 2.46 / height))
        axes.plot(bfactors, medians, "o-", color="0.65", ms=2.5, lw=0.9, label="aspect, median")
        axes.plot(bfactors, percentiles, "o-", color=ASPECT, ms=3.5, lw=1.5, label="aspect, 20 %")
        axes.axhline(snr, color=SNR, lw=1.2, label=f"signal to noise, 20 %: {snr:.2f} Å")
        levels = [*percentiles, *medians, snr]
        if sharpened is not None:
            levels.append(sharpened)
            label = f"given sharpened map, 20 %: {sharpened:.2f} Å"
            axes.axhline(sharpened, color=OTHER, lw=1.0, ls=(0, (5, 2)), label=label)
        room = max(max(levels) - min(levels), 0.5)
        low, high = min(levels) - 0.12 * room, max(levels) + 0.45 * room  # the legend is above
        margin = 0.03 * (bfactors[0] - bfactors[-1])
        axes.set(xlim=(bfactors[0] + margin, bfactors[-1] - margin), ylim=(low, high))
        level = float(np.interp(-best, [-b for b in bfactors], percentiles))
        _mark(axes, best, level, "recommended" if found else "nearest", bfactors)
        axes.set_xlabel("B-factor applied (Å²); sharper to the right")
        axes.set_ylabel("Local resolution (Å)")
        axes.legend(frameon=False, loc="upper right", handlelength=1.8, ncol=2, columnspacing=1.2)
        if title:
            write_title(figure, 0.115 * WIDTH, 0.05, title, right=0.98 * WIDTH)
        for kind in (".png", ".svg"):
            save_figure(figure, os.fspath(out_base) + kind)


def _mark(axes: Any, best: float, level: float, word: str, bfactors: Sequence[float]) -> None:
    """A line down from the recommended point, with its B-factor beside it."""
    low = axes.get_ylim()[0]
    axes.plot([best, best], [low, level], color="0.4", lw=0.8, ls=(0, (2, 2)), zorder=1)
    axes.plot([best], [level], "D", color="black", ms=4, zorder=5)
    left = best - bfactors[-1] < 0.35 * (bfactors[0] - bfactors[-1])  # no room to its right
    text = f"{word}: {best:.0f} Å²".replace("-", "\N{MINUS SIGN}")
    axes.annotate(
        text, (best, low), (-4 if left else 4, 4), textcoords="offset points",
        ha="right" if left else "left", va="bottom", fontsize=7.5, zorder=6,
        bbox={"facecolor": "white", "pad": 0.6, "lw": 0, "alpha": 0.85},
    )  # fmt: skip
