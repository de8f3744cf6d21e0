"""A map before and after post-processing: slices, a ChimeraX script, local resolution of both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from cryodl.report.chimerax import _quoted, _relative, write_script
from cryodl.report.figure import new_figure, save_figure, style, write_title
from cryodl.report.histogram import bin_edges
from cryodl.report.palette import palette_colours
from cryodl.report.slice_grid import Row, draw_slice_rows, pick_planes
from cryodl.report.slices import crop_box, density_limits

PLANES = 5
#: Density of enhanced maps drawn darkest, in units of a molecule's root mean square.
DARKEST = 3.0
#: Change below which nothing is drawn, in the same unit.
CHANGED = 0.05
DUST = 8.0  # Å; pieces of surface smaller than this are hidden


def before_after_rows(
    before: np.ndarray,
    after: np.ndarray,
    change: np.ndarray | None,
    support: np.ndarray | None,
    mask: np.ndarray,
    supported: str = "Halves agree",
    given: str = "Input",
) -> list[Row]:
    """Rows of a picture of both maps, and of what is known about the difference.

    Parameters
    ----------
    before, after : ndarrays, shape (z, y, x), the input in any unit and the enhanced map
    change : ndarray, shape (z, y, x), or None; above 0 where density was added, below where removed
    support : ndarray, shape (z, y, x), or None; how far both halves agree, 0 to 1, or what else
        `supported` says
    given : what `before` is
    mask : ndarray of bool, shape (z, y, x), where the enhanced map shows something
    """
    low, high = density_limits(before, mask)
    rows = [
        Row(before, "gray_r", low, high, given, False),
        Row(after, "gray_r", 0.0, DARKEST, "Enhanced", True),
    ]
    if support is not None:
        rows.append(Row(support, "viridis", 0.0, 1.0, supported, True, mask))
    if change is not None:
        rows.append(change_row(change))
    return rows


def change_row(change: np.ndarray) -> Row:
    """The change as a row in colours that reach as far as it does; what is unchanged is left out.

    change : ndarray, shape (z, y, x), above 0 where density was added, below where removed
    """
    changed = np.abs(change) > CHANGED
    end = float(np.percentile(np.abs(change[changed]), 98)) if changed.any() else 1.0
    return Row(change, "PuOr", -end, end, "Removed / added", True, changed)


def draw_before_after(
    before: np.ndarray,
    after: np.ndarray,
    path: str | os.PathLike[str],
    *,
    level: float,
    voxel_size: float,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    change: np.ndarray | None = None,
    support: np.ndarray | None = None,
    supported: str = "Halves agree",
    title: str = "",
    given: str = "Input",
) -> None:
    """Write slices of both maps at the same planes.

    before, after, change, support, supported, given : as in `before_after_rows`
    path : .png, .svg or .pdf
    level : density of the enhanced map from which on it shows something
    voxel_size, origin : Å
    """
    mask = after > level
    if not mask.any():
        mask = np.ones(after.shape, bool)
    with style():
        figure = new_figure(6, 6)
        draw_slice_rows(
            figure,
            before_after_rows(before, after, change, support, mask, supported, given),
            planes=pick_planes(mask, "z", PLANES),
            voxel_size=voxel_size,
            origin=origin,
            density=after,
            density_ends=(0.0, DARKEST),
            box=crop_box(mask),
            title=title,
        )
        save_figure(figure, path)


def write_before_after_view(
    path: str | os.PathLike[str],
    *,
    before: str | os.PathLike[str],
    after: str | os.PathLike[str],
    before_level: float,
    after_level: float,
    support: str | os.PathLike[str] | None = None,
) -> None:
    """Write a ``.cxc`` script that shows the enhanced map, and the input as a mesh.

    Parameters
    ----------
    before, after, support : files, as seen from the current directory; the enhanced surface is
        coloured by the support
    before_level, after_level : density of the surfaces
    """
    lines = [
        "# A map before (mesh) and after post-processing. Open in an empty ChimeraX session.",
        f"open {_quoted(_relative(before, path))}",
        f"open {_quoted(_relative(after, path))}",
        f"volume #1 style mesh step 1 level {before_level:.6g} color #b4b4b480",
        f"volume #2 style surface step 1 level {after_level:.6g} color #e69f00",
        f"surface dust #2 size {DUST:g}",
        "# 'volume #1 hide' leaves the enhanced map alone",
    ]
    if support is not None:
        colours = palette_colours(0.0, 1.0, 5, "viridis")
        stops = ":".join(f"{value:g},{colour}" for value, colour in colours)
        lines += [
            "# as in slices.png: yellow where halves agree, or the map is to be trusted",
            f"open {_quoted(_relative(support, path))}",
            "volume #3 hide",
            f"color sample #2 map #3 palette {stops}",
        ]
    lines += ["set bgColor white", "lighting soft", "graphics silhouettes true", "view"]
    write_script(path, lines)


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
        write_title(figure, 0.085 * WIDTH, 0.06, title, right=WIDTH - 0.05)
        figure.draw_without_rendering()
    return bars, histograms
