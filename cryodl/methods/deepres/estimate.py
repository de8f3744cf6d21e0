"""Local resolution of a map: prepare, predict, bring back to the map's grid."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from cryodl.checks.finest import finest_possible, finest_stats, finest_warning
from cryodl.checks.input import beyond_training, check_map, kind_of, widening, widening_warning
from cryodl.checks.quiet import emptied, filled, quiet_rim, within_rim
from cryodl.compute.device import load_network, precision_on
from cryodl.maps.crop import bounding_box
from cryodl.maps.inputs import input_map, input_mask, mask_source
from cryodl.maps.mask import automatic_mask, coarse_mask
from cryodl.maps.result import Result
from cryodl.maps.rotations import agreed, mean_over, rotations
from cryodl.maps.volume import Volume
from cryodl.methods.cost import Timer
from cryodl.methods.deepres.config import choose_bundle, interval_factor
from cryodl.methods.deepres.options import OPTIONS
from cryodl.methods.deepres.passes import NetworkPass
from cryodl.methods.deepres.prepare import estimate_cost, read_of_the_whole
from cryodl.methods.deepres.sharpening import (
    advise_on_input,
    advise_on_result,
    read_sharpen,
    sharpen_map,
)
from cryodl.methods.options import declared
from cryodl.networks.bundle import Bundle
from cryodl.resolution_maps.statistics import resolution_stats


@declared(OPTIONS)
def estimate_local_resolution(
    volume: Volume | str | Path,
    bundle: Bundle | str | Path | None = None,
    *,
    mask: Volume | np.ndarray | Callable | str | Path | None = None,
    range: str = "auto",
    sharpen: str | float = "none",
    claimed: float | None = None,
    voxel_size: float | None = None,
    thorough: bool = False,
    batch_size: int = 1,
    device: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Result:
    """Estimate the local resolution of a map in every voxel of its molecule; write nothing.

    mask : Volume, array, path or a function that finds one in a Volume; None finds one by a rule
    Others, and what is returned, as in `run_local_resolution`.
    """
    tell = notify or (lambda line: None)
    show = progress or (lambda stage, done, total: None)
    timer, chosen = Timer(), rotations(thorough)
    with timer("read"):
        sharpen = read_sharpen(sharpen)
        volume = input_map(volume, voxel_size)
        bundle = choose_bundle(volume.voxel_size, range, bundle)
        spec = bundle.spec
        inside, notes = input_mask(mask, volume)
    # The library takes seconds to import, during which the map is made ready.
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_network, bundle, device)
        with timer("mask"):
            rim = quiet_rim(volume)
            given, volume = volume, filled(volume, rim)
            notes += [rim.sentence] if rim else []
            if inside is None:
                inside = within_rim(agreed(chosen, automatic_mask, volume), rim)
            box = bounding_box(inside)
            molecule = agreed(chosen, coarse_mask, volume)
            unusual = check_map(given, inside, molecule)
            reasons = beyond_training(spec, given, kind_of(given, rim, unusual))
            notes += unusual
            part = read_of_the_whole(volume, spec, molecule, box)
        plan = estimate_cost(volume, spec, box=box, part=part, passes=len(chosen))
        tell(plan.describe(volume, spec))
        with timer("sharpen"):
            sharpened = sharpen_map(volume, inside, sharpen, claimed, chosen)
            notes += advise_on_input(volume, sharpened, spec)
            finest = finest_possible(given)
            notes += filter(None, [finest_warning(volume, finest)])
        for note in notes:
            tell(f"warning: {note}")
        look = NetworkPass(spec, loading, timer, batch_size)
        if sharpen == "auto" and claimed is None:
            [first] = mean_over(chosen, look.first, sharpened.volume, inside, molecule)
            limit = float(first[0])
            fall_off = sharpened.guinier_bfactor  # over the whole spectrum
            with timer("sharpen"):
                sharpened = sharpen_map(volume, inside, sharpen, limit, chosen)
            sharpened = replace(sharpened, guinier_bfactor=fall_off)
            tell(f"flattened up to {limit:.2f} Å, the median of a first look")
        resolution, deviation = (
            volume.with_data(values)
            for values in mean_over(
                chosen, look, sharpened.volume, inside, molecule, progress=partial(show, "predict")
            )
        )
        _, device = loading.result()
    with timer("finish"):
        # the network's bins go beyond what it was trained for, so that its means can reach the ends
        values = np.clip(resolution.data[inside], *spec["resolution_limits"])
        deviation.data[inside] *= interval_factor(spec["calibration"], values)
        wider = widening(spec, reasons, values)
        deviation.data[inside] *= wider
        values = np.maximum(values, np.float32(finest))
        resolution.data[inside] = values
        last = advise_on_result(values, spec)
        last += filter(None, [widening_warning(reasons, wider)])
        for note in last:
            tell(f"warning: {note}")
        stats = {
            **resolution_stats(values),
            "uncertainty_median": round(float(np.median(deviation.data[inside])), 4),
            "interval": spec["calibration"]["interval"],
            "interval_widened": round(float(wider.mean()), 3),
            **finest_stats(volume, finest),
            "voxel_size": volume.voxel_size,
            "voxel_size_given": voxel_size is not None,
            "grid_voxel_size": look.grid_voxel_size,
            "method": spec["method"],
            "range": spec["range"],
            "bundle": spec["name"],
            "bundle_sha256": bundle.sha256,
            "claimed": claimed,
            "sharpen": sharpened.sharpen,
            "sharpen_resolution": _rounded(sharpened.resolution),
            "guinier_bfactor": _rounded(sharpened.guinier_bfactor),
            "network_steps": look.steps,
            "rotations": len(chosen),
            "mask": mask_source(mask),
            "device": device,
            "precision": precision_on(device),
            "warnings": notes + last,
        }
    stats["seconds"] = timer.seconds
    volumes = {
        "resolution": resolution,
        "uncertainty": deviation,
        "mask": volume.with_data(inside),
    }
    return Result(volumes, stats, emptied(sharpened.volume, rim, given))


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(float(number), 3)
