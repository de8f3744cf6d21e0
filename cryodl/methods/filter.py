"""A map low-passed to its local resolution, drawn and written."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryodl.methods.filter_options import OPTIONS
from cryodl.methods.options import declared
from cryodl.methods.output import draw_view, finish, results_folder, warnings

if TYPE_CHECKING:
    import numpy as np

    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume


@declared(OPTIONS)
def run_filter(
    map: Volume | str | Path,
    resolution: Volume | str | Path,
    *,
    mask: Volume | np.ndarray | str | Path | None = None,
    background: str | float = "auto",
    voxel_size: float | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    palette: str = "viridis",
) -> Result:
    """Low-pass every voxel of a map to its local resolution.

    Parameters
    ----------
    map : path or Volume, shape (z, y, x); density
    resolution : path (of a map, or of a folder of results) or Volume; local resolution of any
        package, Å, any background; interpolated where its grid is another one of the same box
    mask : on the same grid; what is outside counts as solvent
    background : "auto", or the value that stands for unknown
    voxel_size : Å, where the headers are wrong
    output : folder for filtered.mrc, resolution.mrc, stats.json and figures; None writes nothing
    overwrite : replace results of an earlier run
    palette : colours of the figures

    Returns
    -------
    Result : .volumes "filtered" (density on the map's grid) and "resolution" (Å, 0 outside the
        mask), .stats and .density, the map before

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    from cryodl.checks.input import check_map
    from cryodl.maps.inputs import input_map, mask_source
    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume, as_given
    from cryodl.resolution_maps.load import load_resolution
    from cryodl.resolution_maps.local_filter import filter_locally
    from cryodl.resolution_maps.statistics import resolution_stats

    start = time.perf_counter()
    with results_folder(
        output, map, resolution, mask, overwrite=overwrite, volumes=("filtered", "resolution")
    ) as work:
        density = input_map(map, voxel_size)
        found = load_resolution(
            resolution, density=density, mask=mask, background=background, voxel_size=voxel_size
        )
        filtered = filter_locally(density, found)
        stats = {
            **resolution_stats(found.values),
            "method": "filter",
            "source": "" if isinstance(map, Volume) else Path(map).name,
            "cutoffs": list(filtered.cutoffs),
            "unchanged": round(filtered.unchanged, 4),
            "outside": round(filtered.outside, 4),
            "voxel_size": density.voxel_size,
            "voxel_size_given": voxel_size is not None,
            "note": found.note,
            "mask": mask_source(mask),
            "warnings": [*found.warnings, *check_map(density, found.mask)],
            "seconds": {"filter": round(time.perf_counter() - start, 3)},
        }
        volumes = {"filtered": as_given(filtered.volume), "resolution": found.resolution}
        result = Result(volumes, stats, density)
        finish(result, work, start, partial(_draw, result, found.mask, palette=palette))
    return result


def summary(stats: dict[str, Any]) -> list[str]:
    first, last = stats["cutoffs"][0], stats["cutoffs"][-1]
    return [
        stats["note"],
        *warnings(stats),
        f"filtered at {len(stats['cutoffs'])} cut-offs from {first:.2f} to {last:.2f} Å, solvent "
        f"to {stats['outside']:.2f} Å; {stats['seconds']['total']:.1f} s",
    ]


def _draw(result: Result, mask: np.ndarray, work: Path, *, palette: str) -> None:
    from cryodl.report.comparison import draw_filtered

    filtered = result.volumes["filtered"]
    limits = draw_filtered(
        result.density.data,
        filtered.data,
        result.volumes["resolution"].data,
        mask,
        work / "slices.png",
        voxel_size=filtered.voxel_size,
        origin=filtered.origin,
        palette=palette,
        title=result.stats["source"],
    )
    shown = work / "filtered.mrc"
    draw_view(shown, "resolution.mrc", filtered.data, mask, work, limits, palette)
