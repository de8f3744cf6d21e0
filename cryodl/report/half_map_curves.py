"""Curves of half maps: Fourier shell correlation, and resolution against the B-factor applied."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from cryodl.report.figure import new_figure, save_both, style, write_title
from cryodl.report.palette import colour_map

#: Colour, width and dashes of each curve; the corrected one is what counts.
LINES = {
    "unmasked": ("#2a9d8f", 1.0, "-"),
    "masked": ("#1f6f8b", 1.0, "-"),
    "randomised": ("#d1495b", 1.0, (0, (4, 2))),
    "corrected": ("black", 1.5, "-"),
}
LABELS = {"randomised": "phases randomised"}

#: Resolutions (Å) that may be marked on the upper axis.
ROUND = (100, 30, 20, 15, 10, 8, 7, 6, 5, 4, 3.5, 3, 2.5, 2.2, 2, 1.8, 1.6, 1.4, 1.2, 1, 0.8, 0.6)
CLOSEST = 0.055  # share of the axis between two such marks
ENDS = 2, 98  # percentiles of the resolutions of cones, between which colours run
WIDTH, FSC_HEIGHT, SCAN_HEIGHT = 4.6, 3.1, 3.0  # inches
LEGEND_HEIGHT, NOTE_HEIGHT = 0.22, 0.34
CONES = (  # below the figure of directions
    "Curves: FSC of the half maps in cones of 20° half-angle, within the mask and corrected for "
    "it, not smoothed.\nResolutions on the left: all shells of a cone give one ratio of signal to "
    "noise, smooth over directions; curves may cross 0.143 elsewhere."
)


def draw_fsc(
    frequencies: np.ndarray,
    curves: dict[str, np.ndarray],
    out_base: str | os.PathLike[str],
    *,
    resolutions: dict[float, float | None],
    randomised_from: float | None = None,
    title: str = "",
    kind: str = "Fourier shell correlation",
) -> None:
    """Write FSC curves as ``out_base``.png (300 dpi) and ``out_base``.svg.

    Parameters
    ----------
    frequencies : ndarray, shape (shells,), 1/Å, ascending from 0
    curves : dict of ndarray, shape (shells,)
        By name: "unmasked", "masked", "randomised", "corrected"; any of them may be absent.
    resolutions : dict
        Threshold to the resolution (Å) where the last curve crosses it, or None.
    randomised_from : float, optional
        Å beyond which phases were made random; without it that curve is not drawn.
    kind : what the curves are; a single one needs no legend

    Raises
    ------
    ValueError
        A curve has not as many values as there are frequencies.
    """
    for name, values in curves.items():
        if len(values) != len(frequencies):
            raise ValueError(f"{name} has {len(values)} values for {len(frequencies)} frequencies")
    end = float(frequencies[-1])
    shown = [n for n in curves if n != "randomised" or randomised_from]
    with style():
        legend = LEGEND_HEIGHT * (len(shown) > 1)
        figure = new_figure(WIDTH, FSC_HEIGHT + (0.2 if title else 0) + legend)
        height = figure.get_size_inches()[1]
        axes = figure.add_axes((0.115, (0.44 + legend) / height, 0.865, 2.2 / height))
        for threshold, resolution in resolutions.items():
            _mark(axes, threshold, resolution, end)
        for name in shown:
            colour, width, dashes = LINES[name]
            label = LABELS.get(name, name)
            axes.plot(frequencies, curves[name], color=colour, lw=width, ls=dashes, label=label)
        low = min(float(np.min(curves[name])) for name in shown) if shown else 0.0
        axes.set(xlim=(0, end), ylim=(min(-0.08, max(low, -1.0) - 0.03), 1.04))
        axes.set_xlabel("Spatial frequency (1/Å)")
        axes.set_ylabel(kind)
        _resolution_axis(axes, end)
        if len(shown) > 1:
            figure.legend(  # below, where it covers no curve
                frameon=False, loc="lower center", ncol=len(shown), handlelength=1.8,
                bbox_to_anchor=(0.55, 0), columnspacing=1.4,
            )  # fmt: skip
        write_title(figure, 0.115 * WIDTH, 0.05, title, right=0.98 * WIDTH)
        save_both(figure, out_base)


def draw_directional(
    directions: np.ndarray,
    resolutions: np.ndarray,
    frequencies: np.ndarray,
    fsc: np.ndarray,
    out_base: str | os.PathLike[str],
    *,
    title: str = "",
) -> None:
    """Write resolution by direction, and the FSC in cones, as ``out_base``.png and .svg.

    Parameters
    ----------
    directions : ndarray, shape (n, 3), unit vectors z, y, x with x >= 0
    resolutions : ndarray, shape (n,), Å
    frequencies : ndarray, shape (shells,), 1/Å
    fsc : ndarray, shape (n, shells), in a cone about each direction
    title : such as the maps' names
    """
    with style():
        figure = new_figure(WIDTH + 2.6, FSC_HEIGHT + 0.2 + NOTE_HEIGHT)
        _draw_half_sphere(figure, directions, resolutions)
        low_end = NOTE_HEIGHT / figure.get_size_inches()[1]
        axes = figure.add_axes((0.48, low_end + 0.14 * (1 - low_end), 0.505, 0.66 * (1 - low_end)))
        figure.text(0.5, 0.03, CONES, ha="center", va="bottom", fontsize=7, color="0.3")
        shown = frequencies <= 1.25 * np.nanmax(1 / resolutions)
        end = float(frequencies[shown][-1])
        low, high = np.percentile(fsc, (5, 95), axis=0)
        axes.fill_between(frequencies, low, high, color="#9ecae1", lw=0, label="nine in ten cones")
        for values, colour, label in (
            (np.median(fsc, axis=0), "black", "median"),
            (fsc[np.nanargmax(resolutions)], "#d1495b", "worst"),
        ):
            axes.plot(frequencies, values, color=colour, lw=1.2, label=label)
        axes.axhline(0.143, color="0.6", lw=0.7, ls=(0, (2, 2)), zorder=1)
        axes.set(xlim=(0, end), ylim=(-0.08, 1.04))
        axes.set_xlabel("Spatial frequency (1/Å)")
        axes.set_ylabel("FSC in cones of 20°")
        _resolution_axis(axes, end)
        axes.legend(frameon=False, loc="upper right", handlelength=1.8)
        write_title(figure, 0.05, 0.05, title, right=WIDTH + 2.5)
        save_both(figure, out_base)


def _draw_half_sphere(figure: Any, directions: np.ndarray, resolutions: np.ndarray) -> None:
    """Resolution by direction, on the half sphere z >= 0 seen along z, areas true (Lambert)."""
    axis = directions * np.where(directions[:, :1] < 0, -1, 1)
    scale = np.sqrt(1 / (1 + axis[:, 0]))
    x, y = axis[:, 2] * scale, axis[:, 1] * scale
    low_end = NOTE_HEIGHT / figure.get_size_inches()[1]
    axes = figure.add_axes((0.005, low_end + 0.19 * (1 - low_end), 0.4, 0.73 * (1 - low_end)))
    low, high = np.nanpercentile(resolutions, ENDS)  # no single cone leads the colours
    drawn = axes.scatter(
        x, y, c=resolutions, s=16, lw=0, marker="o", cmap=colour_map("viridis"), vmin=low,
        vmax=max(high, low + 1e-3),
    )  # fmt: skip
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(1.02 * np.cos(turn), 1.02 * np.sin(turn), color="0.4", lw=0.7)
    for text, place in (("x", (1.1, 0)), ("y", (0, 1.1)), ("z", (0.05, 0.05))):
        axes.annotate(text, place, ha="center", va="center", fontsize=8)
    axes.plot([0], [0], "+", color="black", ms=6, mew=0.8)
    axes.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
    axes.set_axis_off()
    key = figure.colorbar(
        drawn, cax=figure.add_axes((0.075, low_end + 0.145 * (1 - low_end), 0.26, 0.026)),
        orientation="horizontal", extend="both",
    )  # fmt: skip

    key.outline.set_linewidth(0.5)
    key.set_label("Resolution along the axis (Å)")


def _mark(axes: Any, threshold: float, resolution: float | None, end: float) -> None:
    """A line at the threshold, and one down from where the curve crosses it."""
    axes.axhline(threshold, color="0.6", lw=0.7, ls=(0, (2, 2)), zorder=1)
    text = f"{threshold:g}: no resolution"
    if resolution is not None:
        place = 1 / resolution
        text = f"{threshold:g}: {resolution:.2f} Å"
        if place > 0.99 * end:  # the curve does not cross
            text += " or better"
            axes.annotate("", (end, threshold), (0.93 * end, threshold),
                arrowprops={"arrowstyle": "->", "lw": 1.0, "shrinkA": 0, "shrinkB": 0})  # fmt: skip
        else:
            axes.plot(
                [place, place], [-2, threshold], color="0.6", lw=0.7, ls=(0, (2, 2)), zorder=1
            )
            axes.plot([place], [threshold], "o", color="black", ms=3, zorder=4)
    # on the left, where curves are high
    axes.annotate(text, (0, threshold), (4, 2), textcoords="offset points", fontsize=7.5)


def _resolution_axis(axes: Any, end: float) -> None:
    """The same axis in Å, on top."""
    kept: list[float] = []
    for value in ROUND:
        place = 1 / value / end
        if place <= 1 + 1e-6 and (not kept or place - 1 / kept[-1] / end >= CLOSEST):
            kept.append(value)
    top = axes.twiny()
    top.set_xlim(axes.get_xlim())
    top.set_xticks([1 / value for value in kept], labels=[f"{value:g}" for value in kept])
    top.spines["top"].set_visible(True)
    top.set_xlabel("Resolution (Å)")


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
    with style():
        figure = new_figure(WIDTH, SCAN_HEIGHT + (0.2 if title else 0))
        height = figure.get_size_inches()[1]
        axes = figure.add_axes((0.115, 0.44 / height, 0.85, 2.46 / height))
        fill_scan(
            axes, bfactors, percentiles, medians=medians, snr=snr, best=best, found=found,
            sharpened=sharpened,
        )  # fmt: skip
        axes.legend(frameon=False, loc="upper right", handlelength=1.8, ncol=2, columnspacing=1.2)
        write_title(figure, 0.115 * WIDTH, 0.05, title, right=0.98 * WIDTH)
        save_both(figure, out_base)


def fill_scan(
    axes: Any,
    bfactors: Sequence[float],
    percentiles: Sequence[float],
    *,
    medians: Sequence[float],
    snr: float,
    best: float,
    found: bool = True,
    sharpened: float | None = None,
) -> None:
    """Draw the scan on axes, with its legend above; arguments as of `draw_oversharpening`.

    Raises ValueError where there are not as many resolutions as B-factors.
    """
    if not len(bfactors) == len(percentiles) == len(medians):
        raise ValueError(
            f"{len(percentiles)} percentiles and {len(medians)} medians for {len(bfactors)} "
            "B-factors"
        )
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
    _mark_bfactor(axes, best, level, "recommended" if found else "nearest", bfactors)
    axes.set_xlabel("B-factor applied (Å²); sharper to the right")
    axes.set_ylabel("Local resolution (Å)")
    axes.legend(
        frameon=False, loc="lower left", bbox_to_anchor=(-0.15, 1.0), handlelength=1.4,
        borderpad=0.1, labelspacing=0.2,
    )  # fmt: skip


def _mark_bfactor(
    axes: Any, best: float, level: float, word: str, bfactors: Sequence[float]
) -> None:
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
