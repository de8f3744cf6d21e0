"""Inputs and targets from experiments from particles: deposited anew each time, prepared as in use.

A set keeps the reconstructions; what people do to them before they deposit is drawn for every
sample, so that no two are alike.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from cryodl.errors import InputError
from cryodl.features.context import (
    context_features,
    crop_to_molecule,
    half_grid_origin,
    on_grid,
)
from cryodl.maps.mask import coarse_mask
from cryodl.maps.volume import Volume
from cryodl.networks.architectures import is_backbone
from cryodl.simulation.deposition import Deposited, Source, deposit
from cryodl.simulation.experiment_set import open_experiment_set
from cryodl.simulation.reconstruction_set import StoredReconstruction, open_reconstructions
from cryodl.training.augment import rough_mask

LONGEST = 200.0  # Å of a map that are read at a time: training needs no whole ribosome
TRIES = 4  # depositions drawn until one shows enough of the molecule
LEAST = 200  # its voxels
# A reconstruction as refinement programs write it, and little done to it: what most users have.
PLAIN = {
    "grid": "kept", "cropped": 0.0, "padded": 0.0, "thresholded": 0.0, "negative_to_zero": 0.0,
    "filtered_last": 0.0, "stored": "float32",
}  # fmt: skip
PLAIN_FILTERS = "none", "relion", "relion", "cryosparc", "sharpened"
PLAIN_MASKS = "none", "none", "rim", "soft"
# Large voxels of maps of any resolution: drawn by the reconstruction's own voxel size alone, they
# mean a poor map, and that is what a network then reads in them.
COARSE_GRIDS = "fourier", "linear", "cubic"
COARSE = 0.35, 1.1  # two voxels, of the resolution
LONGEST_BOX = 300.0  # Å of a reconstruction: longer ones take a minute to read


def training_experiments(folder) -> list:
    """Experiments to train on: reconstructions of boxes that are not too long, or, of a set of
    kind density, StoredExperiments.

    Raises InputError where there is none.
    """
    try:
        found = open_reconstructions(folder)
    except InputError:
        return open_experiment_set(folder)
    short = [stored for stored in found if stored.length <= LONGEST_BOX]
    if not short:
        raise InputError(f"every box in '{folder}' is longer than {LONGEST_BOX:g} Å: make others")
    return short


def read_source(stored: StoredReconstruction) -> Source:
    """A stored reconstruction, ready to deposit."""
    maps = {name: stored.volume(name) for name in ("half1", "half2", "signal", "model", "mask")}
    mask = maps["mask"].data > 0.5
    belt = stored.volume("belt").data > 0.5 if stored.has("belt") else np.zeros_like(mask)
    return Source.of(
        SimpleNamespace(
            **{name: maps[name].data for name in ("half1", "half2", "signal", "model")},
            mask=mask,
            belt=belt,
            voxel_size=maps["half1"].voxel_size,
            resolution=float(stored.info["resolution"]),
        )
    )


def deposited(source: Source, rng, plain: float = 0.0, coarse: float = 0.0) -> Deposited:
    """A deposition that shows some of the molecule.

    plain : share of maps as refinement programs write them, whole and on their own grid
    coarse : share, of these too, on a grid whose voxels are large for their resolution
    """
    config: dict = {}
    if plain and rng.random() < plain:
        kinds = {"filter": PLAIN_FILTERS, "mask": PLAIN_MASKS}
        config = {**PLAIN, **{key: str(rng.choice(names)) for key, names in kinds.items()}}
    if coarse and rng.random() < coarse:
        voxels = rng.uniform(*COARSE) * source.resolution / 2 / source.voxel_size
        config["grid"] = str(rng.choice(COARSE_GRIDS))
        config["voxels"] = float(np.clip(voxels, 0.1, 10))
    for _ in range(TRIES):
        made = deposit(source, config, int(rng.integers(2**31)))
        if np.count_nonzero(made.snr.data) >= LEAST:
            return made
    return deposit(source, {"mask": "none", "grid": "kept", "cropped": 0}, 0)


def reconstruction_sample(source: Source, rng, config):
    """Features and targets of a reconstruction as someone deposits it.

    config : see `cryores.samples.TRAINING`
    Returns (flattened, bands, extra, target), as `cryores.samples.whole_sample`.
    """
    made = deposited(source, rng, config.get("plain", 0.0), config.get("coarse", 0.0))
    volume, inside = made.map, made.snr.data > 0
    # In use the first pass has the mask of a simple rule, which at times is wrong, and a second
    # pass the network's own.
    own = rough_mask(inside, rng) if rng.random() < config["second_look"] else None
    rough = coarse_mask(volume) if own is None or not own.any() else own
    part = _shortened(crop_to_molecule(volume, rough), inside, volume.voxel_size, rng)
    grid, rough = on_grid(volume, rough, part, config["voxel_size"])
    network = config["network"]
    from_voxel = volume.voxel_size if is_backbone(network) else None
    features = context_features(grid.data, grid.voxel_size, rough, map_voxel_size=from_voxel)
    empty = np.zeros([n // 2 for n in grid.shape], np.float32)
    half = Volume(empty, 2 * grid.voxel_size, half_grid_origin(grid))
    whole = max(source.resolution, made.finest)
    return *features, half_grid_truth(made, half, whole, network["bins_from"], network["bins_to"])


def half_grid_truth(made: Deposited, half: Volume, whole: float, finest: float, coarsest: float):
    """Targets on the half grid, shape (z, y, x, TARGETS), float32; see `cryores.samples`.

    half : Volume of the grid wanted;  whole : Å, of the whole map
    finest, coarsest : Å, between which resolutions are reported
    """
    from scipy import ndimage

    inside = made.snr.data > 0
    sums, aspect_sums = (
        _weighted(truth.with_data(np.clip(truth.data, finest, coarsest) * inside), half)
        for truth in (made.snr, made.aspect)
    )
    shares = _weighted(made.snr.with_data(inside.astype(np.float32)), half)
    whole = float(np.clip(whole, finest, coarsest))
    resolution, aspect = (
        np.divide(total, shares, where=shares > 0.05, out=np.full(half.shape, whole))
        for total in (sums, aspect_sums)
    )
    molecule = ndimage.binary_closing(np.pad(shares > 0.5, 2))[(slice(2, -2),) * 3]
    molecule = np.maximum(shares, ndimage.binary_fill_holes(molecule))
    known = (shares > 0.5).astype(np.float32)
    everywhere = np.full(half.shape, whole)
    return np.stack([resolution, known, molecule, everywhere, aspect], axis=-1).astype(np.float32)


def _weighted(volume: Volume, half: Volume) -> np.ndarray:
    """Values at the steps of the half grid; averaged first where the map's voxels are finer."""
    from scipy.ndimage import uniform_filter

    from cryodl.maps.resample import resample_to

    size = max(1, int(round(half.voxel_size / volume.voxel_size)))
    data = uniform_filter(volume.data, size, mode="constant") if size > 1 else volume.data
    # the window of an even size lies half a voxel before its place
    back = 0.0 if size % 2 else volume.voxel_size / 2
    x, y, z = (o - back for o in volume.origin)
    return resample_to(Volume(data, volume.voxel_size, (x, y, z)), half).data


def _shortened(part, inside, voxel_size: float, rng):
    """A part of a map, no longer than LONGEST, about a random voxel of the molecule."""
    most = int(LONGEST / voxel_size)
    within = np.argwhere(inside[part])
    if all(s.stop - s.start <= most for s in part) or not len(within):
        return part
    centre = within[rng.integers(len(within))]
    result = []
    for axis, s in enumerate(part):
        length = min(most, s.stop - s.start)
        first = int(np.clip(s.start + centre[axis] - length // 2, s.start, s.stop - length))
        result.append(slice(first, first + length))
    return tuple(result)
