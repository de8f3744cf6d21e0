"""Local resolution of one map: estimated, drawn and written."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cryodl.methods.deepres.options import OPTIONS
from cryodl.methods.options import declared
from cryodl.methods.output import check_palette, draw_local_resolution, finish, results_folder
from cryodl.methods.registry import mask_or_finder

if TYPE_CHECKING:
    import numpy as np

    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume
    from cryodl.networks.bundle import Bundle


@declared(OPTIONS)
def run_local_resolution(
    volume: Volume | str | Path,
    bundle: Bundle | str | Path | None = None,
    *,
    mask: Volume | np.ndarray | str | Path | None = None,
    range: str = "auto",
    sharpen: str | float = "none",
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
    """Estimate the local resolution of a map in every voxel of its molecule.

    What `cryodl localres MAP` does.

    Parameters
    ----------
    volume : a map's path, or a Volume (density, shape (z, y, x))
    bundle : Bundle, name or folder; None takes the shipped one of the range
    mask : on the map's grid, above 0.5 inside the molecule; "network" has one found as `run_mask`
        does; None finds one by a rule
    range : "low" (2.5-13 Å), "high" (1.5-6 Å), or "auto", by the voxel size
    sharpen : "none"; "auto", which flattens the spectrum up to `claimed`, or else up to the median
        of a first look; or the B-factor (Å², negative sharpens) to apply before judging
    claimed : resolution claimed for the map, Å
    voxel_size : Å, where the header of the file is wrong
    thorough : average values and intervals over the 24 rotations of the cube, at 24 times the time
    batch_size : tiles predicted at a time
    device : "auto", "cpu" or "gpu"
    output : folder for maps, stats.json, figures and ChimeraX script; None writes nothing
    overwrite : replace results of an earlier run
    palette : colours of the figures
    progress : called with (stage, tiles done, tiles in all)
    notify : called with each line worth telling: what will be done, and the warnings

    Returns
    -------
    Result : .volumes "resolution", "uncertainty" (Å) and "mask" on the map's grid, and .stats

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    from cryodl.methods.deepres.estimate import estimate_local_resolution

    start = time.perf_counter()
    check_palette(palette)
    source = Path(volume) if isinstance(volume, (str, Path)) else None
    with results_folder(output, volume, mask, overwrite=overwrite) as work:
        mask = mask_or_finder(
            mask, thorough=thorough, device=device, progress=progress, notify=notify
        )
        result = estimate_local_resolution(
            volume, bundle, mask=mask, range=range, sharpen=sharpen, claimed=claimed,
            voxel_size=voxel_size, thorough=thorough, batch_size=batch_size, device=device,
            progress=progress, notify=notify,
        )  # fmt: skip
        draw = partial(draw_local_resolution, result, output=output, source=source, palette=palette)
        finish(result, work, start, draw, tell=notify)
    return result
