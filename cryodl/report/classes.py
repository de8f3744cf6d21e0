"""Local resolution in ten classes: their colours, their names, and how many voxels fall into each.

Classes 1 to 10 stand for [0, 2), [2, 3), ... [9, 10) and [10, inf) Å (Avramov et al. 2019, section
4.5); 0 is background.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .figure import style, write_title
from .palette import DEFAULT_PALETTE, palette_colours

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
        if title:
            write_title(figure, 0.11 * width, 0.06, title, right=width - 0.05)
        figure.draw_without_rendering()
    return axes
