"""What a network adds to a filtered map: nothing beyond the resolution, and with a trust.

The network reads a map that `linear` made, and half the difference of its halves where it has any,
on a grid of three voxels in one resolution: maps of 2 Å and of 10 Å then look alike to it. It
corrects the filtered map towards the density of atoms, and predicts how far it may be off. Its
correction is low-passed to the resolution of the map, so what lies beyond is nobody's guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cryodl.compute.device import device_scope, load_network
from cryodl.features.local_spectrum import space_to_depth
from cryodl.half_maps.pair import half_difference
from cryodl.maps.crop import box_around, crop
from cryodl.maps.resample import density_at, resample, resample_to
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.audit import SURFACE
from cryodl.methods.enhance.estimate import ACTIVATIONS
from cryodl.methods.enhance.linear import Linear
from cryodl.methods.enhance.prepare import (
    TRUST,
    TRUST_ONE_MAP,
    choose_refining,
    to_density,
)
from cryodl.networks.architectures import VOXELS
from cryodl.networks.bundle import Bundle
from cryodl.networks.tiles import fitting_grid, predict_tiled
from cryodl.resolution_maps.local_filter import low_pass

VOXELS_PER_RESOLUTION = 3.0  # of the network's grid
# Of the correction: simulated experiments ask for all of it, and of 0.4 to 1 this made twelve
# reconstructions by RELION most like their models, none of them less than filters do.
STRENGTH = np.float32(0.6)
COARSEST = 13.0  # Å, of maps that the network learns from
MULTIPLE = 8  # voxels: the network's total stride
MARGIN = 16  # voxels around the mask in which what the network says still reaches into it
BYTES_PER_STEP = 900.0  # of the half grid, that the network's activations take
MIDDLE = 5.0  # Å, resolution that the network reads as 0


def on_network_grid(found: Linear) -> tuple[Volume, Volume, Volume]:
    """The filtered map, its noise and its soft mask on the network's grid.

    The noise of one map is unknown: it is 0 everywhere, and so the network knows one map.
    """
    size = found.resolution / VOXELS_PER_RESOLUTION
    full = resample(found.full, size)
    noise = full.with_data(np.zeros_like(full.data))
    if found.halves:
        noise = resample(half_difference(*found.halves), size)
    mask = resample_to(found.full.with_data(found.weights), full)
    return full, noise, mask


def _about_the_molecule(*maps: Volume) -> list[Volume]:
    """The part of the maps that the last of them, the mask, holds: elsewhere all are 0."""
    around = box_around(maps[-1].data > 0, MARGIN)
    part = tuple(slice(s.start // MULTIPLE * MULTIPLE, s.stop) for s in around)
    return [crop(volume, part) for volume in maps]


def features(maps: Sequence[np.ndarray], resolution: float) -> np.ndarray:
    """What the network reads: (z / 2, y / 2, x / 2, HALVES_CHANNELS), float32; sizes even.

    maps : filtered map, noise and mask, ndarrays (z, y, x);  resolution : Å
    """
    full, noise, mask = maps
    held = space_to_depth(mask).mean(axis=-1, keepdims=True)
    level = np.full_like(held, np.log(resolution / MIDDLE))
    parts = space_to_depth(full), space_to_depth(noise), held, level
    return np.concatenate(parts, axis=-1).astype(np.float32)


def padded(data: np.ndarray) -> np.ndarray:
    return np.pad(data, [(0, -n % MULTIPLE) for n in data.shape])


def refine(
    found: Linear,
    bundle: Any = None,
    *,
    batch_size: int = 1,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Volume, Volume, Bundle]:
    """Correct a filtered map within its resolution.

    found : as `linear` made it;  bundle, batch_size, device : of the network
    progress : called with (tiles done, tiles in all)

    Returns the density and its trust on the grid of the half maps, and the bundle. The trust, 0.5
    to 1, is how likely a voxel's density departs to the right side from that around it, as it was
    calibrated on experiments; 0 where the mask is.
    """
    table = TRUST if found.halves else TRUST_ONE_MAP
    bundle = choose_refining(bundle, table)
    network, device = load_network(bundle, device)
    full, noise, mask = _about_the_molecule(*on_network_grid(found))
    x = features([padded(each.data) for each in (full, noise, mask)], found.resolution)
    memory = ACTIVATIONS[device] / batch_size
    tiles = fitting_grid(x.shape[:3], bundle.spec, memory, BYTES_PER_STEP)
    with device_scope(device):
        blocks = predict_tiled(
            x, network.predict_on_batch, tiles, channels=2 * VOXELS, batch_size=batch_size,
            progress=progress,
        )  # fmt: skip
    del x, noise, mask
    change, doubt = (to_density(blocks[..., part], full.shape) for part in (FIRST, SECOND))
    correction = low_pass(full.with_data(STRENGTH * change), found.resolution)
    added = density_at(correction, found.full).data * found.weights
    away = departure(full.data + correction.data)
    # Both are smooth and so can be brought to the map's grid, where the trust, which changes from
    # voxel to voxel, can only be made.
    away = density_at(full.with_data(away), found.full).data
    doubt = resample_to(full.with_data(doubt), found.full).data
    trust = trusted(away, doubt, bundle.spec[table]) * (found.weights > 0.5)
    density = found.full.with_data(found.full.data + added)
    return density, found.full.with_data(trust), bundle


FIRST, SECOND = slice(0, VOXELS), slice(VOXELS, 2 * VOXELS)  # of the network's answer
AROUND = 2.0  # voxels of the network's grid, standard deviation of what is around a voxel


def departure(density: np.ndarray, voxels: float = VOXELS_PER_RESOLUTION) -> np.ndarray:
    """How far each voxel's density lies above that around it.

    voxels : in one resolution of the map; those of the network's grid where it is not given
    """
    from scipy.ndimage import gaussian_filter

    return density - gaussian_filter(density, AROUND * voxels / VOXELS_PER_RESOLUTION)


def trusted(away: np.ndarray, doubt: np.ndarray, table) -> np.ndarray:
    """Probability that the sign of a departure is right: ndarray, 0.5 to 1.

    away : departure;  doubt : logarithm of the standard deviation of what may be wrong
    table : "departure", of standard deviations, and the "share" that was right there
    """
    units = np.abs(away) * np.exp(-doubt)
    return np.interp(units, table["departure"], table["share"]).astype(np.float32)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Density that is shown only after (above 0) or was shown only before (below 0)."""
    added = np.where((after > SURFACE) & (before < SURFACE / 2), after, np.float32(0))
    return np.where((before > SURFACE) & (after < SURFACE / 2), -before, added)
