"""The colour key beside a picture on a figure that is given."""

from __future__ import annotations

from typing import Any, Sequence

from .palette import key_labels, key_ticks


def draw_key(
    figure: Any,
    place: tuple[float, float, float, float],
    colours: Any,
    vmin: float,
    vmax: float,
    label: str = "Local resolution (Å)",
    *,
    labelled: bool = True,
    ticks: Sequence[tuple[float, str]] | None = None,
) -> Any:
    """Draw an upright colour key from ``vmin`` to ``vmax``.

    Parameters
    ----------
    figure : matplotlib Figure
    place : left, bottom, width and height as fractions of the figure
    colours : matplotlib colour map or its name
    label : what the key shows, with its unit
    labelled : whether it has numbers; else its ends are called low and high
    ticks : values and what to write beside them, instead of numbers

    Returns
    -------
    matplotlib's Colorbar
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colour_scale = ScalarMappable(Normalize(vmin, vmax), colours)
    key = figure.colorbar(colour_scale, cax=figure.add_axes(place))
    if ticks is None:
        places = key_ticks(vmin, vmax) if labelled else [vmin, vmax]
        ticks = list(zip(places, key_labels(places) if labelled else ["low", "high"]))
    key.set_ticks([place for place, _ in ticks], labels=[text for _, text in ticks])
    key.ax.minorticks_off()
    key.set_label(label)
    key.ax.tick_params(length=2.5, pad=2)
    key.outline.set_linewidth(0.5)
    return key
