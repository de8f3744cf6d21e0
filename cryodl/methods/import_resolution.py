"""A local-resolution map of another package, brought to our conventions, drawn and written."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryodl.methods import output as shared
from cryodl.methods.import_resolution_options import OPTIONS
from cryodl.methods.options import declared
from cryodl.methods.output import (
    draw_local_resolution,
    finish,
    results_folder,
    warnings,
)

if TYPE_CHECKING:
    import numpy as np

    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume


@declared(OPTIONS)
def run_import_resolution(
    resolution: Volume | str | Path,
    *,
    map: Volume | str | Path | None = None,
    mask: Volume | np.ndarray | str | Path | None = None,
    background: str | float = "auto",
    voxel_size: float | None = None,
    claimed: float | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    palette: str = "viridis",
) -> Result:
    """Take over a local-resolution map of MonoRes, ResMap, blocres, RELION or any other package.

    Parameters
    ----------
    resolution : path or Volume, shape (z, y, x), Å, with any background
    map : the density that was judged; gives grid and origin, and is drawn
    mask : on the same grid; what is outside is dropped
    background : "auto", or the value that stands for unknown
    voxel_size : Å, where the headers are wrong
    claimed : resolution claimed for the map, Å, drawn in the histogram
    output : folder for resolution.mrc, mask.mrc, stats.json and figures; None writes nothing
    overwrite : replace results of an earlier run
    palette : colours of the figures

    Returns
    -------
    Result : .volumes "resolution" (Å, 0 outside the mask) and "mask", and .stats

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    import numpy as np

    from cryodl.maps.inputs import input_map, mask_source
    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume
    from cryodl.resolution_maps.load import header_agrees, load_resolution
    from cryodl.resolution_maps.statistics import resolution_stats

    start = time.perf_counter()
    with results_folder(
        output, resolution, map, mask, overwrite=overwrite, volumes=("resolution", "mask")
    ) as work:
        density = None if map is None else input_map(map, voxel_size)
        found = load_resolution(
            resolution, density=density, mask=mask, background=background, voxel_size=voxel_size
        )
        stats = {
            **resolution_stats(found.values),
            "method": "import",
            "source": "" if isinstance(resolution, Volume) else Path(resolution).name,
            "voxel_size": found.resolution.voxel_size,
            # where the header says the same the file can be shown, and no density.mrc is needed
            "voxel_size_given": not (
                voxel_size is None
                or isinstance(map, (str, Path))
                and header_agrees(map, voxel_size)
            ),
            "claimed": claimed,
            "background": found.background,
            "note": found.note,
            "mask": mask_source(mask),
            "warnings": list(found.warnings),
        }
        volumes = {
            "resolution": found.resolution,
            "mask": found.resolution.with_data(found.mask.astype(np.float32)),
        }
        stats["seconds"] = {"read": round(time.perf_counter() - start, 3)}
        # without a density nothing but the resolution itself can stand for it
        result = Result(volumes, stats, found.resolution if density is None else density)
        draw: Callable[[Path], object]
        if density is None:
            draw = partial(_draw_histogram, result, palette=palette)
        else:
            source = None if isinstance(map, Volume) else Path(map)  # type: ignore[arg-type]
            draw = partial(
                draw_local_resolution, result, output=output, source=source, palette=palette
            )
        finish(result, work, start, draw)
    return result


def summary(stats: dict[str, Any]) -> list[str]:
    return [stats["note"], *warnings(stats), *shared.summary(stats)]


def _draw_histogram(result: Result, work: Path, *, palette: str) -> None:
    """All that can be drawn without a density."""
    from cryodl.report.histogram import draw_histogram

    resolution, mask = result.volumes["resolution"].data, result.volumes["mask"].data != 0
    draw_histogram(
        resolution[mask],
        work / "histogram",
        stats=result.stats,
        title=result.stats["source"],
        claimed=result.stats["claimed"],
        palette=palette,
    )
