"""The colour scale of local resolution, shared by slices, histogram and ChimeraX script.

A palette is eleven colours between which everybody interpolates linearly in RGB, as ChimeraX does
between the stops of its ``palette`` option. Slices, bars and surfaces therefore agree to the last
digit, and no picture depends on the colour tables of the matplotlib that happens to be installed.
"""

from __future__ import annotations

import math
from typing import Any, Sequence

import numpy as np

# Default: viridis (S. van der Walt, N. Smith and E. Firing, CC0), without its darkest 6 %, in which
# the shading of a surface is lost. Readable with every kind of colour blindness and in grey, evenly
# spaced to the eye, and in the order the field is used to: well resolved is the deep, salient blue,
# then green, and poorly resolved the pale yellow that fades into the paper.
# cividis (J. Nunez et al., 2018) and plasma are safe for the colour-blind too. turbo (A. Mikhailov,
# 2019) and rainbow look like most published local-resolution figures, blue good and red bad,
# but are not safe. amber is the key of uncertainty: it must not be mistaken for a resolution.
PALETTES = {
    "viridis": "481769 453581 3b518b 306a8e 26818e 1f978b 27ad81 4cc26c 81d34d c0df25 fde725",
    "cividis": "00224e 083370 35456c 4f576c 666970 7d7c78 948e77 aea371 c8b866 e5cf52 fee838",
    "plasma": "0d0887 41049d 6a00a8 8f0da4 b12a90 cc4778 e16462 f2844b fca636 fcce25 f0f921",
    "turbo": "4143a7 4680f6 2cb7f0 1ae4b6 5dfc6f a9fb39 e1dd37 fdae35 f66c19 d83706 a11201",
    "rainbow": "0000ff 0066ff 00ccff 00ffcc 00ff66 00ff00 80ff00 ffff00 ffaa00 ff5500 ff0000",
    "amber": "fffacb ffefac fee08a fec859 feab39 f88b22 ea6e13 d25306 b13f03 8b3005 662506",
}

DEFAULT_PALETTE = "viridis"
UNCERTAINTY_PALETTE = "amber"

#: Steps (Å) between the labels of a colour key; a key has five of them.
KEY_STEPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
KEY_INTERVALS = 5


def resolution_range(values: np.ndarray) -> tuple[float, float]:
    """Ends of a colour key that shows ``values`` well, with round numbers at every label.

    Parameters
    ----------
    values : ndarray, any shape
        Local resolution or its uncertainty in Å. Zero (background), NaN and infinities are ignored.

    Returns
    -------
    (vmin, vmax) : floats in Å, ``0 <= vmin < vmax``
        They hold the 2.5 to 97.5 percentiles and lie five equal, round steps apart; never less
        than 0.5 Å, so that a uniform map does not show its rounding errors in full colour.

    Raises
    ------
    ValueError
        No finite value above 0.
    """
    values = np.asarray(values)
    values = values[np.isfinite(values) & (values > 0)]
    if values.size == 0:
        raise ValueError("no finite value above 0 to colour; is the mask empty?")
    low, high = (float(v) for v in np.percentile(values, (2.5, 97.5)))
    # steps too small for the span give no range; the last is a whole number of Å, always enough
    for step in KEY_STEPS + (math.ceil((high - low) / KEY_INTERVALS) + 1.0,):
        width = KEY_INTERVALS * step
        grain = 0.1 if step < 0.5 else 0.5
        # the room left over is shared between both ends as far as round numbers allow
        start = grain * math.floor((low - (width - (high - low)) / 2) / grain + 1e-9)
        for vmin in (max(start, 0.0), max(start + grain, 0.0)):
            if vmin <= low + 1e-9 and vmin + width >= high - 1e-9:
                return round(vmin, 6), round(vmin + width, 6)
    raise ValueError(f"no colour key holds {low} to {high} Å")


def palette_colours(
    vmin: float, vmax: float, n: int = 11, name: str = DEFAULT_PALETTE
) -> list[tuple[float, str]]:
    """``n`` evenly spaced stops of a colour key: ``[(value in Å, '#rrggbb'), ...]``, ascending.

    Raises
    ------
    ValueError
        Unknown palette, fewer than two stops, or ``vmin`` not below ``vmax``.
    """
    if n < 2 or not vmin < vmax:
        raise ValueError(f"a colour key needs vmin < vmax and n >= 2; received {vmin}, {vmax}, {n}")
    anchors = _anchors(name)
    places = np.linspace(0.0, len(anchors) - 1.0, n)
    rgb = [np.interp(places, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    colours = [
        "#{:02x}{:02x}{:02x}".format(*tuple(int(round(v)) for v in colour)) for colour in zip(*rgb)
    ]
    return [(round(float(v), 6), c) for v, c in zip(np.linspace(vmin, vmax, n), colours)]


def key_ticks(vmin: float, vmax: float) -> list[float]:
    """Values (Å) at which a colour key carries labels: both ends and four between them."""
    return [round(float(v), 6) for v in np.linspace(vmin, vmax, KEY_INTERVALS + 1)]


def key_labels(ticks: list[float]) -> list[str]:
    """The same number of decimals for all ticks: as few as tell them apart exactly, at most two."""
    for decimals in (0, 1):
        if all(abs(round(t, decimals) - t) < 1e-6 for t in ticks):
            break
    else:
        decimals = 2
    return ["{:.{}f}".format(t, decimals) for t in ticks]


def key_ends(values: np.ndarray, vmin: float, vmax: float) -> str:
    """Beyond which ends of a key values lie: "neither", "min", "max" or "both".

    values : ndarray, any shape, Å; zero (background) and NaN are ignored
    """
    known = values[values != 0]
    finer, coarser = bool((known < vmin).any()), bool((known > vmax).any())
    return ("both" if coarser else "min") if finer else ("max" if coarser else "neither")


def colour_map(name: str = DEFAULT_PALETTE) -> Any:
    """The palette as a matplotlib colour map from 0 to 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("cryodl_" + name, _anchors(name) / 255.0, N=1024)


def _anchors(name: str) -> np.ndarray:
    """The eleven colours of a palette. ndarray, shape (11, 3), 0 to 255."""
    if name not in PALETTES:
        raise ValueError(
            "unknown palette {!r}; choose one of {}".format(name, ", ".join(sorted(PALETTES)))
        )
    hexes = PALETTES[name].split()
    return np.array([[int(h[i : i + 2], 16) for i in (0, 2, 4)] for h in hexes], dtype=float)


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
    values: np.ndarray | None = None,
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
    values : what is coloured; where it goes beyond an end, the key has an arrow there

    Returns
    -------
    matplotlib's Colorbar
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colour_scale = ScalarMappable(Normalize(vmin, vmax), colours)
    ends = "neither" if values is None or not labelled else key_ends(values, vmin, vmax)
    key = figure.colorbar(colour_scale, cax=figure.add_axes(place), extend=ends)
    if ticks is None:
        places = key_ticks(vmin, vmax) if labelled else [vmin, vmax]
        ticks = list(zip(places, key_labels(places) if labelled else ["low", "high"]))
    key.set_ticks([place for place, _ in ticks], labels=[text for _, text in ticks])
    key.ax.minorticks_off()
    key.set_label(label)
    key.ax.tick_params(length=2.5, pad=2)
    key.outline.set_linewidth(0.5)
    return key
