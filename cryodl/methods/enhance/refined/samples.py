"""Samples for the training of what a network adds to a filtered map: experiments from particles,
filtered once as half maps and once as one deposited map, kept on disk, of which crops are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import finest_possible
from cryodl.checks.quiet import molecule_within, quiet_rim
from cryodl.errors import InputError
from cryodl.features.local_spectrum import space_to_depth
from cryodl.half_maps.fsc import mask_of_halves
from cryodl.maps.crop import box_around
from cryodl.maps.resample import resample
from cryodl.maps.rotations import Rotation
from cryodl.methods.enhance.linear import Linear, filter_half_maps, filter_map
from cryodl.methods.enhance.refined.correct import (
    COARSEST,
    VOXELS_PER_RESOLUTION,
    features,
    on_network_grid,
)
from cryodl.resolution_maps.local_filter import low_pass
from cryodl.simulation.deposition import deposit
from cryodl.simulation.reconstruction_set import StoredReconstruction
from cryodl.training.reconstructions import read_source

LONGEST = 200.0  # Å of a box: larger ones take a minute to filter
LARGEST = 160  # voxels of the network's grid that are kept along an axis
STRIDE = 64  # of the voxels about which crops are taken
MARGIN = 8  # voxels around the molecule
NAMES = "full", "noise", "mask", "target"


# One map as people deposit it, on the grid of its reconstruction.
KEPT = {
    "grid": "kept", "cropped": 0.0, "padded": 0.0, "thresholded": 0.0, "other_hand": 0.0,
    "stored": "float32",
}  # fmt: skip
ONE_MAP = ".one"  # end of the name of what is kept of one
MISJUDGED = 0.12  # standard deviation of the logarithm of a resolution that a network finds


def prepare(stored: StoredReconstruction, folder: Path) -> list[Path]:
    """Filter an experiment, as half maps and as one map, and keep what is needed of it.

    Returns the paths of what samples can come of.
    """
    ways = {"": _of_halves, ONE_MAP: _of_one_map}
    paths = {folder / f"{stored.folder.name}{ending}.npz": way for ending, way in ways.items()}
    for path, way in paths.items():
        found = None if path.is_file() else way(stored)
        if found is not None:
            _keep(found, stored, path)
    return [path for path in paths if path.is_file()]


def is_one_map(path: Path) -> bool:
    """Whether what `prepare` kept is one map's."""
    return path.stem.endswith(ONE_MAP)


def _of_halves(stored: StoredReconstruction) -> Linear | None:
    half1, half2 = (stored.volume(name) for name in ("half1", "half2"))
    try:
        return filter_half_maps(half1, half2, mask_of_halves(half1, half2))
    except InputError:  # no signal in common
        return None


def _of_one_map(stored: StoredReconstruction) -> Linear | None:
    """A map as someone deposits it, filtered as if a network had judged its resolution."""
    seed = int(stored.info["seed"])
    made = deposit(read_source(stored), KEPT, seed)
    volume = made.map
    inside = molecule_within(volume, quiet_rim(volume))
    if not inside.any():
        return None
    judged = max(float(stored.info["resolution"]), made.finest)
    judged *= float(np.exp(MISJUDGED * np.random.default_rng(seed).standard_normal()))
    judged = max(judged, finest_possible(volume))
    return filter_map(volume, inside, judged) if judged <= COARSEST else None


def _keep(found: Linear, stored: StoredReconstruction, path: Path) -> None:
    full, noise, mask = on_network_grid(found)
    model, inside = stored.volume("model"), stored.volume("mask").data > 0.5
    target = low_pass(model, found.resolution)
    unit = np.float32(1 / max(float(np.sqrt(np.mean(np.square(target.data[inside])))), 1e-30))
    target = resample(target, found.resolution / VOXELS_PER_RESOLUTION)
    if target.shape != full.shape or not (mask.data > 0.5).any():
        return
    part = box_around(mask.data > 0.01, MARGIN, LARGEST)
    grids = full.data, noise.data, mask.data, target.data * unit
    arrays = {name: data[part].astype(np.float16) for name, data in zip(NAMES, grids)}
    np.savez(path.with_suffix(".part.npz"), resolution=found.resolution, **arrays)
    path.with_suffix(".part.npz").rename(path)


def samples(path: Path, rng: np.random.Generator, config: dict[str, Any]):
    """Crops of an experiment, each in one of 48 orientations: [(x, y)], on the half grid."""
    with np.load(path) as kept:
        maps = [kept[name].astype(np.float32) for name in NAMES]
        resolution = float(kept["resolution"])
    size = config["crop"]
    short = [(0, max(0, size - n)) for n in maps[0].shape]
    maps = [np.pad(data, short) for data in maps]
    inside = np.argwhere(maps[2] > 0.5)[::STRIDE]
    made = []
    for _ in range(config["crops"]):
        middle = inside[rng.integers(len(inside))] + rng.integers(-size // 4, size // 4 + 1, 3)
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
        found += prepare(stored, folder)
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
