"""Slices of one map side by side, or of several maps below each other, for a window or a file.

Every plane is named by its number, counted from 1, and its coordinate. Coordinates are in Å as
ChimeraX shows them: the map's origin is added.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

import numpy as np

from cryodl.report.figure import style, write_title
from cryodl.report.palette import draw_key

#: Names of an array's axes, and of the two that run up and across in a plane of each.
AXES = "zyx"
ACROSS = {"z": ("y", "x"), "y": ("z", "x"), "x": ("z", "y")}

#: Colour of an outline on a map in grey.
OUTLINE = "#d55e00"


class Row(NamedTuple):
    """One map, and the colours it is drawn in.

    values : ndarray, shape (z, y, x)
    colours : matplotlib colour map or its name; vmin, vmax : ends of its key
    label : name of the key, with its unit
    labelled : whether the key has numbers; else its ends are called low and high
    inside : ndarray of bool, shape (z, y, x), or None; values elsewhere, and those that are not
        finite, are not drawn
    """

    values: np.ndarray
    colours: Any
    vmin: float
    vmax: float
    label: str
    labelled: bool = True
    inside: np.ndarray | None = None


def pick_planes(mask: np.ndarray, axis: str = "z", count: int = 9) -> list[int]:
    """Up to ``count`` planes across ``axis``, evenly spread over the molecule.

    Parameters
    ----------
    mask : ndarray, shape (z, y, x), non-zero inside the molecule
    axis : "z", "y" or "x"

    Raises
    ------
    ValueError
        The mask is empty.
    """
    inside = np.asarray(mask) != 0
    others = tuple(i for i, name in enumerate(AXES) if name != axis)
    planes = np.flatnonzero(inside.any(axis=others))
    if not planes.size:
        raise ValueError("the mask is empty: there is no molecule to show")
    first, length = int(planes[0]), int(planes[-1]) + 1 - int(planes[0])
    return sorted({first + int((i + 0.5) * length / count) for i in range(count)})


def draw_slice_grid(
    figure: Any,
    values: np.ndarray,
    *,
    axis: str = "z",
    planes: Sequence[int],
    voxel_size: float,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    colours: Any,
    vmin: float,
    vmax: float,
    label: str,
    labelled: bool = True,
    ticks: Sequence[tuple[float, str]] | None = None,
    inside: np.ndarray | None = None,
    density: np.ndarray | None = None,
    density_ends: tuple[float, float] = (0.0, 1.0),
    outline: np.ndarray | None = None,
    box: tuple[slice, slice, slice] | None = None,
    title: str = "",
) -> list[Any]:
    """Draw planes across one axis; the figure takes the size that they need.

    Parameters
    ----------
    figure : matplotlib Figure, empty
    values : ndarray, shape (z, y, x)
    axis : "z", "y" or "x"; planes : their indices along it, counted from 0
    voxel_size, origin : floats in Å; the latter is (x, y, z) of ``values[0, 0, 0]``
    colours : matplotlib colour map or its name; vmin, vmax : ends of its key
    label : name of the key, with its unit
    labelled : whether the key has numbers; else its ends are called low and high
    ticks : values and what the key says beside them, instead of numbers
    inside : ndarray of bool, shape (z, y, x), optional; values elsewhere, and those that are not
        finite, are not drawn
    density : ndarray, shape (z, y, x), optional; shows faintly where no value is drawn
    density_ends : values of density that are white and grey
    outline : ndarray of bool, shape (z, y, x), optional; a line is drawn around what is true
    box : slices along z, y, x to be shown; default the whole map

    Returns
    -------
    list of the panels' matplotlib axes, one for each plane

    Raises
    ------
    ValueError
        A plane outside the map, no plane, or shapes that differ.
    """
    depth = values.shape[AXES.index(axis)]
    if not planes or min(planes) < 0 or max(planes) >= depth:
        raise ValueError(f"planes {list(planes)} are not within the {depth} planes along {axis}")
    for name, array in (("inside", inside), ("density", density), ("outline", outline)):
        if array is not None and array.shape != values.shape:
            raise ValueError(f"{name} has shape {array.shape} but the values {values.shape}")
    whole: Any = tuple(slice(0, n) for n in values.shape)
    box = box or whole
    up, across = ACROSS[axis]
    extent = [*_edges(across, box, voxel_size, origin), *_edges(up, box, voxel_size, origin)]
    with style():
        page = _Grid(figure, extent, len(planes), bool(title))
        row = Row(values, colours, vmin, vmax, label, labelled, inside)
        panels = []
        for number, plane in enumerate(planes):
            axes = page.panel(number)
            _draw_plane(axes, row, axis, plane, box, extent, density, density_ends)
            if outline is not None:
                _draw_outline(axes, _plane(outline, axis, plane, box), extent)
            place = origin["xyz".index(axis)] + plane * voxel_size
            # the plane's number is how a user asks for it alone; people count from 1
            axes.set_title(f"{plane + 1}: {axis} = {place:.1f} Å", pad=3, fontsize=page.heading)
            panels.append(axes)
        page.name_axes(f"{across} (Å)", f"{up} (Å)")
        draw_key(figure, page.key(), colours, vmin, vmax, label, labelled=labelled,
                 ticks=ticks, values=values)  # fmt: skip
        page.finish(title)
    return panels


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
        as in :func:`draw_slice_grid`; density shows faintly behind rows that draw not every voxel

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
        page = _Rows(figure, extent, len(planes), len(rows), bool(title))
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
                labelled=row.labelled, values=row.values,
            )  # fmt: skip
            panels.append(line)
        page.name_axes(f"{across} (Å)", f"{up} (Å)")
        page.finish(title)
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


def _draw_outline(axes: Any, inside: np.ndarray, extent: list[float]) -> None:
    """A line along the borders of the voxels that are inside."""
    padded = np.pad(np.asarray(inside) != 0, 1)
    if not padded.any():
        return
    # each voxel as three by three, so that the line follows its border and not its middle
    fine = np.kron(padded, np.ones((3, 3)))
    across, up = ((end - start) / n for start, end, n in
                  zip(extent[::2], extent[1::2], inside.shape[::-1]))  # fmt: skip
    x = extent[0] - across + across * (np.arange(fine.shape[1]) + 0.5) / 3
    y = extent[2] - up + up * (np.arange(fine.shape[0]) + 0.5) / 3
    axes.contour(x, y, fine, levels=[0.5], colors=[OUTLINE], linewidths=0.9)
    axes.set(xlim=extent[:2], ylim=extent[2:])


def _plane(data: np.ndarray, axis: str, plane: int, box: tuple[slice, slice, slice]) -> np.ndarray:
    index: list[Any] = list(box)
    index[AXES.index(axis)] = plane
    return data[tuple(index)]


def _edges(
    name: str,
    box: tuple[slice, slice, slice],
    voxel_size: float,
    origin: tuple[float, float, float],
) -> tuple[float, float]:
    """Outer edges in Å of the box along one axis; a voxel's coordinate is its middle."""
    part, start = box[AXES.index(name)], origin["xyz".index(name)]
    return start + (part.start - 0.5) * voxel_size, start + (part.stop - 0.5) * voxel_size


class _Panels:
    """Panels of equal size on a page, placed in inches; one length scale for all."""

    LEFT, FOOT, HEAD, TITLE = 0.62, 0.44, 0.08, 0.22
    NUMBER = 0.36, 0.35  # room that a number needs across and upwards

    figure: Any
    width = height = panel_width = panel_height = 0.0

    def _axes(self, left: float, bottom: float) -> Any:
        """Framed axes for a panel, with as many numbers as they have room for."""
        sizes = self.panel_width, self.panel_height
        axes = self.figure.add_axes(self._place(left, bottom, *sizes))
        for spine in axes.spines.values():
            spine.set(visible=True, color="0.6", linewidth=0.5)
        axes.tick_params(length=2.5, pad=2)
        for ticks, size, number in zip((axes.xaxis, axes.yaxis), sizes, self.NUMBER):
            ticks.get_major_locator().set_params(nbins=max(1, int(size / number)), min_n_ticks=1)
        return axes

    def _place(self, *inches: float) -> Any:
        """Left, bottom, width and height as fractions of the figure."""
        return tuple(n / size for n, size in zip(inches, (self.width, self.height) * 2))

    def _name_axes(self, across: str, up: str, middle: float, height: float) -> None:
        """Names below and beside the panels, whose middles lie there."""
        self.figure.text(
            0.14 / self.width, height / self.height, up, rotation=90, ha="center", va="center"
        )
        self.figure.text(middle / self.width, 0.05 / self.height, across, ha="center", va="bottom")

    def finish(self, title: str) -> None:
        write_title(self.figure, self.LEFT, 0.06, title, right=self.width - 0.06)
        self.figure.draw_without_rendering()  # texts are made now, in this package's sizes


class _Grid(_Panels):
    """Panels in the number of columns that leaves them largest."""

    # the gap holds half a number of either neighbour
    RIGHT, GAP, HEADING = 0.85, 0.34, 0.2
    WIDEST, TALLEST, NARROWEST = 7.0, 6.2, 0.9

    def __init__(self, figure: Any, extent: list[float], count: int, titled: bool) -> None:
        wide, high = extent[1] - extent[0], extent[3] - extent[2]
        self.figure, self.count = figure, count
        self.head = self.HEAD + (self.TITLE if titled else 0.0)
        sizes = {n: self._scale(wide, high, n) for n in range(1, count + 1)}
        self.columns = max(sizes, key=lambda n: (round(sizes[n], 6), -n))
        self.rows = -(-count // self.columns)
        inch = sizes[self.columns]
        self.panel_width, self.panel_height = wide * inch, high * inch
        # slim panels stand apart, for their numbers
        self.cell = max(self.panel_width, self.NARROWEST)
        self.heading = min(8.5, 8.5 * self.cell / 1.25)  # points
        self.across = self.columns * (self.cell + self.GAP) - self.GAP
        self.block = self.rows * (self.panel_height + self.HEADING)
        self.width = max(self.LEFT + self.RIGHT + self.across, 2.8)
        self.height = max(self.FOOT + self.head + self.block, 1.8)
        figure.set_size_inches(self.width, self.height)
        self.panels: list[Any] = []

    def _scale(self, wide: float, high: float, columns: int) -> float:
        rows = -(-self.count // columns)
        across = (self.WIDEST - self.LEFT - self.RIGHT + self.GAP) / columns - self.GAP
        if across < self.NARROWEST and columns > 1:
            return 0.0
        upwards = (self.TALLEST - self.FOOT - self.head) / rows - self.HEADING
        return min(across / wide, upwards / high)

    def panel(self, number: int) -> Any:
        row, column = divmod(number, self.columns)
        left = self.LEFT + column * (self.cell + self.GAP) + (self.cell - self.panel_width) / 2
        top = self.height - self.head - row * (self.panel_height + self.HEADING)
        axes = self._axes(left, top - self.HEADING - self.panel_height)
        self.panels.append(axes)
        return axes

    def name_axes(self, across: str, up: str) -> None:
        """Numbers and names at the left of each row and below each column only."""
        for number, axes in enumerate(self.panels):
            axes.tick_params(
                labelleft=number % self.columns == 0,
                labelbottom=number + self.columns >= self.count,
            )
        height = self.height - self.head - self.block / 2
        self._name_axes(across, up, self.LEFT + self.across / 2, height)

    def key(self) -> Any:
        """Where the colour key lies, as fractions of the figure."""
        height = min(2.6, 0.8 * self.rows * self.panel_height)
        bottom = self.height - self.head - (self.block + self.HEADING) / 2 - height / 2
        return self._place(self.LEFT + self.across + 0.16, bottom, 0.13, height)


class _Rows(_Panels):
    """A row of panels for each map, as large as the page holds."""

    RIGHT, HEADING, GAP = 1.0, 0.22, 0.16
    WIDEST, TALLEST, NARROWEST = 7.4, 8.4, 0.95  # the last is room for the heading
    NUMBER = 0.25, 0.25

    def __init__(
        self, figure: Any, extent: list[float], columns: int, rows: int, titled: bool
    ) -> None:
        wide, high = extent[1] - extent[0], extent[3] - extent[2]
        self.figure = figure
        self.head = self.HEAD + self.HEADING + (self.TITLE if titled else 0.0)
        across = (self.WIDEST - self.LEFT - self.RIGHT + self.GAP) / columns - self.GAP
        upwards = (self.TALLEST - self.FOOT - self.head + self.GAP) / rows - self.GAP
        inch = min(across / wide, upwards / high)
        self.panel_width, self.panel_height = wide * inch, high * inch
        self.cell = max(self.panel_width, self.NARROWEST)
        self.block = rows * (self.panel_height + self.GAP) - self.GAP
        self.width = self.LEFT + self.RIGHT + columns * (self.cell + self.GAP) - self.GAP
        self.height = self.FOOT + self.head + self.block
        figure.set_size_inches(self.width, self.height)

    def _bottom(self, row: int) -> float:
        top = self.height - self.head - row * (self.panel_height + self.GAP)
        return top - self.panel_height

    def panel(self, row: int, column: int) -> Any:
        left = self.LEFT + column * (self.cell + self.GAP) + (self.cell - self.panel_width) / 2
        return self._axes(left, self._bottom(row))

    def key(self, row: int) -> Any:
        """Where a row's colour key lies, as fractions of the figure."""
        bottom = self._bottom(row) + 0.05 * self.panel_height
        return self._place(self.width - self.RIGHT + 0.16, bottom, 0.12, 0.9 * self.panel_height)

    def name_axes(self, across: str, up: str) -> None:
        middle = (self.LEFT + self.width - self.RIGHT) / 2
        self._name_axes(across, up, middle, self.FOOT + self.block / 2)
