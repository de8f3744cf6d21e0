"""A map before and after post-processing: slices, and a ChimeraX script."""

from __future__ import annotations

import os

import numpy as np

from .chimerax import _quoted, _relative, write_script
from .figure import new_figure, save_figure, style
from .slice_grid import pick_planes
from .slice_rows import Row, draw_slice_rows
from .slices import crop_box, density_limits

PLANES = 5
#: Density of enhanced maps drawn darkest, in units of a molecule's root mean square.
DARKEST = 3.0


def before_after_rows(
    before: np.ndarray,
    after: np.ndarray,
    change: np.ndarray | None,
    support: np.ndarray | None,
    mask: np.ndarray,
) -> list[Row]:
    """Rows of a picture of both maps, and of what is known about the difference.

    Parameters
    ----------
    before, after : ndarrays, shape (z, y, x), the input in any unit and the enhanced map
    change : ndarray, shape (z, y, x), or None; above 0 where density was added, below where removed
    support : ndarray, shape (z, y, x), or None; how far both halves agree
    mask : ndarray of bool, shape (z, y, x), where the enhanced map shows something
    """
    low, high = density_limits(before, mask)
    rows = [
        Row(before, "gray_r", low, high, "Input", False),
        Row(after, "gray_r", 0.0, DARKEST, "Enhanced", True),
    ]
    if support is not None:
        rows.append(Row(support, "viridis", 0.0, 1.0, "Halves agree", True, mask))
    if change is not None:
        rows.append(
            Row(change, "PuOr", -DARKEST, DARKEST, "Removed / added", True, np.abs(change) > 0.05)
        )
    return rows


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
    title: str = "",
) -> None:
    """Write slices of both maps at the same planes.

    before, after, change, support : as in `before_after_rows`
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
            before_after_rows(before, after, change, support, mask),
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
    dust: float = 8.0,
) -> None:
    """Write a ``.cxc`` script that shows the enhanced map, and the input as a mesh.

    Parameters
    ----------
    before, after, support : files, as seen from the current directory; the enhanced surface is
        coloured by the support
    before_level, after_level : density of the surfaces
    dust : Å, pieces of surface smaller than this are hidden
    """
    lines = [
        "# A map before (mesh) and after post-processing. Open in an empty ChimeraX session.",
        f"open {_quoted(_relative(before, path))}",
        f"open {_quoted(_relative(after, path))}",
        f"volume #1 style mesh step 1 level {before_level:.6g} color #b4b4b480",
        f"volume #2 style surface step 1 level {after_level:.6g} color #e69f00",
        f"surface dust #2 size {dust:g}",
        "volume #1 hide",
        "# 'volume #1 show' shows the input beside it",
    ]
    if support is not None:
        lines += [
            "# where both halves agree, the surface is green; where not, purple",
            f"open {_quoted(_relative(support, path))}",
            "volume #3 hide",
            "color sample #2 map #3 palette 0,#762a83:0.5,#f7f7f7:1,#1b7837",
        ]
    lines += ["set bgColor white", "lighting soft", "graphics silhouettes true", "view"]
    write_script(path, lines)
