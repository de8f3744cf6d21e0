"""Mask, global and local resolution of a single map: estimated, drawn and written."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryodl.methods.mask import asks_network
from cryodl.methods.output import check_palette, draw_local_resolution, finish, results_folder

if TYPE_CHECKING:
    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume
    from cryodl.networks.bundle import Bundle


def run_single_map_resolution(
    volume: Volume | str | Path,
    bundle: Bundle | str | Path | None = None,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    palette: str = "viridis",
    **options: Any,
) -> Result:
    """Find the molecule in a map and tell its resolution, signal against noise, from it alone.

    What `cryodl localres MAP --method cryores` does.

    Parameters
    ----------
    volume : a map's path, or a Volume (density, shape (z, y, x)); sharpened or not, masked or not
    bundle : Bundle, name or folder; None takes the shipped one
    output : folder for maps, stats.json, figures and ChimeraX script; None writes nothing
    overwrite : replace results of an earlier run
    palette : colours of the figures
    **options : mask, claimed, voxel_size, thorough, batch_size, device, progress, notify, as in
        `cryodl.methods.cryores.run_single_map_resolution`; mask "network" is
        that of None

    Returns
    -------
    Result : .volumes "resolution", "uncertainty" (Å), "mask" and "probability" on the map's grid;
        .stats with "global_resolution" (Å)

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    from cryodl.methods.cryores.estimate import run_single_map_resolution as estimate

    start = time.perf_counter()
    check_palette(palette)
    source = Path(volume) if isinstance(volume, (str, Path)) else None
    with results_folder(output, volume, options.get("mask"), overwrite=overwrite) as work:
        if asks_network(options.get("mask")):
            options["mask"] = None
        result = estimate(volume, bundle, **options)
        draw = partial(draw_local_resolution, result, output=output, source=source, palette=palette)
        finish(result, work, start, draw, tell=options.get("notify"))
    return result
