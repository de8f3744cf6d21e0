"""Samples for the network of local classes: maps beside the local resolution someone gave them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..maps.features import CHANNELS, band_powers, space_to_depth
from ..maps.mrc_io import read_map
from ..maps.normalise import block_mean, local_normalise
from ..maps.resample import resample, resample_to
from ..maps.resolution_map import read_resolution
from ..maps.volume import Volume
from ..networks.configs import LOCAL_CLASSES
from ..simulate.experiment_set import StoredExperiment, open_experiment_set
from .resolution_class import experiment_maps

TRAINING: dict[str, Any] = {
    "voxel_size": 1.0,
    "network": LOCAL_CLASSES,
    "crop": 48,  # voxels
    "batch": 8,
    "at_once": 6,  # crops from one map
    "coarse": 0.0,  # of experiments as from coarser voxels: the labels are those of finer ones
    "window": 112,  # voxels, of which a large map is described in training
    "label_width": 0.6,  # bins, of the soft label
    "learning_rate": 7e-4,
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
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the table {table}: {error}") from None
    names = lines[0].split("\t") if lines else []
    if "map" not in names or "resolution" not in names:
        raise InputError(
            f"the table {table} has the columns {', '.join(names) or 'none'}: it needs map and "
            "resolution, separated by tabs"
        )
    pairs = []
    for line in lines[1:]:
        if line.strip():
            row = dict(zip(names, line.split("\t")))
            files = [table.parent / row.get(name, "") for name in ("map", "resolution")]
            for file in files:
                if not file.is_file():
                    raise InputError(f"the table {table} names '{file}', which is no file")
            pairs.append(Pair(*files))
    if not pairs:
        raise InputError(f"the table {table} holds no pair")
    return pairs


def load_item(item: Pair | Labelled, config, rng) -> tuple[np.ndarray, np.ndarray]:
    """A map on the network's grid and its local resolution: two ndarrays (z, y, x); Å, 0 unknown.

    Of an experiment one of several maps is drawn, as deposited or sharpened and filtered anew: the
    label, which comes of the half maps, is that of all of them.
    """
    if isinstance(item, Labelled):
        data, _ = experiment_maps(item.experiment, config, rng)[0]
        return data, item.experiment.load(item.label)
    volume = read_map(item.map)
    # Some packages write voxels of 1 Å whatever they are; only the shape is theirs to tell.
    known = read_resolution(read_map(item.resolution, volume.voxel_size), name=str(item.resolution))
    if known.resolution.shape != volume.shape:
        raise InputError(
            f"{item.resolution} has {known.resolution.shape} voxels and {item.map} "
            f"{volume.shape}: give the local resolution of this map"
        )
    grid = resample(volume, config["voxel_size"])
    if grid is volume:
        return volume.data, known.resolution.data
    resolution, inside = (
        resample_to(Volume(values, volume.voxel_size, volume.origin), grid).data
        for values in (known.resolution.data, known.mask.astype(np.float32))
    )
    return grid.data, np.where(inside > 0.99, resolution / np.maximum(inside, 1e-6), 0)


def make_samples(config, item, rng, *, crops=None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops of one item, as `SampleStream` wants them.

    x : ndarray (c/2, c/2, c/2, CHANNELS), float16;  y : ndarray (c/2, c/2, c/2, 2), label in Å and
    its weight: the share of the block where it is known
    """
    data, resolution = _window(*load_item(item, config, rng), config["window"], rng)
    crop = config["crop"]
    missing = [(0, max(crop - n, -n % 4)) for n in data.shape]
    density = np.pad(local_normalise(data), missing)
    label = block_label(np.pad(resolution, missing), config["network"])
    bands = band_powers(density, threads=1)
    near = np.argwhere(label[..., 1] > 0.5)
    samples = []
    for _ in range((crops or config["at_once"]) if len(near) else 0):
        centre = 2 * near[rng.integers(len(near))] + rng.integers(-crop // 4, crop // 4 + 1, 3)
        start = np.clip(centre - crop // 2, 0, np.array(density.shape) - crop) // 2 * 2
        fine = tuple(slice(s, s + crop) for s in start)
        half = tuple(slice(s // 2, (s + crop) // 2) for s in start)
        order = tuple(rng.permutation(3))
        flips = tuple(slice(None, None, int(step)) for step in rng.choice([-1, 1], 3))
        x = np.empty((*(crop // 2,) * 3, CHANNELS), np.float16)
        # The voxels of a block are channels, so the density turns before it becomes features.
        x[..., :8] = space_to_depth(density[fine].transpose(order)[flips])
        x[..., 8:] = bands[half].transpose((*order, 3))[flips]
        samples.append((x, label[half].transpose((*order, 3))[flips].astype(np.float16)))
    return samples


def block_label(resolution: np.ndarray, network) -> np.ndarray:
    """Label of blocks of 2³ voxels: mean of the known resolutions (Å), and their share."""
    known = (resolution > 0).astype(np.float32)
    share = block_mean(known, 2)
    mean = block_mean(resolution * known, 2) / np.maximum(share, 1e-6)
    mean = np.clip(mean, network["bins_from"], network["bins_to"])
    return np.stack([mean, share], axis=-1)


def _window(data, resolution, size, rng):
    """A part of a large map, to be quick."""
    known = np.argwhere(resolution[::4, ::4, ::4] > 0)
    if max(data.shape) <= size or not len(known):
        return data, resolution
    centre = 4 * known[rng.integers(len(known))]
    part = tuple(
        slice(s, s + size)
        for s in (
            int(np.clip(c - size // 2, 0, max(0, n - size))) // 4 * 4
            for c, n in zip(centre, data.shape)
        )
    )
    return data[part], resolution[part]


def validation_samples(config, items, seed):
    """Crops of every item in turn, evenly; (x, y), float32."""
    rng = np.random.default_rng(seed)
    samples: list = []
    each = max(1, -(-config["validation"] // len(items)))
    for item in items[:: max(1, len(items) // config["validation"])]:
        samples += make_samples(config, item, rng, crops=each)
        if len(samples) >= config["validation"]:
            break
    x, y = zip(*samples)
    return np.stack(x).astype(np.float32), np.stack(y).astype(np.float32)
