"""Orthogonal slices through the molecule: density, local resolution and its uncertainty."""

from __future__ import annotations

import os
from typing import Any, Sequence

import numpy as np

from cryodl.report.figure import TWO_COLUMNS, new_figure, save_figure, style, write_title
from cryodl.report.palette import (
    DEFAULT_PALETTE,
    UNCERTAINTY_PALETTE,
    colour_map,
    draw_key,
    resolution_range,
)

#: Lengths of a scale bar in Å.
BAR_LENGTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

# Measures of the page in inches.
GAP, KEY_WIDTH, KEY_ROOM, HEAD, FOOT, MARGIN = 0.12, 0.12, 0.70, 0.22, 0.34, 0.06
TITLE_ROOM, TALLEST, NARROWEST = 0.22, 3.0, 1.4


def molecule_centre(mask: np.ndarray) -> tuple[int, int, int]:
    """Planes that cut the molecule through its middle.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)

    Returns
    -------
    (z, y, x) : ints
        The voxel nearest to the mask's centre of mass; along each axis the nearest plane
        that holds part of the mask, since the centre of two separate parts may hold nothing.

    Raises
    ------
    ValueError
        The mask is empty.
    """
    centre = []
    for profile in _profiles(mask):
        planes = np.flatnonzero(profile)
        middle = float(np.dot(np.arange(profile.size), profile)) / float(profile.sum())
        centre.append(int(planes[np.argmin(np.abs(planes - middle))]))
    return centre[0], centre[1], centre[2]


def crop_box(mask: np.ndarray, margin: int | None = None) -> tuple[slice, slice, slice]:
    """Slices along z, y, x that hold the mask and a margin inside the array.

    ``margin`` is in voxels; by default 8 % of the molecule's size, at least 3 voxels.

    Raises
    ------
    ValueError
        The mask is empty.
    """
    box = []
    for profile in _profiles(mask):
        planes = np.flatnonzero(profile)
        first, last = int(planes[0]), int(planes[-1]) + 1
        room = max(3, int(round(0.08 * (last - first)))) if margin is None else margin
        box.append(slice(max(0, first - room), min(profile.size, last + room)))
    return box[0], box[1], box[2]


def _profiles(mask: np.ndarray) -> list[np.ndarray]:
    """Voxels of the mask in each plane across z, y and x."""
    counts = [np.count_nonzero(mask, axis=other) for other in ((1, 2), (0, 2), (0, 1))]
    if not counts[0].any():
        raise ValueError("the mask is empty: there is no molecule to show")
    return counts


def density_limits(density: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Ends of the grey scale: from the solvent's level, left paper white, to the dense core.

    Percentiles, so that a few extreme voxels or a zero-masked background do not decide.

    Parameters
    ----------
    density, inside : ndarrays of equal shape; density in any unit and the mask as bool

    Returns
    -------
    (low, high) : floats, ``low < high``
    """
    low = float(np.percentile(density, 5) if inside.all() else np.median(density[~inside]))
    high = float(np.percentile(density[inside] if inside.any() else density, 99.5))
    if not low < high:
        low, high = float(density.min()), float(density.max())
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def draw_slices(
    map_data: np.ndarray,
    resolution: np.ndarray,
    mask: np.ndarray,
    out_path: str | os.PathLike[str],
    *,
    voxel_size: float,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    vmin: float | None = None,
    vmax: float | None = None,
    palette: str = DEFAULT_PALETTE,
    title: str = "",
    uncertainty: np.ndarray | None = None,
) -> None:
    """Draw three orthogonal slices of density, local resolution and, if given, its uncertainty.

    Planes are named by their place in Å, as ChimeraX shows it. Outside the mask the density shows
    through in faint grey.

    Parameters
    ----------
    map_data : ndarray, shape (z, y, x)
        Density in any unit.
    resolution, uncertainty : ndarrays, shape (z, y, x)
        In Å; 0 or NaN where nothing is known.
    mask : ndarray, shape (z, y, x)
        Non-zero inside the molecule.
    voxel_size : float
        In Å.
    origin : (x, y, z) of the first voxel, Å
    vmin, vmax : float, optional
        Ends of the key of resolution in Å; default :func:`resolution_range` inside the mask.
    out_path : path
        .png (300 dpi), .svg or .pdf.

    Raises
    ------
    ValueError
        Shapes differ, the mask is empty, or no resolution inside it is known.
    """
    for name, array in (("resolution", resolution), ("mask", mask), ("uncertainty", uncertainty)):
        if array is not None and array.shape != map_data.shape:
            raise ValueError(f"{name} has shape {array.shape} but the map {map_data.shape}")
    mask = np.asarray(mask) != 0
    if vmin is None or vmax is None:
        vmin, vmax = resolution_range(resolution[mask])
    grey = grey_scale(map_data, mask)
    rows = [(grey, "gray_r", 0.0, 1.0, "Density")]
    rows.append((_known(resolution), palette, vmin, vmax, "Local resolution (Å)"))
    if uncertainty is not None:
        known = uncertainty[mask]
        ends = resolution_range(known) if (known > 0).any() else (0.0, 0.5)
        rows.append((_known(uncertainty), UNCERTAINTY_PALETTE, *ends, "Uncertainty (Å)"))
    draw_planes(rows, grey, mask, out_path, voxel_size=voxel_size, origin=origin, title=title)


def _known(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _slice_limits(density: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Ends of the grey scale of the three planes through a molecule."""
    centre, box = molecule_centre(mask), crop_box(mask)
    flat = [np.concatenate([p.ravel() for p in _planes(a, centre, box)]) for a in (density, mask)]
    return density_limits(*flat)


def grey_scale(density: np.ndarray, mask: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Density from 0, the solvent's level, to 1; like : map whose levels these are, or None."""
    low, high = _slice_limits(density if like is None else like, mask)
    return np.clip((density - low) / (high - low), 0, 1)


def draw_planes(
    rows: Sequence[tuple[Any, str, float, float, str]],
    grey: np.ndarray | None,
    mask: np.ndarray,
    out_path: str | os.PathLike[str],
    *,
    voxel_size: float,
    origin: tuple[float, float, float],
    title: str,
) -> None:
    """One row of three planes for each (data, palette or "gray_r", low, high, label)."""
    centre, box = molecule_centre(mask), crop_box(mask)
    with style():
        page = _Page([p.shape for p in _planes(mask, centre, box)], len(rows), bool(title))
        below = None if grey is None else _planes(grey, centre, box)
        for row, (data, name, low, high, label) in enumerate(rows):
            is_density = name == "gray_r"
            colours = name if is_density else colour_map(name)
            for column, plane in enumerate(_planes(data, centre, box)):
                axes = page.panel(row, column)
                how = dict(origin="lower", interpolation="nearest")
                if not is_density:
                    inside = _planes(mask, centre, box)[column]
                    if below is not None:
                        faint = 1.0 - 0.35 * below[column]
                        axes.imshow(faint, cmap="gray", vmin=0, vmax=1, **how)
                    plane = np.ma.masked_array(plane, ~inside | ~np.isfinite(plane))
                axes.imshow(plane, cmap=colours, vmin=low, vmax=high, **how)
            shown = None if is_density else data[mask]
            draw_key(page.figure, page.key(row), colours, low, high, "", labelled=not is_density,
                     values=shown)  # fmt: skip
            page.key_label(row, label)
        page.name_planes(centre, voxel_size, origin)
        page.scale_bar(voxel_size)
        page.title(title)
        save_figure(page.figure, out_path)


def _planes(
    data: np.ndarray, centre: tuple[int, int, int], box: tuple[slice, slice, slice]
) -> list[np.ndarray]:
    """XY, XZ and YZ planes through ``centre``, cropped; the second letter runs upwards."""
    (z, y, x), (bz, by, bx) = centre, box
    return [np.asarray(p) for p in (data[z, by, bx], data[bz, y, bx], data[bz, by, x])]


class _Page:
    """Places panels in inches: one length scale for all, so that they can be compared."""

    def __init__(self, shapes: list[tuple[int, ...]], rows: int, titled: bool) -> None:
        self.shapes = shapes
        widths = sum(s[1] for s in shapes)
        tallest = max(s[0] for s in shapes)
        room = TWO_COLUMNS - 2 * MARGIN - 3 * GAP - KEY_ROOM
        self.inch = min(room / widths, TALLEST / tallest)  # inches of one voxel
        self.row_height = tallest * self.inch
        # a slim molecule's columns are as wide as their headings
        self.columns = [max(s[1] * self.inch, NARROWEST) for s in shapes]
        self.width = sum(self.columns) + 2 * MARGIN + 3 * GAP + KEY_ROOM
        head = HEAD + (TITLE_ROOM if titled else 0.0)
        self.top = FOOT + rows * self.row_height + (rows - 1) * GAP
        self.height = self.top + head
        self.figure = new_figure(self.width, self.height)

    def _add(self, left: float, bottom: float, width: float, height: float) -> Any:
        return self.figure.add_axes(self._share(left, bottom, width, height))

    def _share(self, left: float, bottom: float, width: float, height: float):
        """Inches as shares of the figure."""
        w, h = self.width, self.height
        return left / w, bottom / h, width / w, height / h

    def _left(self, column: int) -> float:
        return MARGIN + column * GAP + sum(self.columns[:column])

    def _bottom(self, row: int) -> float:
        return self.top - (row + 1) * self.row_height - row * GAP

    def name_planes(
        self, centre: tuple[int, int, int], voxel_size: float, origin: tuple[float, float, float]
    ) -> None:
        """Head the columns; ``centre`` is in voxels (z, y, x), ``origin`` in Å (x, y, z)."""
        for column, (plane, axis) in enumerate((("XY", "z"), ("XZ", "y"), ("YZ", "x"))):
            place = origin["xyz".index(axis)] + centre["zyx".index(axis)] * voxel_size
            self.heading(column, f"{plane} plane, {axis} = {place:.1f} Å")

    def panel(self, row: int, column: int) -> Any:
        height, width = (n * self.inch for n in self.shapes[column])
        bottom = self._bottom(row) + (self.row_height - height) / 2
        left = self._left(column) + (self.columns[column] - width) / 2
        axes = self._add(left, bottom, width, height)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(visible=True, color="0.6", linewidth=0.5)
        return axes

    def key(self, row: int) -> tuple[float, float, float, float]:
        height = min(0.9 * self.row_height, 1.8)
        bottom = self._bottom(row) + (self.row_height - height) / 2
        return self._share(self._left(3), bottom, KEY_WIDTH, height)

    def _text(self, x: float, y: float, text: str, **how: Any) -> None:
        self.figure.text(x / self.width, y / self.height, text, **how)

    def key_label(self, row: int, text: str) -> None:
        middle = self._bottom(row) + self.row_height / 2
        self._text(self.width - 0.12, middle, text, rotation=90, ha="center", va="center")

    def heading(self, column: int, text: str) -> None:
        middle = self._left(column) + self.columns[column] / 2
        self._text(middle, self.top + 0.06, text, ha="center", va="bottom")

    def title(self, text: str) -> None:
        write_title(self.figure, MARGIN, 0.06, text, right=self.width - MARGIN)

    def scale_bar(self, voxel_size: float) -> None:
        """Bar below the first column, clear of every image; about a third of the panel long."""
        wanted = 0.4 * self.shapes[0][1] * voxel_size
        length = max([b for b in BAR_LENGTHS if b <= wanted] or [BAR_LENGTHS[0]])
        inches = length / voxel_size * self.inch
        axes = self._add(self._left(0), FOOT - 0.17, inches, 0.045)
        axes.set_facecolor("black")
        axes.set_xticks([])
        axes.set_yticks([])
        self._text(self._left(0), 0.03, f"{length} Å", ha="left")
