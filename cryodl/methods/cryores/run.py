"""Mask, global and local resolution of a single map: estimated, drawn and written."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cryodl.methods.cryores.options import OPTIONS
from cryodl.methods.options import declared
from cryodl.methods.output import check_palette, draw_local_resolution, finish, results_folder
from cryodl.methods.registry import NETWORK

if TYPE_CHECKING:
    import numpy as np

    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume
    from cryodl.networks.bundle import Bundle


@declared(OPTIONS)
def run_single_map_resolution(
    volume: Volume | str | Path,
    bundle: Bundle | str | Path | None = None,
    *,
    mask: Volume | np.ndarray | str | Path | None = None,
    claimed: float | None = None,
    voxel_size: float | None = None,
    thorough: bool = False,
    batch_size: int = 1,
    device: str = "auto",
    output: str | Path | None = None,
    overwrite: bool = False,
    palette: str = "viridis",
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Result:
    """Find the molecule in a map and estimate its resolution, signal against noise, from it alone.

    What `cryodl localres MAP --method cryores` does. The map may be sharpened or not, masked or
    not. Neither half maps nor a mask are needed.

    Parameters
    ----------
    volume : a map's path, or a Volume (density, shape (z, y, x))
    bundle : Bundle, name or folder; None takes the shipped one
    mask : on the map's grid, above 0.5 inside the molecule; the resolution is given inside it. None
        or "network" take the network's own
    claimed : resolution claimed for the map, Å; it changes no result
    voxel_size : Å, where the header of the file is wrong
    thorough : average the answers over the 24 rotations of the cube, at 24 times the time
    batch_size : tiles predicted at a time
    device : "auto", "cpu" or "gpu"
    output : folder for maps, stats.json, figures and ChimeraX script; None writes nothing
    overwrite : replace results of an earlier run
    palette : colours of the figures
    progress : called with (stage, tiles done, tiles in all)
    notify : called with each line worth telling

    Returns
    -------
    Result : .volumes "resolution" and "uncertainty" (Å, half-width of the 90 % interval; 0 outside
        the mask), "mask" (0 or 1) and "probability" (of being in the molecule) on the map's grid;
        .stats with "global_resolution" (Å) among others

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    from cryodl.methods.cryores.estimate import estimate_single_map_resolution

    start = time.perf_counter()
    check_palette(palette)
    source = Path(volume) if isinstance(volume, (str, Path)) else None
    with results_folder(output, volume, mask, overwrite=overwrite) as work:
        own = None if isinstance(mask, str) and mask == NETWORK else mask
        result = estimate_single_map_resolution(
            volume, bundle, mask=own, claimed=claimed,
            voxel_size=voxel_size, thorough=thorough, batch_size=batch_size, device=device,
            progress=progress, notify=notify,
        )  # fmt: skip
        draw = partial(draw_local_resolution, result, output=output, source=source, palette=palette)
        finish(result, work, start, draw, tell=notify)
    return result
