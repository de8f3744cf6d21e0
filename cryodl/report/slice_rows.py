"""Slices of several maps below each other at the same planes, each map with a key of its own.

For a window or a file; planes are named as in ``slice_grid``.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

import numpy as np

from cryodl.report.figure import style, write_title
from cryodl.report.palette import draw_key
from cryodl.report.slice_grid import ACROSS, AXES, _edges, _plane

# Measures of the page in inches.
LEFT, RIGHT, FOOT, HEAD, TITLE, HEADING, GAP = 0.62, 1.0, 0.44, 0.08, 0.22, 0.22, 0.16
WIDEST, TALLEST = 7.4, 8.4


class Row(NamedTuple):
    """One map.

    values : ndarray, shape (z, y, x)
    colours : matplotlib colour map or its name; vmin, vmax : ends of its key
    label : name of the key, with its unit
    labelled : whether the key has numbers; else its ends are called low and high
    inside : ndarray of bool, shape (z, y, x), or None; values elsewhere are not drawn
    """

    values: np.ndarray
    colours: Any
    vmin: float
    vmax: float
    label: str
    labelled: bool = True
    inside: np.ndarray | None = None


def draw_slice_rows(
    figure: Any,
    rows: Sequence[Row],
    *,
    axis: str = "z",
    planes: Sequence[int],
    voxel_size: float,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    density: np.ndarray | None = None,
    density_ends: tuple[float, float] = (0.0, 1.0),
    box: tuple[slice, slice, slice],
    title: str = "",
) -> list[list[Any]]:
    """Draw the same planes of every map; the figure takes the size that they need.

    Parameters
    ----------
    figure : matplotlib Figure, empty
    rows : maps on one grid, from the top
    axis, planes, voxel_size, origin, density, density_ends, box :
        as in :func:`cryodl.report.slice_grid.draw_slice_grid`; density shows faintly behind rows
        that draw not every voxel

    Returns
    -------
    the panels' matplotlib axes, a list for each row

    Raises
    ------
    ValueError
        No row, no plane, a plane outside the maps, or shapes that differ.
    """
    if not rows or not planes:
        raise ValueError("there is nothing to draw: no map, or no plane")
    shape = rows[0].values.shape
    depth = shape[AXES.index(axis)]
    if min(planes) < 0 or max(planes) >= depth:
        raise ValueError(f"planes {list(planes)} are not within the {depth} planes along {axis}")
    for row in rows:
        if row.values.shape != shape or (row.inside is not None and row.inside.shape != shape):
            raise ValueError(f"{row.label} has shape {row.values.shape} but the first map {shape}")
    up, across = ACROSS[axis]
    extent = [*_edges(across, box, voxel_size, origin), *_edges(up, box, voxel_size, origin)]
    with style():
        page = _Page(figure, extent, len(planes), len(rows), bool(title))
        panels = []
        for number, row in enumerate(rows):
            line = []
            for column, plane in enumerate(planes):
                axes = page.panel(number, column)
                behind = None if density is None or row.inside is None else density
                _draw_plane(axes, row, axis, plane, box, extent, behind, density_ends)
                if number == 0:
                    place = origin["xyz".index(axis)] + plane * voxel_size
                    axes.set_title(f"{plane + 1}: {axis} = {place:.1f} Å", pad=3, fontsize=8)
                axes.tick_params(labelleft=column == 0, labelbottom=number == len(rows) - 1)
                line.append(axes)
            draw_key(
                figure, page.key(number), row.colours, row.vmin, row.vmax, row.label,
                labelled=row.labelled,
            )  # fmt: skip
            panels.append(line)
        page.name_axes(f"{across} (Å)", f"{up} (Å)")
        if title:
            write_title(figure, LEFT, 0.06, title, right=page.width - 0.06)
        figure.draw_without_rendering()  # texts are made now, in this package's sizes
    return panels


def _draw_plane(
    axes: Any,
    row: Row,
    axis: str,
    plane: int,
    box: tuple[slice, slice, slice],
    extent: list[float],
    density: np.ndarray | None,
    density_ends: tuple[float, float],
) -> None:
    how: dict[str, Any] = {"origin": "lower", "extent": extent, "interpolation": "nearest"}
    shown = _plane(row.values, axis, plane, box).astype(np.float64)
    known = np.isfinite(shown)
    if row.inside is not None:
        known &= _plane(row.inside, axis, plane, box)
    if density is not None:
        low, high = density_ends
        grey = (_plane(density, axis, plane, box) - low) / (high - low)
        axes.imshow(1 - 0.35 * np.clip(grey, 0, 1), cmap="gray", vmin=0, vmax=1, **how)
    masked: Any = np.ma.masked_array(shown, ~known)
    axes.imshow(masked, cmap=row.colours, vmin=row.vmin, vmax=row.vmax, **how)


class _Page:
    """Panels of equal size, as large as the page holds."""

    def __init__(
        self, figure: Any, extent: list[float], columns: int, rows: int, titled: bool
    ) -> None:
        wide, high = extent[1] - extent[0], extent[3] - extent[2]
        self.figure = figure
        self.head = HEAD + HEADING + (TITLE if titled else 0.0)
        across = (WIDEST - LEFT - RIGHT + GAP) / columns - GAP
        upwards = (TALLEST - FOOT - self.head + GAP) / rows - GAP
        inch = min(across / wide, upwards / high)
        self.panel_width, self.panel_height = wide * inch, high * inch
        self.cell = max(self.panel_width, 0.95)  # room for the heading
        self.block = rows * (self.panel_height + GAP) - GAP
        self.width = LEFT + RIGHT + columns * (self.cell + GAP) - GAP
        self.height = FOOT + self.head + self.block
        figure.set_size_inches(self.width, self.height)

    def _bottom(self, row: int) -> float:
        top = self.height - self.head - row * (self.panel_height + GAP)
        return top - self.panel_height

    def panel(self, row: int, column: int) -> Any:
        left = LEFT + column * (self.cell + GAP) + (self.cell - self.panel_width) / 2
        axes = self.figure.add_axes(
            (
                left / self.width,
                self._bottom(row) / self.height,
                self.panel_width / self.width,
                self.panel_height / self.height,
            )
        )
        for spine in axes.spines.values():
            spine.set(visible=True, color="0.6", linewidth=0.5)
        axes.tick_params(length=2.5, pad=2)
        for ticks, room in (
            (axes.xaxis, self.panel_width / 0.4),
            (axes.yaxis, self.panel_height / 0.25),
        ):
            ticks.get_major_locator().set_params(nbins=max(1, int(room)), min_n_ticks=1)
        return axes

    def key(self, row: int) -> tuple[float, float, float, float]:
        height = 0.9 * self.panel_height
        bottom = self._bottom(row) + 0.05 * self.panel_height
        left = self.width - RIGHT + 0.16
        return left / self.width, bottom / self.height, 0.12 / self.width, height / self.height

    def name_axes(self, across: str, up: str) -> None:
        middle = (LEFT + (self.width - RIGHT - LEFT) / 2) / self.width
        self.figure.text(middle, 0.05 / self.height, across, ha="center", va="bottom")
        self.figure.text(
            0.14 / self.width, (FOOT + self.block / 2) / self.height, up,
            rotation=90, ha="center", va="center",
        )  # fmt: skip
