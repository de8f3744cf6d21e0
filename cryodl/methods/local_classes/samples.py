"""Samples for the training of local classes: labels of experiments, from their half maps, or of a
user's maps; settings; crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError, counted
from cryodl.features.context import context_features, crop_to_molecule, pad_to_stride
from cryodl.files.reading import is_file, read_rows
from cryodl.half_maps.monogenic import monogenic_resolution
from cryodl.half_maps.pair import half_difference, half_sum
from cryodl.half_maps.sinusoid import sinusoid_resolution
from cryodl.maps.crop import crop
from cryodl.maps.inputs import input_map, input_volume
from cryodl.maps.mask import resample_keeping_mask
from cryodl.maps.normalise import block_mean
from cryodl.maps.resample import resample_to
from cryodl.maps.volume import Volume
from cryodl.networks.configs import LOCAL_CLASSES
from cryodl.resolution_maps.resolution_map import read_resolution
from cryodl.simulation.experiment_set import StoredExperiment, open_experiment_set
from cryodl.training.augment import draw_input, random_crop

ESTIMATORS: dict[str, Callable[..., tuple[np.ndarray, float]]] = {
    "monogenic": monogenic_resolution,
    "sinusoid": sinusoid_resolution,
}


def add_labels(
    experiments: Sequence[StoredExperiment], label: str, count: int
) -> Iterator[StoredExperiment]:
    """Add an estimator's local resolution to experiments until so many have it, spread evenly.

    experiments : of a set;  label : "monogenic" or "sinusoid";  count : that are to have it
    Yields each experiment as it gets its label.
    """
    missing = count - sum(experiment.has(label) for experiment in experiments)
    without = [experiment for experiment in experiments if not experiment.has(label)]
    step = max(1, len(without) // max(missing, 1))
    for experiment in without[::step][: max(missing, 0)]:
        voxel = experiment.info["voxel_size"]
        halves = [Volume(experiment.load(name), voxel) for name in ("half1", "half2")]
        inside = experiment.load("mask") > 0
        values, _ = ESTIMATORS[label](half_sum(*halves), inside, half_difference(*halves))
        experiment.add(label, values)
        yield experiment


TRAINING: dict[str, Any] = {
    "voxel_size": 1.0,
    "network": LOCAL_CLASSES,
    "crop": 64,  # voxels
    "crops": 2,  # of every map made: few, for those of one map are alike
    "buffer": 400,  # crops among which batches are drawn
    "reuse": 1.5,  # times that each is drawn
    "batch": 4,
    "border": 3,  # steps of a crop's border, beyond which the net sees too little to learn from
    "solvent": 0.0,  # share of crops taken anywhere
    "label_width": 0.6,  # bins, of the soft label
    "learning_rate": 2e-4,
    "warm_up": 100,
    "epoch": 100,
    "patience": 40,
    "monitor": "val_error",
    "validation": 48,  # crops
}


@dataclass(frozen=True)
class Pair:
    """A map and its local resolution, files of the user's."""

    map: Path
    resolution: Path


@dataclass(frozen=True)
class Labelled:
    """An experiment of a set, and which estimator's local resolution is its label."""

    experiment: StoredExperiment
    label: str


def labelled_experiments(folder: str | Path, label: str) -> list[Labelled]:
    """The experiments of a set that hold a label ("monogenic", "sinusoid").

    Raises InputError where none does.
    """
    every = open_experiment_set(folder)
    found = [Labelled(experiment, label) for experiment in every if experiment.has(label)]
    if not found:
        raise InputError(
            f"no experiment of '{folder}' holds {label} labels: have so many made with "
            "--label-first N"
        )
    return found


def read_pairs(table: str | Path) -> list[Pair]:
    """Pairs of a tab-separated table with the columns map and resolution.

    Paths are as seen from the table's folder. Raises InputError for a table without them, or a
    file that is missing.
    """
    table = Path(table)
    pairs = []
    for row in read_rows(table, "map", "resolution"):
        files = [table.parent / row[name] for name in ("map", "resolution")]
        for file in files:
            if not is_file(file):
                raise InputError(f"the table {table} names '{file}', which is no file")
        pairs.append(Pair(*files))
    if not pairs:
        raise InputError(f"the table {table} holds no pair")
    return pairs


def load_item(item: Pair | Labelled, config, rng) -> tuple[np.ndarray, np.ndarray]:
    """A map on the network's grid and its local resolution: two ndarrays (z, y, x); Å, 0 unknown.

    Of an experiment one of several maps is drawn, as deposited or sharpened, filtered and cut out
    anew: the label, which comes of the half maps, is that of all of them.
    """
    if isinstance(item, Labelled):
        data, _ = draw_input(item.experiment, rng)
        return data, item.experiment.load(item.label) * (data != 0)
    volume = input_map(item.map, None)
    # Some packages write voxels of 1 Å whatever they are; only the shape is theirs to tell.
    found = input_volume(item.resolution, volume.voxel_size)
    known = read_resolution(found, name=str(item.resolution))
    if known.resolution.shape != volume.shape:
        raise InputError(
            f"{item.resolution} has {known.resolution.shape} voxels and {item.map} "
            f"{volume.shape}: give the local resolution of this map"
        )
    part = crop_to_molecule(volume, known.mask)  # as in use, and to be quick
    volume, resolution, inside = crop(volume, part), known.resolution.data[part], known.mask[part]
    grid = resample_keeping_mask(volume, config["voxel_size"])
    if grid is volume:
        return volume.data, resolution
    resolution, share = (
        resample_to(volume.with_data(values), grid).data
        for values in (resolution, inside.astype(np.float32))
    )
    return grid.data, np.where(share > 0.99, resolution / np.maximum(share, 1e-6), 0)


def whole_sample(item: Pair | Labelled, config, rng):
    """Features and labels of a whole map: what `context_features` gives, and `block_label`'s."""
    data, resolution = pad_to_stride(*load_item(item, config, rng))
    features = context_features(data, config["voxel_size"])
    return *features, block_label(resolution, config["network"])


def make_samples(config, item, rng, *, crops=None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops of one item, as `SampleStream` wants them.

    x : ndarray (c/2, c/2, c/2, CONTEXT_CHANNELS), float16;  y : ndarray (c/2, c/2, c/2, 2), label
    in Å and its weight: the share of the block where it is known
    """
    made = whole_sample(item, config, rng)
    if not made[-1][..., 1].any():
        return []
    flattened, bands, extra, label = made
    count = crops or config["crops"]
    return [random_crop(flattened, bands, extra, label, config, rng) for _ in range(count)]


def block_label(resolution: np.ndarray, network) -> np.ndarray:
    """Label of blocks of 2³ voxels: mean of the known resolutions (Å), and their share."""
    known = (resolution > 0).astype(np.float32)
    share = block_mean(known, 2)
    mean = block_mean(resolution * known, 2) / np.maximum(share, 1e-6)
    mean = np.clip(mean, network["bins_from"], network["bins_to"])
    return np.stack([mean, share], axis=-1)


def validation_samples(config, items, seed):
    """Crops of every item in turn, evenly; (x, y), float32.

    Raises InputError where no label of any is known.
    """
    rng = np.random.default_rng(seed)
    samples: list = []
    each = max(1, -(-config["validation"] // len(items)))
    for item in items[:: max(1, len(items) // config["validation"])]:
        samples += make_samples(config, item, rng, crops=each)
        if len(samples) >= config["validation"]:
            break
    if not samples:
        raise InputError(
            f"the local resolution is known nowhere in the {counted(len(items), 'map')} held out "
            "to validate on: give others, with values above 0 Å inside the molecule"
        )
    x, y = zip(*samples)
    return np.stack(x).astype(np.float32), np.stack(y).astype(np.float32)
