"""What a bundle must say to be used for local classes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import finest_possible, finest_stats, finest_warning
from cryodl.checks.input import check_map
from cryodl.checks.quiet import filled, quiet_rim, within_rim
from cryodl.compute.device import load_network, precision_on
from cryodl.features.context import CONTEXT_CHANNELS
from cryodl.maps.crop import bounding_box
from cryodl.maps.inputs import input_map, input_mask, mask_source
from cryodl.maps.mask import automatic_mask, coarse_mask
from cryodl.maps.result import Result
from cryodl.maps.rotations import agreed, mean_over, rotations
from cryodl.maps.volume import Volume
from cryodl.methods.cost import Timer
from cryodl.methods.local_classes.options import OPTIONS
from cryodl.methods.local_classes.passes import NetworkPass
from cryodl.methods.options import declared
from cryodl.networks.architectures import TEXT, optional
from cryodl.networks.bundle import Bundle
from cryodl.networks.method_bundle import TEMPERATURE, bundle_for, check_tiles
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
def estimate_local_classes(
    volume: Volume | str | Path,
    bundle: Bundle | str | Path = "unet-monores",
    *,
    mask: Volume | np.ndarray | Callable | str | Path | None = None,
    probabilities: bool = False,
    claimed: float | None = None,
    voxel_size: float | None = None,
    thorough: bool = False,
    batch_size: int = 1,
    device: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Result:
    """Put every voxel of a molecule into one of ten classes of resolution; write nothing.

    mask : Volume, array, path or a function that finds one in a Volume; None finds one by a rule
    Others, and what is returned, as in `run_local_classes`.
    """
    tell, show = notify or (lambda line: None), progress or (lambda *stage: None)
    timer, chosen = Timer(), rotations(thorough)
    volume = input_map(volume, voxel_size)
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
            notes.append(
                f"the voxel size of {volume.voxel_size:g} Å holds nothing better than "
                f"{2 * volume.voxel_size:.1f} Å: all classes but the last mean nothing"
            )
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
