"""The colour key beside a picture on a figure that is given."""

from __future__ import annotations

from typing import Any

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
) -> Any:
    """Draw an upright colour key from ``vmin`` to ``vmax``.

    Parameters
    ----------
    figure : matplotlib Figure
    place : left, bottom, width and height as fractions of the figure
    colours : matplotlib colour map or its name
    label : what the key shows, with its unit
    labelled : whether it has numbers; else its ends are called low and high

    Returns
    -------
    matplotlib's Colorbar
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colour_scale = ScalarMappable(Normalize(vmin, vmax), colours)
    key = figure.colorbar(colour_scale, cax=figure.add_axes(place))
    ticks = key_ticks(vmin, vmax) if labelled else [vmin, vmax]
    key.set_ticks(ticks, labels=key_labels(ticks) if labelled else ["low", "high"])
    key.set_label(label)
    key.ax.tick_params(length=2.5, pad=2)
    key.outline.set_linewidth(0.5)
    return key
