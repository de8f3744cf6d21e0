"""Local resolution of one map: estimated, drawn and written."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryodl.methods.mask import with_mask
from cryodl.methods.output import check_palette, draw_local_resolution, finish, results_folder

if TYPE_CHECKING:
    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume
    from cryodl.networks.bundle import Bundle


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
    **options : mask, range, sharpen, claimed, voxel_size, thorough, batch_size, device, progress,
        notify, as in `cryodl.methods.deepres.run_local_resolution`; mask "network"
        has one found as `run_mask` does

    Returns
    -------
    Result : .volumes "resolution", "uncertainty" (Å) and "mask" on the map's grid, and .stats

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    from cryodl.methods.deepres.estimate import run_local_resolution as estimate

    start = time.perf_counter()
    check_palette(palette)
    source = Path(volume) if isinstance(volume, (str, Path)) else None
    with results_folder(output, volume, options.get("mask"), overwrite=overwrite) as work:
        result = estimate(volume, bundle, **with_mask(options))
        draw = partial(draw_local_resolution, result, output=output, source=source, palette=palette)
        finish(result, work, start, draw, tell=options.get("notify"))
    return result
