"""Output of a task: its results drawn and written into one folder, whole or not at all."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryodl.errors import counted
from cryodl.files.folder import whole_folder
from cryodl.files.places import resolved
from cryodl.files.record import sealed

if TYPE_CHECKING:
    import numpy as np

    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def results_folder(
    output: str | os.PathLike[str] | None,
    *inputs: object,
    overwrite: bool = False,
    volumes: Sequence[str] = (),
    files: Sequence[str] = (),
) -> Iterator[Path | None]:
    """The folder to write into, checked before anything is computed; None where none is asked for.

    What an earlier run has written there, and this one has not, goes: it would pass for this one's.
    What was changed since stays (see `whole_folder`), and all where any of what is read lies in the
    folder.

    inputs : what is read; paths among them, and folders of results
    volumes : names of maps that there will be in any case
    files : other files that there will be, and folders of which nothing may be read

    Raises
    ------
    OutputError : the folder has contents and may not be overwritten, or cannot be written; or one
        of these would take the place of what is read
    """
    if output is None:
        yield None
        return
    read = [given for given in inputs if isinstance(given, (str, os.PathLike))]
    read_here = any(_lies_in(given, Path(output)) for given in read)
    writes = [*(f"{name}.mrc" for name in volumes), *files]
    with whole_folder(
        output, overwrite=overwrite, clear=not read_here, read=read, writes=writes
    ) as work:
        yield work


def _lies_in(given: object, folder: Path) -> bool:
    if not isinstance(given, (str, os.PathLike)):
        return False
    place = resolved(given)
    return resolved(folder) in (place, *place.parents)


def finish(
    result: Result,
    work: Path | None,
    start: float,
    draw: Callable[[Path], object],
    *,
    write: Callable[[Path], object] | None = None,
    tell: Callable[[str], object] | None = None,
) -> None:
    """Save and draw a result, if there is a folder for it, and write down the time it took.

    What cannot be drawn is a warning of the result, which is complete by then.

    work : folder that is written now, or None
    draw : called with it; write : likewise, before, for results beside the maps
    tell : called with each warning of what could not be drawn
    start : of the task, by time.perf_counter
    """
    if work is None:
        return
    stats = result.stats
    result.save(work)
    if write is not None:
        write(work)
    said = len(stats.setdefault("warnings", []))
    drawing = time.perf_counter()
    with figure_of(stats, "the report"):
        draw(work)
    stats["seconds"]["report"] = round(time.perf_counter() - drawing, 3)
    stats["seconds"]["total"] = round(time.perf_counter() - start, 3)
    stats["files"] = sorted(path.name for path in work.iterdir())
    stats.update(sealed(stats, "stats.json", work))
    result.save_stats(work)
    if tell is not None:
        for line in stats["warnings"][said:]:
            tell(f"warning: {line}")


@contextmanager
def figure_of(stats: dict[str, Any], name: str) -> Iterator[None]:
    """Turn whatever goes wrong in the drawing of a file into a warning of the result.

    stats : of the result;  name : of the file

    Raises OSError where there is no room to write: the folder would not be whole.
    """
    try:
        yield
    except Exception as error:  # of ours or of a library; no result shall be lost by a picture
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        stats.setdefault("warnings", []).append(
            f"{name} could not be made ({reason}); the results are complete without it"
        )


def names_of(*maps: Any) -> str:
    """The files' names of maps, "" where one is none; titles of figures."""
    if not all(isinstance(one, (str, Path)) for one in maps):
        return ""
    return ", ".join(Path(one).name for one in maps)


def draw_local_resolution(
    result: Result,
    work: Path,
    *,
    output: str | Path | None = None,
    source: Path | None = None,
    palette: str = "viridis",
    title: str = "",
    sliced: np.ndarray | None = None,
) -> Path:
    """Write histogram.png and .svg, slices.png and view.cxc.

    Parameters
    ----------
    result : .volumes "resolution", "mask" and, optionally, "uncertainty"; .stats; .density
    work : folder that is written now
    output : folder that it will be: the script names the map as seen from there; None for the same
    source : file of the density; None, or a map that was changed, has it written as density.mrc
    palette : colours of the figures;  title : "" takes the name of the source
    sliced : ndarray, shape (z, y, x), density that slices show; None takes that of the result

    Returns the file of the density, as scripts in `work` name it.
    """
    from cryodl.report.histogram import draw_histogram
    from cryodl.report.palette import resolution_range
    from cryodl.report.slices import draw_slices

    density, mask = result.density, result.volumes["mask"].data != 0
    resolution = result.volumes["resolution"].data
    uncertainty = result.volumes.get("uncertainty")
    values = resolution[mask]
    vmin, vmax = resolution_range(values)
    title = title or (source.name if source else "")
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
            density.data if sliced is None else sliced,
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
    from cryodl.maps.mrc import write_map
    from cryodl.report.chimerax import can_be_named, seen_from

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
    from cryodl.report.chimerax import surface_level, write_view
    from cryodl.report.palette import palette_colours

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


def warnings(stats: dict[str, Any]) -> list[str]:
    """The lines that a command prints of a result's warnings."""
    return [f"warning: {line}" for line in stats["warnings"]]


def said_of(check: dict[str, str]) -> str:
    """A check of preflight, as stats.json has it, in a line."""
    said = f"{check['name']}: {check['evidence']}"
    return said + (f"; {check['remedy']}" if check["remedy"] else "")


def summary(stats: dict[str, Any]) -> list[str]:
    """The line that a command prints at its end of a local resolution."""
    low, high = stats["percentiles"]["2.5"], stats["percentiles"]["97.5"]
    uncertainty = stats.get("uncertainty_median")
    sure = "" if uncertainty is None else f", uncertainty ±{uncertainty:.2f} Å"
    whole = stats.get("global_resolution")
    first = "" if whole is None else f"global {whole:.2f} Å, "
    return [
        f"{first}median {stats['median']:.2f} Å (2.5-97.5 %: {low:.2f}-{high:.2f} Å{sure}) in "
        f"{counted(stats['voxels'], 'voxel')}; {stats['seconds']['total']:.1f} s"
    ]
