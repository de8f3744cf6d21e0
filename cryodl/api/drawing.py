"""The pictures and the ChimeraX script of a local-resolution result, whatever estimated it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.errors import SettingError

if TYPE_CHECKING:
    from ..engine.maps.result import Result


def draw_local_resolution(
    result: Result,
    work: Path,
    output: Path,
    *,
    source: Path | None = None,
    palette: str = "viridis",
) -> None:
    """Write histogram.png and .svg, slices.png and view.cxc.

    Parameters
    ----------
    result : .volumes "resolution", "mask" and, optionally, "uncertainty"; .stats; .density
    work : folder that is written now
    output : folder that it will be: the script names the map as seen from there
    source : file of the density; None, or a map that was changed, has it written as density.mrc
    palette : colours of the figures
    """
    from ..engine.maps.mrc_io import write_map
    from ..report.chimerax import surface_level, write_view
    from ..report.histogram import draw_histogram
    from ..report.palette import palette_colours, resolution_range
    from ..report.slices import draw_slices

    density, mask = result.density, result.volumes["mask"].data != 0
    resolution = result.volumes["resolution"].data
    uncertainty = result.volumes.get("uncertainty")
    values = resolution[mask]
    vmin, vmax = resolution_range(values)
    title = source.name if source else ""
    draw_histogram(
        values,
        work / "histogram",
        stats=result.stats,
        title=title,
        claimed=result.stats.get("claimed"),
        vmin=vmin,
        vmax=vmax,
        palette=palette,
    )
    draw_slices(
        density.data,
        resolution,
        mask,
        work / "slices.png",
        voxel_size=density.voxel_size,
        vmin=vmin,
        vmax=vmax,
        palette=palette,
        title=title,
        uncertainty=None if uncertainty is None else uncertainty.data,
    )
    changed = result.stats.get("sharpen", "none") != "none" or result.stats.get("voxel_size_given")
    if source is None or changed:
        shown = work / "density.mrc"
        write_map(shown, density)
    else:
        # The script names the map relative to its own folder, as seen from the final one.
        shown = work / os.path.relpath(source, output)
    write_view(
        work / "view.cxc",
        map_file=shown,
        resolution_file=work / "resolution.mrc",
        level=surface_level(density.data, mask),
        vmin=vmin,
        vmax=vmax,
        colours=palette_colours(vmin, vmax, name=palette),
    )


def check_palette(name: str) -> None:
    """Raise SettingError where no palette has this name."""
    from ..report.palette import PALETTES

    if name not in PALETTES:
        raise SettingError(f"palette {name!r} is unknown: choose one of {', '.join(PALETTES)}")
