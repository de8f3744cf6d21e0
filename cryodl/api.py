"""What Python and the command line call: a method run, its results drawn and written."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .engine.errors import SettingError
from .engine.folder import whole_folder

if TYPE_CHECKING:
    from .engine.bundles import Bundle
    from .engine.maps.volume import Volume
    from .engine.methods.local_resolution import Result


def run_local_resolution(
    volume: Volume | str | Path,
    bundle: Bundle | str | Path | None = None,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    palette: str = "viridis",
    **options: Any,
) -> Result:
    """Estimate the local resolution of a map, and write what `cryodl localres` writes.

    Parameters
    ----------
    volume : a map's path, or a Volume (density, shape (z, y, x))
    bundle : Bundle, name or folder; None takes the shipped one of the range
    output : folder for maps, stats.json, figures and ChimeraX script; None writes nothing
    overwrite : replace results of an earlier run
    palette : colours of the figures
    **options : mask, range, sharpen, claimed, voxel_size, batch_size, device, progress, notify, as
        in `cryodl.engine.methods.local_resolution.run_local_resolution`

    Returns
    -------
    Result : .volumes "resolution", "uncertainty" (Å) and "mask" on the map's grid, and .stats

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    from .engine.methods.local_resolution import run_local_resolution as estimate

    if output is None:
        return estimate(volume, bundle, **options)
    start = time.perf_counter()
    _check_palette(palette)
    output = Path(output)
    source = Path(volume) if isinstance(volume, (str, Path)) else None
    with whole_folder(output, overwrite=overwrite) as work:
        result = estimate(volume, bundle, **options)
        drawing = time.perf_counter()
        _draw(result, work, output, source, palette)
        seconds = result.stats["seconds"]
        seconds["report"] = round(time.perf_counter() - drawing, 3)
        seconds["total"] = round(time.perf_counter() - start, 3)
        result.save(work)
    return result


def _draw(result: Result, work: Path, output: Path, source: Path | None, palette: str) -> None:
    from .engine.maps.mrc_io import write_map
    from .report.chimerax import surface_level, write_view
    from .report.histogram import draw_histogram
    from .report.palette import palette_colours, resolution_range
    from .report.slices import draw_slices

    density, mask = result.density, result.volumes["mask"].data != 0
    resolution = result.volumes["resolution"].data
    values = resolution[mask]
    vmin, vmax = resolution_range(values)
    title = source.name if source else ""
    draw_histogram(
        values,
        work / "histogram",
        stats=result.stats,
        title=title,
        claimed=result.stats["claimed"],
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
        uncertainty=result.volumes["uncertainty"].data,
    )
    if source is None or result.stats["sharpen"] != "none" or result.stats["voxel_size_given"]:
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


def _check_palette(name: str) -> None:
    from .report.palette import PALETTES

    if name not in PALETTES:
        raise SettingError(f"palette {name!r} is unknown: choose one of {', '.join(PALETTES)}")
