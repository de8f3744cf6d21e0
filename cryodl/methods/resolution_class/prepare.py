"""A map as the classifiers read it: the choice of bundle, the molecule, features and descriptor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.errors import SettingError
from cryodl.features.context import CONTEXT_CHANNELS, context_features, stack
from cryodl.features.local_spectrum import LENGTH, spectral_descriptor
from cryodl.maps.crop import bounding_box, box_around
from cryodl.maps.mask import automatic_mask, resample_with_mask
from cryodl.maps.normalise import block_mean, local_normalise
from cryodl.maps.volume import Volume
from cryodl.networks.bundle import Bundle
from cryodl.networks.method_bundle import INTERVAL, TEMPERATURE, bundle_for, check_tiles

METHOD = "resolution-class"
MODELS = {"cnn": "class-cnn", "dnn": "class-dnn"}
REQUIRED = {**TEMPERATURE, "calibration.interval": INTERVAL}
READS = {
    "whole_features": ("resolution_cnn", {"local.channels": CONTEXT_CHANNELS, "inputs": LENGTH}),
    "description": ("resolution_dnn", {"inputs": LENGTH}),
}


def choose_bundle(model: str = "cnn", bundle: Any = None) -> Bundle:
    """The bundle given, or the shipped one of the model.

    model : "cnn" or "dnn";  bundle : Bundle, name, folder or None

    Raises
    ------
    SettingError : an unknown model
    BundleError : unknown, damaged, of another method, or incomplete
    """
    if model not in MODELS:
        raise SettingError(f"model {model!r} is unknown: choose {' or '.join(MODELS)}")
    bundle = MODELS[model] if bundle is None else bundle
    bundle = bundle_for(METHOD, bundle, REQUIRED, READS)
    if bundle.spec["network"]["architecture"] == "resolution_cnn":  # it reads in tiles
        check_tiles(bundle)
    return bundle


MARGIN = 12  # voxels kept around the molecule
WIDER = 24  # ... and beyond them for the normalisation, three of its windows; a multiple of 4
ROUND = 8  # the region's sizes are multiples of it
CONTEXT = 48.0  # Å around the molecule that are brought to the grid


@dataclass(frozen=True)
class Molecule:
    """The part of a map that is judged, on the network's grid.

    normalised : ndarray, shape (z, y, x), float32, locally normalised
    inside : ndarray, shape (z, y, x), bool
    voxel_size : Å, as achieved
    around : ndarray, float32, density of the part and WIDER voxels on every side; beyond the map's
        box its median
    """

    normalised: np.ndarray
    inside: np.ndarray
    voxel_size: float
    around: np.ndarray


def without_padding(data: np.ndarray) -> tuple[slice, ...]:
    """The part of a box that is left without planes of one and the same value at its borders.

    A mask is found by what most of a box holds, so a box made larger must become itself again.
    """
    varied = data != data[0, 0, 0]
    if not varied.any():
        return tuple(slice(0, n) for n in data.shape)
    return tuple(slice(first, last) for first, last in bounding_box(varied))


def find_molecule(volume: Volume, voxel_size: float, inside: np.ndarray | None = None) -> Molecule:
    """Find the molecule and bring its part of the map to the network's grid.

    volume : density;  voxel_size : Å, of the network's grid
    inside : ndarray, shape (z, y, x), bool, mask of the molecule; None finds it
    """
    if inside is None:
        inside = automatic_mask(volume)
    margin = int(np.ceil(CONTEXT / volume.voxel_size))
    part = box_around(inside, margin)
    cut = Volume(volume.data[part], volume.voxel_size)
    grid, within = resample_with_mask(cut, inside[part], voxel_size)
    return cut_to_molecule(grid.data, within, grid.voxel_size)


def cut_to_molecule(data: np.ndarray, inside: np.ndarray, voxel_size: float) -> Molecule:
    """Normalise densities of the network's grid and cut them to the molecule and its margin."""
    if not inside.any():  # lost between the voxels of a coarser grid
        inside = np.ones(data.shape, bool)
    box = bounding_box(inside)
    sizes = [-(-(last - first + 2 * MARGIN) // ROUND) * ROUND for first, last in box]
    starts = [first - (n - (last - first)) // 2 for (first, last), n in zip(box, sizes)]
    # The normalisation's blocks begin at the molecule, wherever in the box it lies.
    wide = [s - WIDER for s in starts], [n + 2 * WIDER for n in sizes]
    around = _window(data, *wide, np.median(data[::2, ::2, ::2]))
    part = (slice(WIDER, -WIDER),) * 3
    within = _window(inside, starts, sizes, False)
    return Molecule(local_normalise(around)[part], within, voxel_size, around)


def _window(data, starts, sizes, fill):
    """A part of an array that may reach beyond it, where it is `fill`."""
    out = np.full(sizes, fill, data.dtype)
    source = tuple(slice(max(0, s), max(0, s + n)) for s, n in zip(starts, sizes))
    target = tuple(
        slice(max(0, -s), max(0, -s) + min(d, s + n) - max(0, s))
        for s, n, d in zip(starts, sizes, data.shape)
    )
    out[target] = data[source]
    return out


def features_and_weight(molecule: Molecule) -> tuple[np.ndarray, np.ndarray]:
    """What the CNN reads: features (z, y, x, channels) and weight (z, y, x) on the half grid."""
    weight = block_mean(molecule.inside.astype(np.float32), 2)
    inside = np.pad(molecule.inside, WIDER)
    levelled, *more = context_features(molecule.around, molecule.voxel_size, inside)
    fine, half = ((slice(n, -n),) * 3 for n in (WIDER, WIDER // 2))
    return stack(levelled[fine], *(channels[half] for channels in more)), weight


def descriptor(molecule: Molecule) -> np.ndarray:
    """What the dense network reads, ndarray (numbers,)."""
    return spectral_descriptor(molecule.normalised, molecule.inside)
