"""Ten classes of local resolution of a map: told, drawn and written."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cryodl.methods.local_classes.options import OPTIONS
from cryodl.methods.options import declared
from cryodl.methods.output import (
    check_palette,
    draw_local_resolution,
    figure_of,
    finish,
    results_folder,
)
from cryodl.methods.registry import mask_or_finder

if TYPE_CHECKING:
    import numpy as np

    from cryodl.maps.result import Result
    from cryodl.maps.volume import Volume
    from cryodl.networks.bundle import Bundle


@declared(OPTIONS)
def run_local_classes(
    volume: Volume | str | Path,
    bundle: Bundle | str | Path = "unet-monores",
    *,
    mask: Volume | np.ndarray | str | Path | None = None,
    probabilities: bool = False,
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
    """Put every voxel of a molecule into one of ten classes of resolution.

    What `cryodl localres MAP --method unet-monores|unet-resmap` does.

    Parameters
    ----------
    volume : a map's path, or a Volume (density, shape (z, y, x))
    bundle : Bundle, name ("unet-monores", "unet-resmap") or folder
    mask : on the map's grid, above 0.5 where classes are wanted; "network" has one found as
        `run_mask` does; None finds one by a rule
    probabilities : give the probability of every class as well
    claimed : resolution claimed for the map, Å, noted in the statistics
    voxel_size : Å, where the header of the file is wrong
    thorough : average probabilities over the 24 rotations of the cube, at 24 times the time
    batch_size : tiles predicted at a time
    device : "auto", "cpu" or "gpu"
    output : folder for maps, stats.json, figures and ChimeraX script; None writes nothing
    overwrite : replace results of an earlier run
    palette : colours of the figures
    progress, notify : called with (stage, done, total), and with each line worth telling

    Returns
    -------
    Result : .volumes "classes" (1 for below 2 Å, 2 for 2-3 Å ... 10 for 10 Å and above, 0 outside
        the mask), "resolution" (expected, Å) and "mask" on the map's grid, and on request "class_1"
        ... "class_10"; .stats

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    from cryodl.methods.local_classes.estimate import estimate_local_classes

    start = time.perf_counter()
    check_palette(palette)
    source = Path(volume) if isinstance(volume, (str, Path)) else None
    with results_folder(output, volume, mask, overwrite=overwrite) as work:
        mask = mask_or_finder(
            mask, thorough=thorough, device=device, progress=progress, notify=notify
        )
        result = estimate_local_classes(
            volume, bundle, mask=mask, probabilities=probabilities, claimed=claimed,
            voxel_size=voxel_size, thorough=thorough, batch_size=batch_size, device=device,
            progress=progress, notify=notify,
        )  # fmt: skip

        def draw(folder: Path) -> None:
            shown = draw_local_resolution(
                result, folder, output=output, source=source, palette=palette
            )
            draw_local_classes(
                result, folder, shown, title=source.name if source else "", palette=palette
            )

        finish(result, work, start, draw, tell=notify)
    return result


def draw_local_classes(
    result: Result, work: Path, shown: Path, *, title: str = "", palette: str = "viridis"
) -> None:
    """Write classes.png (slices in ten colours), class_histogram.png and .svg, and classes.cxc.

    result : .volumes "classes" and "mask"; .density;  work : folder
    shown : file of the density, as the script names it
    """
    from cryodl.report.chimerax import surface_level, write_view
    from cryodl.report.classes import (
        COUNT,
        ENDS,
        LABELS,
        TICKS,
        class_colour_map,
        class_colours,
        draw_class_bars,
    )
    from cryodl.report.figure import new_figure, save_figure
    from cryodl.report.slice_grid import draw_slice_grid, pick_planes
    from cryodl.report.slices import crop_box, density_limits

    classes, inside = result.volumes["classes"].data, result.volumes["mask"].data != 0
    density = result.density
    with figure_of(result.stats, "class_histogram.png"):
        figure = new_figure(4.8, 3.0)
        draw_class_bars(figure, classes, palette=palette, title=title)
        for kind in (".png", ".svg"):
            save_figure(figure, work / f"class_histogram{kind}")
    with figure_of(result.stats, "classes.png"):
        figure = new_figure(6.0, 4.0)
        draw_slice_grid(
            figure, classes, colours=class_colour_map(palette), vmin=ENDS[0], vmax=ENDS[1],
            label="Local resolution (Å)", ticks=TICKS, axis="z", planes=pick_planes(inside, "z"),
            inside=inside, voxel_size=density.voxel_size, origin=density.origin,
            density=density.data, density_ends=density_limits(density.data, inside),
            box=crop_box(inside), title=title,
        )  # fmt: skip
        save_figure(figure, work / "classes.png")
    with figure_of(result.stats, "classes.cxc"):
        write_view(
            work / "classes.cxc",
            map_file=shown,
            resolution_file=work / "classes.mrc",
            level=surface_level(density.data, inside),
            vmin=1.0,
            vmax=float(COUNT),
            colours=class_colours(palette),
            labels=LABELS,
        )
