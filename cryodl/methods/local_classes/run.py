"""Ten classes of local resolution of a map: predicted, calibrated, counted; drawn and written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import (
    finest_possible,
    finest_stats,
    finest_warning,
    holds_nothing_better,
)
from cryodl.checks.input import check_map, refuse_coarse
from cryodl.checks.quiet import filled, quiet_rim, within_rim
from cryodl.compute.device import device_scope, load_network, precision_on
from cryodl.features.context import CONTEXT_CHANNELS, prepare_context
from cryodl.maps.crop import bounding_box, crop
from cryodl.maps.inputs import input_map, input_mask, mask_source
from cryodl.maps.mask import automatic_mask, coarse_mask
from cryodl.maps.resample import resample_to
from cryodl.maps.result import Result
from cryodl.maps.rotations import Pass, agreed, mean_over, rotations
from cryodl.maps.volume import Volume
from cryodl.methods.cost import Timer, cost_estimate, tile_grid
from cryodl.methods.local_classes.options import OPTIONS
from cryodl.methods.options import declared
from cryodl.methods.output import (
    draw_local_resolution,
    figure_of,
    finish,
    results_folder,
)
from cryodl.methods.registry import mask_or_finder
from cryodl.networks.architectures import TEXT, optional
from cryodl.networks.bundle import Bundle
from cryodl.networks.method_bundle import TEMPERATURE, bundle_for, check_tiles
from cryodl.networks.tiles import predict_tiled
from cryodl.resolution_maps.statistics import resolution_stats

METHOD = "local-classes"
READS = {"whole_features": ("local_classes", {"channels": CONTEXT_CHANNELS})}
REQUIRED = {**TEMPERATURE, "labels": optional(TEXT)}


def choose_bundle(bundle: Bundle | str | Any) -> Bundle:
    """Load a bundle and see that it is for local classes.

    bundle : Bundle, name ("unet-monores", "unet-resmap") or folder

    Raises
    ------
    BundleError : unknown, damaged, of another method, or incomplete
    """
    bundle = bundle_for(METHOD, bundle, REQUIRED, READS)
    check_tiles(bundle)
    return bundle


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
    start = time.perf_counter()
    source = Path(volume) if isinstance(volume, (str, Path)) else None
    with results_folder(
        output, volume, mask, overwrite=overwrite, volumes=("classes", "resolution", "mask")
    ) as work:
        mask = mask_or_finder(
            mask, thorough=thorough, device=device, progress=progress, notify=notify
        )
        result = _estimate(
            volume, bundle, mask, probabilities, claimed, voxel_size, thorough, batch_size, device,
            progress, notify,
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
    from cryodl.report.figure import new_figure, save_both, save_figure
    from cryodl.report.slice_grid import draw_slice_grid, pick_planes
    from cryodl.report.slices import crop_box, density_limits

    classes, inside = result.volumes["classes"].data, result.volumes["mask"].data != 0
    density = result.density
    with figure_of(result.stats, "class_histogram.png"):
        figure = new_figure(4.8, 3.0)
        draw_class_bars(figure, classes, palette=palette, title=title)
        save_both(figure, work / "class_histogram")
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


def _estimate(
    volume, bundle, mask, probabilities, claimed, voxel_size, thorough, batch_size, device,
    progress, notify,
) -> Result:  # fmt: skip
    """What `run_local_classes` returns, before anything is drawn or written.

    mask : also a function that finds one in a Volume
    """
    tell, show = notify or (lambda line: None), progress or (lambda *stage: None)
    timer, chosen = Timer(), rotations(thorough)
    volume = input_map(volume, voxel_size)
    refuse_coarse(volume)
    bundle = choose_bundle(bundle)
    spec = bundle.spec
    inside, notes = input_mask(mask, volume)
    # The library takes seconds to import, during which the map is made ready.
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_network, bundle, device)
        # Not the mask, which may be of a part: what is beyond it would be taken for solvent.
        rim = quiet_rim(volume)
        given, volume = volume, filled(volume, rim)
        notes += [rim.sentence] if rim else []
        molecule = agreed(chosen, coarse_mask, volume)
        if inside is None:
            inside = within_rim(agreed(chosen, automatic_mask, volume), rim)
        notes += check_map(given, inside, molecule)
        finest = finest_possible(given)
        notes += filter(None, [finest_warning(volume, finest)])
        if 2 * volume.voxel_size > 10:
            held = holds_nothing_better(volume.voxel_size)
            notes.append(f"{held}: all classes but the last mean nothing")
        for note in notes:
            tell(f"warning: {note}")
        place = tuple(slice(first, last) for first, last in bounding_box(inside))
        within = inside[place]
        look = NetworkPass(
            spec, loading, timer, batch_size, probabilities or thorough, tell, finest
        )
        found = iter(
            mean_over(chosen, look, volume, molecule, inside, progress=partial(show, "predict"))
        )
        resolution = volume.with_data(_placed(next(found), place, volume))
        _, device = loading.result()
    volumes: dict[str, Volume] = {}
    best, classes = np.zeros(within.shape, np.float32), np.zeros(volume.shape, np.float32)
    with timer("finish"):
        for i, own in enumerate(found, 1):
            if probabilities:
                volumes[f"class_{i}"] = volume.with_data(_placed(own, place, volume))
            classes[place][own > best] = i
            np.maximum(best, own, out=best)
    volumes = {
        "classes": volume.with_data(classes),
        "resolution": resolution,
        "mask": volume.with_data(inside),
        **volumes,
    }
    stats = {
        **resolution_stats(resolution.data[inside]),
        **finest_stats(volume, finest),
        "classes": class_counts(classes[inside], look.count),
        "class_edges": list(spec["network"].get("edges", ())),
        "probability_median": round(float(np.median(best[within])), 4),
        "voxel_size": volume.voxel_size,
        "voxel_size_given": voxel_size is not None,
        "grid_voxel_size": look.grid_voxel_size,
        "method": spec["method"],
        "labels": spec.get("labels"),
        "bundle": spec["name"],
        "bundle_sha256": bundle.sha256,
        "claimed": claimed,
        "mask": mask_source(mask),
        "rotations": len(chosen),
        "device": device,
        "precision": precision_on(device),
        "warnings": notes,
        "seconds": timer.seconds,
    }
    return Result(volumes, stats, given)


def _placed(part: np.ndarray, place: tuple[slice, ...], volume: Volume) -> np.ndarray:
    """A part's values on the whole grid of a map, 0 around them."""
    whole = np.zeros(volume.shape, np.float32)
    whole[place] = part
    return whole


def class_counts(classes: np.ndarray, count: int = 10) -> list[int]:
    """Voxels in each class from 1 on."""
    return [int(n) for n in np.bincount(classes.astype(int), minlength=count + 1)[1:]]


MEANS = 12  # maps kept while passes are averaged: the map turned, and the mean of every answer


class NetworkPass:
    """A network as what `mean_over` averages.

    spec : of the bundle
    loading : of the network and its device, as `load_network` gives both
    timer : where times are noted;  batch_size : tiles predicted at a time
    everything : whether classes that are nowhere the likeliest count, too
    log : called with what the run will need, in the first pass
    finest : Å, that the map holds

    Attributes
    ----------
    count : of classes
    grid_voxel_size : Å, of the grid that the map was brought to
    """

    def __init__(
        self, spec: Mapping[str, Any], loading: Future, timer: Timer, batch_size: int,
        everything: bool, log, finest: float = 0.0,
    ) -> None:  # fmt: skip
        self.spec, self.loading, self.timer = spec, loading, timer
        self.batch_size, self.everything, self.log = batch_size, everything, log
        self.count, self.grid_voxel_size, self.finest = 0, 0.0, finest

    def __call__(
        self, this: Pass, volume: Volume, molecule: np.ndarray, inside: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Expected resolution (Å), then the probability of every class, 0 outside the mask.

        volume : density;  molecule, inside : ndarrays of its shape, bool

        Yields ndarrays, shape (z, y, x), of the part of the map that holds the mask.
        """
        with self.timer("prepare"):
            prepared = prepare_context(volume, self.spec["voxel_size"], molecule, inside)
        if this.number == 0:
            self.log(cost_estimate(volume, prepared, self.spec, passes=this.count, means=MEANS))
        model, device = self.loading.result()
        with self.timer("predict"), device_scope(device):
            prediction = predict_tiled(
                prepared.data, model.predict_on_batch, tile_grid(prepared, self.spec, device),
                channels=int(model.output_shape[-1]), batch_size=self.batch_size,
                progress=this.progress,
            )  # fmt: skip
        prediction = calibrated(prediction, self.spec["calibration"])
        prediction = possible(prediction, self.spec["network"].get("edges", ()), self.finest)
        self.count, self.grid_voxel_size = prediction.shape[-1] - 1, prepared.grid.voxel_size
        place = tuple(slice(first, last) for first, last in bounding_box(inside))
        like, within = crop(volume, place), inside[place]
        for i in (self.count, *range(self.count)):
            if self.everything or prediction[..., i].max() >= 1 / self.count:
                yield resample_to(prepared.volume(prediction[..., i]), like).data * within
            else:  # nowhere the likeliest
                yield np.zeros(like.shape, np.float32)


def calibrated(prediction: np.ndarray, calibration) -> np.ndarray:
    """Probabilities softened by the temperature, the last channel (expected Å) as it is."""
    power = 1 / calibration["temperature"]
    if power != 1:
        raised = np.power(np.maximum(prediction[..., :-1], 1e-9), power)
        prediction[..., :-1] = raised / raised.sum(axis=-1, keepdims=True)
    return prediction


def possible(prediction: np.ndarray, edges, finest: float) -> np.ndarray:
    """Probabilities of classes finer than a map holds, given to the first that it can hold.

    prediction : ndarray (..., classes + 1), the last channel the expected resolution in Å
    edges : Å, between the classes;  finest : Å, as `finest_possible` gives it
    """
    first = int(np.searchsorted(edges, finest, side="right"))
    prediction[..., first] += prediction[..., :first].sum(axis=-1)
    prediction[..., :first] = 0
    np.maximum(prediction[..., -1], np.float32(finest), out=prediction[..., -1])
    return prediction
