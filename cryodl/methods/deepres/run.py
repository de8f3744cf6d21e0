"""Local resolution of one map: read, checked, masked, sharpened, predicted; drawn and written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import finest_possible, finest_stats, finest_warning
from cryodl.checks.input import (
    beyond_training,
    check_map,
    claim_warning,
    kind_of,
    refuse_coarse,
    widening,
    widening_warning,
)
from cryodl.checks.quiet import emptied, filled, quiet_rim, within_rim
from cryodl.compute.device import device_scope, load_network, precision_on
from cryodl.maps.crop import bounding_box, crop, paste
from cryodl.maps.inputs import input_map, input_mask, mask_source
from cryodl.maps.mask import automatic_mask, coarse_mask
from cryodl.maps.result import Result
from cryodl.maps.rotations import Pass, agreed, mean_over, rotations
from cryodl.maps.volume import Volume
from cryodl.methods.cost import Timer, cost_sentence
from cryodl.methods.deepres.config import choose_bundle
from cryodl.methods.deepres.options import OPTIONS
from cryodl.methods.deepres.prepare import (
    Prepared,
    estimate_cost,
    prepare,
    read_of_the_whole,
    tile_grid,
)
from cryodl.methods.deepres.sharpening import (
    advise_on_input,
    advise_on_result,
    read_sharpen,
    sharpen_map,
)
from cryodl.methods.options import declared
from cryodl.methods.output import draw_local_resolution, finish, results_folder
from cryodl.methods.registry import mask_or_finder
from cryodl.networks.bundle import Bundle
from cryodl.networks.method_bundle import interval_factor
from cryodl.networks.tiles import predict_tiled
from cryodl.resolution_maps.statistics import resolution_stats


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
    start = time.perf_counter()
    source = Path(volume) if isinstance(volume, (str, Path)) else None
    with results_folder(
        output, volume, mask, overwrite=overwrite, volumes=("resolution", "mask")
    ) as work:
        mask = mask_or_finder(
            mask, thorough=thorough, device=device, progress=progress, notify=notify
        )
        result = _estimate(
            volume, bundle, mask, range, sharpen, claimed, voxel_size, thorough, batch_size, device,
            progress, notify,
        )  # fmt: skip
        draw = partial(draw_local_resolution, result, output=output, source=source, palette=palette)
        finish(result, work, start, draw, tell=notify)
    return result


def _estimate(
    volume, bundle, mask, range, sharpen, claimed, voxel_size, thorough, batch_size, device,
    progress, notify,
) -> Result:  # fmt: skip
    """What `run_local_resolution` returns, before anything is drawn or written.

    mask : also a function that finds one in a Volume
    """
    tell = notify or (lambda line: None)
    show = progress or (lambda stage, done, total: None)
    timer, chosen = Timer(), rotations(thorough)
    with timer("read"):
        sharpen = read_sharpen(sharpen)
        volume = input_map(volume, voxel_size)
        bundle = choose_bundle(volume.voxel_size, range, bundle)
        spec = bundle.spec
        refuse_coarse(volume, spec["resolution_limits"][1])
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
        words = "range {} ({:g}-{:g} Å); ".format(spec["range"], *spec["resolution_limits"])
        tell(cost_sentence(volume, spec, *plan, words=words, passes=len(chosen)))
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
        last = advise_on_result(values, spec, finest)
        spread = float(np.median(deviation.data[inside]))
        doubt = claim_warning(claimed, float(np.median(values)), spread)
        last += filter(None, [widening_warning(reasons, wider), doubt])
        for note in last:
            tell(f"warning: {note}")
        stats = {
            **resolution_stats(values),
            "uncertainty_median": round(spread, 4),
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


OTHER_AXES = ((1, 2), (0, 2), (0, 1))
PROBE = 80  # Å, edge of the part of the molecule at which a first look is taken
AROUND = 64  # grid voxels around it that network and filters reach


def probe_resolution(
    volume: Volume, inside: np.ndarray, molecule: np.ndarray, spec: Any, model: Any
) -> float:
    """Median resolution (Å) of the molecule's middle: up to where to flatten a map's spectrum.

    inside : ndarray, shape (z, y, x), bool, mask;  molecule : likewise, as `prepare` takes it

    A map flattened further than its signal goes shows noise beyond it, which the network knows for
    noise; flattened to its signal's end it looks as those it was trained on.
    """
    middle = [int(np.median(np.flatnonzero(inside.any(axis=other)))) for other in OTHER_AXES]
    half = max(2, round(PROBE / 2 / volume.voxel_size))
    part = tuple(slice(max(0, m - half), m + half) for m in middle)
    near = np.zeros_like(inside)
    near[part] = inside[part]
    if not near.any():
        near = inside
    box = bounding_box(near)
    reach = ceil(AROUND * spec["voxel_size"] / volume.voxel_size)
    around = tuple(slice(max(0, first - reach), last + reach) for first, last in box)
    shifted = tuple((a - s.start, b - s.start) for (a, b), s in zip(box, around))
    near_by = molecule[around] if molecule[around].any() else None
    prepared = prepare(crop(volume, around), spec, shifted, near_by)
    grid = tile_grid(prepared.shape, spec)
    predicted = predict_tiled(prepared.data, model.predict_on_batch, grid, channels=2)
    values = paste(prepared.volume(predicted[..., 0]), volume, near, box)
    return float(np.median(values.data[near]))


class NetworkPass:
    """A network as what `mean_over` averages.

    spec : of the bundle
    loading : of the network and its device, as `load_network` gives both
    timer : where times are noted;  batch_size : tiles predicted at a time

    Attributes
    ----------
    steps : that the network has read, of all looks
    grid_voxel_size : Å, of the grid that the map was brought to
    """

    def __init__(
        self, spec: Mapping[str, Any], loading: Future, timer: Timer, batch_size: int
    ) -> None:
        self.spec, self.loading, self.timer = spec, loading, timer
        self.batch_size = batch_size
        self.steps, self.grid_voxel_size = 0, 0.0

    def __call__(
        self, this: Pass, volume: Volume, inside: np.ndarray, molecule: np.ndarray
    ) -> list[np.ndarray]:
        """Resolution and standard deviation, ndarrays, shape (z, y, x), Å, 0 outside the mask.

        volume : density;  inside, molecule : ndarrays of its shape, bool, as `prepare` takes them
        """
        box = bounding_box(inside)
        with self.timer("prepare"):
            prepared = prepare(volume, self.spec, box, molecule)
        with self.timer("load"):
            model, device = self.loading.result()
        tiles = tile_grid(prepared.shape, self.spec, device)
        with self.timer("predict"), device_scope(device):
            predicted = predict_tiled(
                prepared.data,
                model.predict_on_batch,
                tiles,
                channels=2,
                batch_size=self.batch_size,
                progress=this.progress,
                skip=lambda part: not _any_inside(inside, volume, prepared, part),
            )
        self.steps += tiles.read_voxels
        self.grid_voxel_size = prepared.grid_voxel_size
        with self.timer("finish"):
            values = (prepared.volume(predicted[..., i]) for i in (0, 1))
            return [paste(part, volume, inside, box).data for part in values]

    def first(
        self, this: Pass, volume: Volume, inside: np.ndarray, molecule: np.ndarray
    ) -> list[np.ndarray]:
        """Median resolution of the molecule's middle (`probe_resolution`), ndarray (1,), Å."""
        with self.timer("load"):
            model, device = self.loading.result()
        with self.timer("probe"), device_scope(device):
            return [np.array([probe_resolution(volume, inside, molecule, self.spec, model)])]


def _any_inside(inside: np.ndarray, volume: Volume, prepared: Prepared, part: tuple) -> bool:
    """Whether a part of the network's grid touches the mask, or a voxel interpolated for it."""
    box = []
    for axis, s in enumerate(part):
        shift = prepared.origin[2 - axis] - volume.origin[2 - axis]
        first = (shift + (s.start - 1) * prepared.voxel_size) / volume.voxel_size
        last = (shift + s.stop * prepared.voxel_size) / volume.voxel_size
        box.append(slice(max(0, floor(first)), max(0, ceil(last) + 1)))
    return bool(inside[tuple(box)].any())
