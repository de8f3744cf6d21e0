"""Local classes of a map: read, predicted, calibrated, summed up; and the bundle for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import finest_possible, finest_stats, finest_warning
from cryodl.checks.input import check_map
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
