"""Samples for the training of what a network adds to a filtered map: experiments from particles,
filtered once and kept on disk, of which crops are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.features.local_spectrum import space_to_depth
from cryodl.half_maps.fsc import mask_of_halves
from cryodl.maps.crop import box_around
from cryodl.maps.resample import resample
from cryodl.maps.rotations import Rotation
from cryodl.methods.enhance.linear import filter_half_maps
from cryodl.methods.enhance.refined.correct import VOXELS_PER_RESOLUTION, features, on_network_grid
from cryodl.resolution_maps.local_filter import low_pass
from cryodl.simulation.reconstruction_set import StoredReconstruction

LONGEST = 200.0  # Å of a box: larger ones take a minute to filter
LARGEST = 160  # voxels of the network's grid that are kept along an axis
MARGIN = 8  # voxels around the molecule
NAMES = "full", "noise", "mask", "target"


def prepare(stored: StoredReconstruction, folder: Path) -> Path | None:
    """Filter an experiment, and keep what is needed of it; None where no sample can come of it."""
    path = folder / f"{stored.folder.name}.npz"
    if path.is_file():
        return path
    half1, half2 = (stored.volume(name) for name in ("half1", "half2"))
    try:
        found = filter_half_maps(half1, half2, mask_of_halves(half1, half2))
    except InputError:  # no signal in common
        return None
    full, noise, mask = on_network_grid(found)
    model, inside = stored.volume("model"), stored.volume("mask").data > 0.5
    target = low_pass(model, found.resolution)
    unit = np.float32(1 / max(float(np.sqrt(np.mean(np.square(target.data[inside])))), 1e-30))
    target = resample(target, found.resolution / VOXELS_PER_RESOLUTION)
    if target.shape != full.shape or not (mask.data > 0.5).any():
        return None
    part = box_around(mask.data > 0.01, MARGIN, LARGEST)
    grids = full.data, noise.data, mask.data, target.data * unit
    arrays = {name: data[part].astype(np.float16) for name, data in zip(NAMES, grids)}
    np.savez(path.with_suffix(".part.npz"), resolution=found.resolution, **arrays)
    path.with_suffix(".part.npz").rename(path)
    return path


def samples(path: Path, rng: np.random.Generator, config: dict[str, Any]):
    """Crops of an experiment, each in one of 48 orientations: [(x, y)], on the half grid."""
    with np.load(path) as kept:
        maps = [kept[name].astype(np.float32) for name in NAMES]
        resolution = float(kept["resolution"])
    size = config["crop"]
    short = [(0, max(0, size - n)) for n in maps[0].shape]
    maps = [np.pad(data, short) for data in maps]
    inside = np.argwhere(maps[2][::4, ::4, ::4] > 0.5)
    made = []
    for _ in range(config["crops"]):
        middle = 4 * inside[rng.integers(len(inside))] + rng.integers(-size // 4, size // 4 + 1, 3)
        start = [int(np.clip(m - size // 2, 0, n - size)) for m, n in zip(middle, maps[0].shape)]
        turn = Rotation.draw(rng).turn
        part = tuple(slice(s, s + size) for s in start)
        cut = [np.ascontiguousarray(turn(data[part])) for data in maps]
        x = features(cut[:3], resolution)
        wanted = cut[2], cut[3] - cut[0]
        y = np.concatenate([space_to_depth(c) for c in wanted], axis=-1)
        made.append((x.astype(np.float16), y.astype(np.float16)))
    return made


def prepare_all(experiments, folder: Path, say) -> list[Path]:
    """What `prepare` keeps of experiments of boxes that are not too long; those of earlier runs
    stay.

    Raises InputError where nothing can be learnt from any.
    """
    folder.mkdir(parents=True, exist_ok=True)
    short = [each for each in experiments if each.length <= LONGEST]
    found = []
    for number, stored in enumerate(short, 1):
        path = prepare(stored, folder)
        found += [] if path is None else [path]
        if number % 200 == 0:
            say(f"filtered {number} of {len(short)}")
    if not found:
        raise InputError(f"no experiment has half maps with signal in a box of {LONGEST:g} Å")
    return found


def validation_crops(paths: list[Path], config: dict[str, Any]):
    """(x, y) of fixed crops, one of every experiment, float32."""
    config = {**config, "crops": 1}
    made = [samples(path, np.random.default_rng([999, i]), config)[0]
            for i, path in enumerate(paths)]  # fmt: skip
    x, y = zip(*made)
    return np.stack(x).astype(np.float32), np.stack(y).astype(np.float32)
