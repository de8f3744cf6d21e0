"""The pictures and the ChimeraX script of a local-resolution result, whatever estimated it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.errors import SettingError
from .results import figure_of

if TYPE_CHECKING:
    import numpy as np

    from ..engine.maps.result import Result
    from ..engine.maps.volume import Volume


def draw_local_resolution(
    result: Result,
    work: Path,
    *,
    output: str | Path | None = None,
    source: Path | None = None,
    palette: str = "viridis",
) -> Path:
    """Write histogram.png and .svg, slices.png and view.cxc.

    Parameters
    ----------
    result : .volumes "resolution", "mask" and, optionally, "uncertainty"; .stats; .density
    work : folder that is written now
    output : folder that it will be: the script names the map as seen from there; None for the same
    source : file of the density; None, or a map that was changed, has it written as density.mrc
    palette : colours of the figures

    Returns the file of the density, as scripts in `work` name it.
    """
    from ..report.histogram import draw_histogram
    from ..report.palette import resolution_range
    from ..report.slices import draw_slices

    density, mask = result.density, result.volumes["mask"].data != 0
    resolution = result.volumes["resolution"].data
    uncertainty = result.volumes.get("uncertainty")
    values = resolution[mask]
    vmin, vmax = resolution_range(values)
    title = source.name if source else ""
    changed = result.stats.get("sharpen", "none") != "none" or result.stats.get("voxel_size_given")
    shown = place_density(density, None if changed else source, work, output)
    with figure_of(result.stats, "histogram.png"):
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
    with figure_of(result.stats, "slices.png"):
        draw_slices(
            density.data,
            resolution,
            mask,
            work / "slices.png",
            voxel_size=density.voxel_size,
            origin=density.origin,
            vmin=vmin,
            vmax=vmax,
            palette=palette,
            title=title,
            uncertainty=None if uncertainty is None else uncertainty.data,
        )
    with figure_of(result.stats, "view.cxc"):
        draw_view(shown, "resolution.mrc", density.data, mask, work, (vmin, vmax), palette)
    return shown


def place_density(
    density: Volume, source: Path | None, work: Path, output: str | Path | None
) -> Path:
    """The file of a density as a script in `work` names it; written there where it has none, or
    a name that no script can hold."""
    from ..engine.maps.mrc_io import write_map
    from ..report.chimerax import can_be_named, seen_from

    if source is not None:
        # The script names the map relative to its own folder, as seen from the final one.
        path = seen_from(output or work, source)
        if can_be_named(path):
            return work / path
    shown = work / "density.mrc"
    write_map(shown, density)
    return shown


def draw_view(
    shown: Path,
    resolution_file: str,
    density: np.ndarray,
    mask: np.ndarray,
    work: Path,
    limits: tuple[float, float],
    palette: str,
    **options: str,
) -> None:
    """Write view.cxc: a map coloured by a resolution file of the same folder.

    Parameters
    ----------
    shown : file of the density, as from `place_density`
    density, mask : ndarray, shape (z, y, x); they set the level of the surface
    limits : ends of the key, Å
    **options : title, as in `report.chimerax.write_view`
    """
    from ..report.chimerax import surface_level, write_view
    from ..report.palette import palette_colours

    vmin, vmax = limits
    write_view(
        work / "view.cxc",
        map_file=shown,
        resolution_file=work / resolution_file,
        level=surface_level(density, mask),
        vmin=vmin,
        vmax=vmax,
        colours=palette_colours(vmin, vmax, name=palette),
        **options,  # type: ignore[arg-type]
    )


def check_palette(name: str) -> None:
    """Raise SettingError where no palette has this name."""
    from ..report.palette import PALETTES

    if name not in PALETTES:
        raise SettingError(f"palette {name!r} is unknown: choose one of {', '.join(PALETTES)}")
