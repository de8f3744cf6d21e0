"""Resolution in classes: ten of local resolution, and three of the resolution of whole maps.

Classes 1 to 10 stand for [0, 2), [2, 3), ... [9, 10) and [10, inf) Å (Avramov et al. 2019, section
4.5); 0 is background. Whole maps are of high, medium or low resolution, with probabilities.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from cryodl.report.figure import plain, style, write_title
from cryodl.report.palette import DEFAULT_PALETTE, key_labels, palette_colours

COUNT = 10
LABELS = ("<2", *(f"{low}–{low + 1}" for low in range(2, 10)), "≥10")  # Å, no spaces in them
#: What the key of a picture says beside each class.
TICKS = tuple((number + 1, label) for number, label in enumerate(LABELS))
#: Ends of a colour key in which every class has an equal part.
ENDS = 0.5, COUNT + 0.5


def class_colours(palette: str = DEFAULT_PALETTE) -> list[tuple[float, str]]:
    """The colours of the classes: [(number of the class, '#rrggbb'), ...]."""
    return palette_colours(1, COUNT, COUNT, palette)


def class_colour_map(palette: str = DEFAULT_PALETTE) -> Any:
    """The colours as a matplotlib colour map, to be used between ENDS."""
    from matplotlib.colors import ListedColormap

    colours = [colour for _, colour in class_colours(palette)]
    return ListedColormap(colours, name=f"cryodl_{palette}_classes")


def draw_class_bars(
    figure: Any,
    classes: np.ndarray,
    *,
    palette: str = DEFAULT_PALETTE,
    title: str = "",
) -> Any:
    """Draw which share of the voxels each class holds.

    Parameters
    ----------
    figure : matplotlib Figure, empty; it takes the size that it needs
    classes : ndarray, any shape; numbers 1 to 10, others are left out

    Returns
    -------
    the matplotlib axes with the bars

    Raises
    ------
    ValueError
        No voxel has a class.
    """
    numbers = np.rint(np.asarray(classes).ravel()).astype(int)
    numbers = numbers[(numbers >= 1) & (numbers <= COUNT)]
    if not numbers.size:
        raise ValueError("no voxel has a class: there is nothing to draw")
    percent = 100.0 * np.bincount(numbers, minlength=COUNT + 1)[1:] / numbers.size
    width, height = 4.8, 2.9 + (0.2 if title else 0.0)
    figure.set_size_inches(width, height)
    with style():
        axes = figure.add_axes((0.11, 0.44 / height, 0.87, 2.32 / height))
        colours = [colour for _, colour in class_colours(palette)]
        places = np.arange(1, COUNT + 1)
        axes.bar(places, percent, 0.86, color=colours, edgecolor="0.25", lw=0.35)
        for place, share in zip(places, percent):
            if share > 0:
                text = f"{share:.0f}" if share >= 0.95 else "< 1"
                axes.annotate(
                    text, (place, share), (0, 2), textcoords="offset points", ha="center",
                    va="bottom", fontsize=7,
                )  # fmt: skip
        axes.set_xticks(places, LABELS)
        axes.tick_params(axis="x", length=0)
        axes.set(xlim=ENDS, ylim=(0, 1.1 * percent.max()))
        axes.set_xlabel("Local resolution (Å)")
        axes.set_ylabel("Voxels (%)")
        write_title(figure, 0.11 * width, 0.06, title, right=width - 0.05)
        figure.draw_without_rendering()
    return axes


CLASSES = "high", "medium", "low"
CLASS_LABELS = "high: better than 5 Å", "medium: 5–10 Å", "low: worse than 10 Å"
# From deep to pale as resolution in other pictures, and told apart with every colour blindness.
COLOURS = "#3b518b", "#27ad81", "#c0df25"
EDGES = 5.0, 10.0  # Å

# Measures of the page in inches.
BAR, GAP, HEAD, TITLE, FOOT, RIGHT = 0.2, 0.12, 0.38, 0.24, 0.48, 0.3
SHARES, ESTIMATES, BETWEEN = 2.7, 2.3, 0.25
CHARACTER, LONGEST = 0.062, 32
RESOLUTION_TICKS = 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50


def draw_probabilities(
    figure: Any,
    names: Sequence[str],
    probabilities: Sequence[dict[str, float]],
    *,
    resolutions: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    claimed: float | None = None,
    title: str = "",
) -> tuple[Any, Any]:
    """Draw a bar of class probabilities for each map, and beside it the estimate with interval.

    Parameters
    ----------
    figure : matplotlib Figure, empty; it takes the size that it needs
    names : of the maps, from the top
    probabilities : for each map a dict with the probabilities of "high", "medium" and "low"
    resolutions, intervals : estimate and its 90 % interval in Å
    claimed : resolution claimed for the maps in Å, drawn as a dashed line

    Returns
    -------
    the matplotlib axes of the bars and of the estimates

    Raises
    ------
    ValueError
        No map, or not as many of one as of the others.
    """
    count = len(names)
    if not count or not count == len(probabilities) == len(resolutions) == len(intervals):
        raise ValueError(f"{count} names need as many probabilities, resolutions and intervals")
    half = LONGEST // 2
    names = [n if len(n) <= LONGEST else n[:half] + "…" + n[1 - half :] for n in names]
    left = 0.15 + CHARACTER * max(len(name) for name in names)
    head = HEAD + (TITLE if title else 0.0)
    width = left + SHARES + BETWEEN + ESTIMATES + RIGHT
    body = count * (BAR + GAP) + GAP
    height = head + body + FOOT
    figure.set_size_inches(width, height)
    with style():
        bars, estimates = (
            figure.add_axes((start / width, FOOT / height, wide / width, body / height))
            for start, wide in ((left, SHARES), (left + SHARES + BETWEEN, ESTIMATES))
        )
        rows = np.arange(count)[::-1]
        thick = BAR / (BAR + GAP)
        start = np.zeros(count)
        for name, label, colour in zip(CLASSES, CLASS_LABELS, COLOURS):
            shares = np.array([100.0 * p[name] for p in probabilities])
            bars.barh(rows, shares, thick, left=start, color=colour, label=label, lw=0)
            for row, share, begin in zip(rows, shares, start):
                if share >= 15:  # room for a number
                    ink = "black" if colour == COLOURS[2] else "white"
                    bars.text(begin + share / 2, row, f"{share:.0f}", ha="center", va="center",
                              color=ink, fontsize=7)  # fmt: skip
            start += shares
        reach = 0.5 + GAP / (BAR + GAP) / 2
        bars.set(xlim=(0, 100), ylim=(-reach, count - 1 + reach), xlabel="Probability (%)")
        bars.set_yticks(rows, [plain(name) for name in names])
        bars.tick_params(axis="y", length=0)
        _draw_estimates(estimates, rows, resolutions, intervals, claimed)
        estimates.set_ylim(bars.get_ylim())
        figure.legend(
            *bars.get_legend_handles_labels(), frameon=False, loc="upper left", ncol=3,
            handlelength=1.0, columnspacing=1.2, borderpad=0.1,
            bbox_to_anchor=(max(0.0, left - 0.1) / width, 1 - (head - 0.32) / height),
        )  # fmt: skip
        write_title(figure, 0.15, 0.06, title, right=width - 0.1)
        figure.draw_without_rendering()
    return bars, estimates


def _draw_estimates(
    axes: Any,
    rows: np.ndarray,
    resolutions: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    claimed: float | None,
) -> None:
    """Points with their intervals on a logarithmic axis, with the borders of the classes."""
    shown = [*resolutions, *np.ravel(intervals)] + ([claimed] if claimed else [])
    low, high = min(4.0, 0.9 * min(shown)), max(12.0, 1.1 * max(shown))
    for edge in EDGES:
        axes.axvline(edge, color="0.8", lw=0.8, zorder=0)
    for row, value, (first, last) in zip(rows, resolutions, intervals):
        axes.plot([first, last], [row, row], color="0.35", lw=1.3, solid_capstyle="butt")
        axes.plot([value], [row], "o", color="black", ms=3.5)
    if claimed:
        axes.axvline(claimed, color="#c0392b", lw=1.1, ls=(0, (4, 2)))
        axes.annotate(
            f"claimed {claimed:g} Å", (claimed, 1), (0, 2), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", color="#c0392b", fontsize=7,
        )  # fmt: skip
    ticks = [t for t in RESOLUTION_TICKS if low <= t <= high]
    axes.set_xscale("log")
    axes.set_xticks(ticks, key_labels([float(t) for t in ticks]))
    axes.set_xticks([], minor=True)
    axes.set(xlim=(low, high), xlabel="Estimate (Å) and its 90 % interval")
    axes.set_yticks([])
