"""Local classes of a map: prepare, predict, bring back to the map's grid."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ...bundles import Bundle
from ...device import device_scope, load_network
from ...errors import SettingError
from ...maps.check import check_map
from ...maps.finest import finest_possible, finest_stats, finest_warning
from ...maps.given import given_map, given_mask, mask_origin
from ...maps.mask import automatic_mask
from ...maps.parts import bounding_box, cut
from ...maps.quiet import filled, quiet_rim, within_rim
from ...maps.resample import resample_to
from ...maps.result import Result
from ...maps.rough import rough_molecule
from ...maps.stats import resolution_stats
from ...maps.volume import Volume
from ...maps.whole_input import prepare_whole
from ...tiles import predict_tiled
from ...whole_map_plan import plan, tile_grid
from .config import choose_bundle


def run_local_classes(
    volume: Volume | str | Path,
    bundle: Bundle | str | Path = "unet-monores",
    *,
    mask: Volume | np.ndarray | str | Path | None = None,
    probabilities: bool = False,
    claimed: float | None = None,
    voxel_size: float | None = None,
    batch_size: int = 1,
    device: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Result:
    """Put every voxel of a molecule into one of ten classes of resolution.

    Parameters
    ----------
    volume : density, or the path of a map
    bundle : Bundle, name ("unet-monores", "unet-resmap") or folder
    mask : on the map's grid, above 0.5 where classes are wanted, or a function that finds it; None
        takes that of a rule
    probabilities : give the probability of every class as well
    claimed : resolution claimed for the map, Å, noted in the statistics
    voxel_size : Å, where the header of the file is wrong
    batch_size : tiles predicted at a time
    device : "auto", "cpu" or "gpu"
    progress, notify : called with (stage, done, total), and with each line worth telling

    Returns
    -------
    Result : .volumes "classes" (1 for below 2 Å, 2 for 2-3 Å ... 10 for 10 Å and above; 0 outside
        the mask), "resolution" (expected, Å), "mask", and on request "class_1" ... "class_10"

    Raises
    ------
    InputError, BundleError, SettingError : one line with what was received and what to do
    """
    tell, show = notify or (lambda line: None), progress or (lambda *stage: None)
    clock, seconds = time.perf_counter(), {}
    if not 1 <= batch_size <= 1024:
        raise SettingError(f"batch size {batch_size} is not between 1 and 1024")
    if claimed is not None and not 0.5 <= claimed <= 100:
        raise SettingError(f"claimed resolution {claimed} is not between 0.5 and 100 Å")
    volume = given_map(volume, voxel_size)
    bundle = choose_bundle(bundle)
    spec = bundle.spec
    inside, notes = given_mask(mask, volume)
    # The library takes seconds to import, during which the map is made ready.
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_network, bundle, device)
        # Not the mask, which may be of a part: what is beyond it would be taken for solvent.
        rim = quiet_rim(volume)
        given, volume = volume, filled(volume, rim)
        notes += [rim.sentence] if rim else []
        molecule = rough_molecule(volume)
        if inside is None:
            inside = within_rim(automatic_mask(volume), rim)
        notes += check_map(given, inside, molecule)
        finest = finest_possible(given)
        notes += filter(None, [finest_warning(volume, finest)])
        if 2 * volume.voxel_size > 10:
            notes.append(
                f"the voxel size of {volume.voxel_size:g} Å holds nothing better than "
                f"{2 * volume.voxel_size:.1f} Å: all classes but the last mean nothing"
            )
        for note in notes:
            tell(f"warning: {note}")
        box = bounding_box(inside)
        prepared = prepare_whole(volume, spec["voxel_size"], molecule, inside)
        seconds["prepare"] = round(time.perf_counter() - clock, 3)
        tell(plan(volume, prepared, spec))
        model, device = loading.result()
    grid = tile_grid(prepared, spec, device)
    clock = time.perf_counter()
    with device_scope(device):
        answer = predict_tiled(
            prepared.data, model.predict_on_batch, grid,
            channels=int(model.output_shape[-1]), batch_size=batch_size,
            progress=lambda done, total: show("predict", done, total),
        )  # fmt: skip
    seconds["predict"] = round(time.perf_counter() - clock, 3)
    clock = time.perf_counter()
    answer = calibrated(answer, spec["calibration"])
    answer = possible(answer, spec["network"].get("edges", ()), finest)
    count = answer.shape[-1] - 1
    place = tuple(slice(first, last) for first, last in box)
    like, within = cut(volume, place), inside[place]

    def on_the_map(values: np.ndarray, everywhere: bool) -> np.ndarray:
        part = resample_to(prepared.volume(values), like).data * within
        if not everywhere:
            return part
        whole = np.zeros(volume.shape, np.float32)
        whole[place] = part
        return whole

    volumes: dict[str, Volume] = {}
    best, classes = np.zeros(like.shape, np.float32), np.zeros(volume.shape, np.float32)
    for i in range(count):
        if probabilities:
            whole = on_the_map(answer[..., i], True)
            volumes[f"class_{i + 1}"] = volume.with_data(whole)
            own = whole[place]
        elif answer[..., i].max() < 1 / count:  # nowhere the likeliest
            continue
        else:
            own = on_the_map(answer[..., i], False)
        classes[place][own > best] = i + 1
        np.maximum(best, own, out=best)
    resolution = volume.with_data(on_the_map(answer[..., count], True))
    volumes = {
        "classes": volume.with_data(classes),
        "resolution": resolution,
        "mask": volume.with_data(inside),
        **volumes,
    }
    stats = {
        **resolution_stats(resolution.data[inside]),
        **finest_stats(volume, finest),
        "classes": class_counts(classes[inside], count),
        "class_edges": list(spec["network"].get("edges", ())),
        "probability_median": round(float(np.median(best[within])), 4),
        "voxel_size": volume.voxel_size,
        "voxel_size_given": voxel_size is not None,
        "grid_voxel_size": prepared.grid.voxel_size,
        "method": spec["method"],
        "labels": spec.get("labels"),
        "bundle": spec["name"],
        "bundle_sha256": bundle.sha256,
        "claimed": claimed,
        "mask": mask_origin(mask),
        "device": device,
        "warnings": notes,
        "seconds": {**seconds, "finish": round(time.perf_counter() - clock, 3)},
    }
    return Result(volumes, stats, given)


def calibrated(answer: np.ndarray, calibration) -> np.ndarray:
    """Probabilities softened by the temperature, the last channel (expected Å) as it is."""
    power = 1 / calibration["temperature"]
    if power != 1:
        raised = np.power(np.maximum(answer[..., :-1], 1e-9), power)
        answer[..., :-1] = raised / raised.sum(axis=-1, keepdims=True)
    return answer


def possible(answer: np.ndarray, edges, finest: float) -> np.ndarray:
    """Probabilities of classes finer than a map holds, given to the first that it can hold.

    answer : ndarray (..., classes + 1), the last channel the expected resolution in Å
    edges : Å, between the classes;  finest : Å, as `finest_possible` gives it
    """
    first = int(np.searchsorted(edges, finest, side="right"))
    answer[..., first] += answer[..., :first].sum(axis=-1)
    answer[..., :first] = 0
    np.maximum(answer[..., -1], np.float32(finest), out=answer[..., -1])
    return answer


def class_counts(classes: np.ndarray, count: int = 10) -> list[int]:
    """Voxels in each class from 1 on."""
    return [int(n) for n in np.bincount(classes.astype(int), minlength=count + 1)[1:]]
