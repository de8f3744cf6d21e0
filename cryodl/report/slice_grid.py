"""Slices of one axis side by side, with one colour key, on a figure for a window or a file.

Every plane is named by its number, counted from 1, and its coordinate. Coordinates are in Å as
ChimeraX shows them: the map's origin is added.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from cryodl.report.figure import style, write_title
from cryodl.report.palette import draw_key

#: Names of an array's axes, and of the two that run up and across in a plane of each.
AXES = "zyx"
ACROSS = {"z": ("y", "x"), "y": ("z", "x"), "x": ("z", "y")}

#: Colour of an outline on a map in grey.
OUTLINE = "#d55e00"

# Measures of the page in inches.
# The gap holds half a number of either neighbour.
LEFT, RIGHT, FOOT, HEAD, TITLE, GAP, HEADING = 0.62, 0.85, 0.44, 0.08, 0.22, 0.34, 0.2
WIDEST, TALLEST, NARROWEST = 7.0, 6.2, 0.9


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
    if box is None:
        depth, height, width = values.shape
        box = slice(0, depth), slice(0, height), slice(0, width)
    up, across = ACROSS[axis]
    extent = [*_edges(across, box, voxel_size, origin), *_edges(up, box, voxel_size, origin)]
    with style():
        page = _Page(figure, extent, len(planes), bool(title))
        panels = []
        for number, plane in enumerate(planes):
            axes = page.panel(number)
            shown = _plane(values, axis, plane, box).astype(np.float64)
            known = np.isfinite(shown)
            if inside is not None:
                known &= _plane(inside, axis, plane, box)
            if density is not None:
                low, high = density_ends
                grey = (_plane(density, axis, plane, box) - low) / (high - low)
                axes.imshow(
                    1 - 0.35 * np.clip(grey, 0, 1), cmap="gray", vmin=0, vmax=1,
                    origin="lower", extent=extent, interpolation="nearest",
                )  # fmt: skip
            axes.imshow(
                np.ma.masked_array(shown, ~known), cmap=colours, vmin=vmin, vmax=vmax,
                origin="lower", extent=extent, interpolation="nearest",
            )  # fmt: skip
            if outline is not None:
                _draw_outline(axes, _plane(outline, axis, plane, box), extent)
            place = origin["xyz".index(axis)] + plane * voxel_size
            # the plane's number is how a user asks for it alone; people count from 1
            axes.set_title(f"{plane + 1}: {axis} = {place:.1f} Å", pad=3, fontsize=page.heading)
            panels.append(axes)
        page.label(f"{across} (Å)", f"{up} (Å)")
        draw_key(figure, page.key(), colours, vmin, vmax, label, labelled=labelled,
                 ticks=ticks)  # fmt: skip
        if title:
            write_title(figure, LEFT, 0.06, title, right=page.width - 0.06)
        figure.draw_without_rendering()  # texts are made now, in this package's sizes
    return panels


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


class _Page:
    """Panels of equal size, in the number of columns that leaves them largest."""

    def __init__(self, figure: Any, extent: list[float], count: int, titled: bool) -> None:
        wide, high = extent[1] - extent[0], extent[3] - extent[2]
        self.figure, self.count = figure, count
        self.head = HEAD + (TITLE if titled else 0.0)
        # the number of columns that leaves the panels largest
        sizes = {n: self._scale(wide, high, n) for n in range(1, count + 1)}
        self.columns = max(sizes, key=lambda n: (round(sizes[n], 6), -n))
        self.rows = -(-count // self.columns)
        inch = sizes[self.columns]
        self.panel_width, self.panel_height = wide * inch, high * inch
        self.cell = max(self.panel_width, NARROWEST)  # slim panels stand apart, for their numbers
        self.heading = min(8.5, 8.5 * self.cell / 1.25)  # points
        self.width = LEFT + RIGHT + self.columns * (self.cell + GAP) - GAP
        self.height = FOOT + self.head + self.rows * (self.panel_height + HEADING)
        self.width, self.height = max(self.width, 2.8), max(self.height, 1.8)
        figure.set_size_inches(self.width, self.height)
        self.panels: list[Any] = []

    def _scale(self, wide: float, high: float, columns: int) -> float:
        rows = -(-self.count // columns)
        across = (WIDEST - LEFT - RIGHT + GAP) / columns - GAP
        if across < NARROWEST and columns > 1:
            return 0.0
        upwards = (TALLEST - FOOT - self.head) / rows - HEADING
        return min(across / wide, upwards / high)

    def _add(self, left: float, bottom: float, width: float, height: float) -> Any:
        w, h = self.width, self.height
        return self.figure.add_axes((left / w, bottom / h, width / w, height / h))

    def panel(self, number: int) -> Any:
        row, column = divmod(number, self.columns)
        bottom = self.height - self.head - row * (self.panel_height + HEADING)
        axes = self._add(
            LEFT + column * (self.cell + GAP) + (self.cell - self.panel_width) / 2,
            bottom - HEADING - self.panel_height,
            self.panel_width,
            self.panel_height,
        )
        for spine in axes.spines.values():
            spine.set(visible=True, color="0.6", linewidth=0.5)
        axes.tick_params(length=2.5, pad=2)
        # inches that a number needs across and upwards
        for ticks, room in (
            (axes.xaxis, self.panel_width / 0.5),
            (axes.yaxis, self.panel_height / 0.35),
        ):
            ticks.get_major_locator().set_params(nbins=max(1, int(room)), min_n_ticks=1)
        self.panels.append(axes)
        return axes

    def label(self, across: str, up: str) -> None:
        """Numbers and names at the left of each row and below each column only."""
        for number, axes in enumerate(self.panels):
            axes.tick_params(
                labelleft=number % self.columns == 0,
                labelbottom=number + self.columns >= self.count,
            )
        middle = self.rows * (self.panel_height + HEADING) / 2
        top = self.height - self.head
        width = self.columns * (self.cell + GAP) - GAP
        self.figure.text(
            0.14 / self.width, (top - middle) / self.height, up,
            rotation=90, ha="center", va="center",
        )  # fmt: skip
        self.figure.text(
            (LEFT + width / 2) / self.width, 0.05 / self.height, across, ha="center", va="bottom"
        )

    def key(self) -> tuple[float, float, float, float]:
        """Where the colour key lies, as fractions of the figure."""
        height = min(2.6, 0.8 * self.rows * self.panel_height)
        block = self.rows * (self.panel_height + HEADING)
        bottom = self.height - self.head - (block + HEADING) / 2 - height / 2
        left = LEFT + self.columns * (self.cell + GAP) - GAP + 0.16
        return left / self.width, bottom / self.height, 0.13 / self.width, height / self.height
