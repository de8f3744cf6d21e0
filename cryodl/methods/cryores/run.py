"""Mask, global and local resolution of a single map: predicted, calibrated; drawn and written."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import coarse_voxels, finest_possible, finest_stats, finest_warning
from cryodl.checks.input import (
    KINDS,
    at_ends,
    beyond_training,
    check_map,
    claim_warning,
    kind_of,
    refuse_coarse,
    widening,
    widening_warning,
)
from cryodl.checks.quiet import filled, quiet_rim, within_rim
from cryodl.compute.device import device_scope, load_network, precision_on
from cryodl.features.context import BACKBONE_CHANNELS, CONTEXT_CHANNELS, prepare_context
from cryodl.maps.inputs import input_map, input_mask, mask_source
from cryodl.maps.mask import automatic_mask, coarse_mask
from cryodl.maps.result import Result
from cryodl.maps.rotations import Pass, agreed, mean_over, rotations
from cryodl.maps.volume import Volume
from cryodl.methods.cost import Timer, cost_estimate
from cryodl.methods.cryores.options import DEFAULT, OPTIONS
from cryodl.methods.cryores.predict import INSIDE, LEAST, predict
from cryodl.methods.options import declared
from cryodl.methods.output import draw_local_resolution, finish, results_folder
from cryodl.methods.registry import NETWORK
from cryodl.networks.architectures import is_backbone, number, one_of, optional
from cryodl.networks.bundle import Bundle
from cryodl.networks.method_bundle import (
    CURVE,
    LIMITS,
    bundle_for,
    check_curve,
    check_tiles,
    interval_factor,
    trained,
)
from cryodl.resolution_maps.statistics import resolution_stats

METHOD = "single-map-resolution"
MASK_BUNDLE = "cryores-single"  # whose masks are no worse, and known to the networks that use them
REQUIRED = {
    **LIMITS,
    **CURVE,
    **trained(KINDS),
    "local": one_of("alone", "relative", "both"),
    "mask_threshold": optional(number(0.01, 0.99)),
}
READS = {
    "whole_features": ("single_map", {"channels": CONTEXT_CHANNELS}),
    "backbone_features": ("backbone", {"channels": BACKBONE_CHANNELS}),
}


def choose_bundle(bundle: Any = None) -> Bundle:
    """The bundle given by object, name or folder; None takes the shipped one.

    Raises
    ------
    BundleError : unknown or damaged, or not a bundle of this method
    """
    bundle = bundle_for(METHOD, DEFAULT if bundle is None else bundle, REQUIRED, READS)
    check_tiles(bundle)
    check_curve(bundle)
    return bundle


MEANS = 5  # maps kept while passes are averaged: the map turned, and four means


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
        the mask), "aspect" (Å, how fine the map looks, which sharpening changes; of a backbone),
        "mask" (0 or 1) and "probability" (of being in the molecule) on the map's grid; .stats with
        "global_resolution" (Å) among others

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    start = time.perf_counter()
    source = Path(volume) if isinstance(volume, (str, Path)) else None
    with results_folder(
        output,
        volume,
        mask,
        overwrite=overwrite,
        volumes=("resolution", "uncertainty", "aspect", "mask", "probability"),
    ) as work:
        own = None if isinstance(mask, str) and mask == NETWORK else mask
        result = _estimate(
            volume, bundle, own, claimed, voxel_size, thorough, batch_size, device, progress,
            notify,
        )  # fmt: skip
        draw = partial(draw_local_resolution, result, output=output, source=source, palette=palette)
        finish(result, work, start, draw, tell=notify)
    return result


def _estimate(
    volume, bundle, mask, claimed, voxel_size, thorough, batch_size, device, progress, notify,
) -> Result:  # fmt: skip
    """What `run_single_map_resolution` returns, before anything is drawn or written."""
    tell = notify or (lambda line: None)
    show = progress or (lambda stage, done, total: None)
    timer, chosen = Timer(), rotations(thorough)
    with timer("read"):
        bundle = choose_bundle(bundle)
        spec = bundle.spec
        volume = input_map(volume, voxel_size)
        refuse_coarse(volume, spec["resolution_limits"][1])
        inside, notes = input_mask(mask, volume)
        origin = "network" if inside is None else mask_source(mask)
    # The library takes seconds to import, during which the map is made ready.
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_network, bundle, device)
        with timer("mask"):
            rim = quiet_rim(volume)
            given, volume = volume, filled(volume, rim)
            notes += [rim.sentence] if rim else []
            molecule = agreed(chosen, coarse_mask, volume) if inside is None else inside

        def look(this: Pass, volume: Volume, molecule: np.ndarray) -> list[np.ndarray]:
            """Maps on the grid of `volume`; then how much of a molecule there is, passes, and Å."""
            with timer("prepare"):
                prepared = prepare_context(
                    volume, spec["voxel_size"], molecule, spectrum=is_backbone(spec["network"])
                )
            if this.number == 0:
                words = cost_estimate(volume, prepared, spec, passes=this.count, means=MEANS)
                tell(f"{words}; longer where it takes a second pass")
            with timer("load"):
                model, device = loading.result()
            with timer("predict"), device_scope(device):
                prediction, passes = predict(
                    prepared, spec, model, batch_size=batch_size, device=device,
                    progress=this.progress,
                )  # fmt: skip
            grids.append(prepared.grid.voxel_size)
            with timer("finish"):
                maps = [prediction.probability, prediction.resolution, prediction.deviation]
                maps += [] if prediction.aspect is None else [prediction.aspect]
                enough = prediction.inside.sum() >= LEAST
                numbers = np.array([enough, passes, prediction.whole], float)
                return [*(prepared.paste(values, volume) for values in maps), numbers]

        grids: list[float] = []
        progress = partial(show, "predict")
        probability, resolution, deviation, *aspect, numbers = mean_over(
            chosen, look, volume, molecule, progress=progress
        )
        _, device = loading.result()
    with timer("finish"):
        found, passes, whole = (float(number) for number in numbers)
        if inside is None:
            inside = probability > INSIDE
            if found <= 0.5 or not inside.any():
                inside, origin = agreed(chosen, automatic_mask, volume), "automatic"
                notes.append("the network found no molecule: the mask is that of a simple rule")
            inside = within_rim(inside, rim)
            probability = probability if rim is None else probability * rim.inside
        resolution, deviation = resolution * inside, deviation * inside
        values = resolution[inside]
        deviation[inside] *= interval_factor(spec["calibration"], values)
        unusual = check_map(given, inside, molecule if mask is None else None)
        reasons = beyond_training(spec, given, kind_of(given, rim, unusual))
        wider = widening(spec, reasons, values)
        deviation[inside] *= wider
        notes += unusual
        notes += filter(None, [widening_warning(reasons, wider)])
        finest = finest_possible(given)
        notes += filter(None, [finest_warning(volume, finest)])
        values = np.maximum(values, np.float32(finest))
        resolution[inside] = values
        looks, how_it_looks = {}, {}
        if aspect:
            looks["aspect"] = volume.with_data(np.maximum(aspect[0], np.float32(finest)) * inside)
            median = float(np.median(looks["aspect"].data[inside]))
            how_it_looks["aspect_median"] = round(median, 3)
        notes += advise(volume, values, spec, finest)
        spread = float(np.median(deviation[inside]))
        notes += filter(None, [claim_warning(claimed, float(np.median(values)), spread)])
        for note in notes:
            tell(f"warning: {note}")
        stats = {
            **resolution_stats(values),
            "global_resolution": round(max(whole, finest), 3),
            **how_it_looks,
            "uncertainty_median": round(spread, 4),
            "interval": spec["calibration"]["interval"],
            "interval_widened": round(float(wider.mean()), 3),
            **finest_stats(volume, finest),
            "molecule_volume": round(float(inside.sum()) * volume.voxel_size**3),
            "voxel_size": volume.voxel_size,
            "voxel_size_given": voxel_size is not None,
            "grid_voxel_size": grids[0],
            "method": spec["method"],
            "bundle": spec["name"],
            "bundle_sha256": bundle.sha256,
            "claimed": claimed,
            "looks": ceil(passes),
            "rotations": len(chosen),
            "mask": origin,
            "device": device,
            "precision": precision_on(device),
            "warnings": notes,
        }
    stats["seconds"] = timer.seconds
    volumes = {
        "resolution": volume.with_data(resolution),
        "uncertainty": volume.with_data(deviation),
        **looks,
        "mask": volume.with_data(inside),
        "probability": volume.with_data(probability),
    }
    return Result(volumes, stats, given)


def advise(volume: Volume, values: np.ndarray, spec: Any, finest: float = 0.0) -> list[str]:
    """Sentences about a voxel size or values (Å, inside the mask) beyond the trained range, or at
    the finest (Å) that the map can hold."""
    return coarse_voxels(volume, spec) + at_ends(values, spec, finest=finest)
