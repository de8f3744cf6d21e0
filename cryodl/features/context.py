"""Context features: what a network reads of a whole map, and a map's way to them and back.

Besides the channels of `local_spectrum` there are: the density at 10 Å, in units of the molecule's;
the local power; and, the same everywhere, by how much every band is stronger in the molecule than
in the solvent, where solvent is left. The last is what the resolution of one map without a mask can
be judged by: signal is in the molecule alone, noise everywhere. Maps are cropped to the molecule
and brought to the network's grid first; predictions are pasted back onto the map's.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from cryodl.features.local_spectrum import (
    BAND_FLOOR,
    BANDS,
    CHANNELS,
    band_centres,
    band_powers,
    space_to_depth,
)
from cryodl.filters.sharpen import EMPTY, flatten_to_power_law, flatten_with_course
from cryodl.maps.crop import Box, bounding_box, crop, significant_box
from cryodl.maps.mask import coarse_mask, existing_mask, resample_with_mask
from cryodl.maps.normalise import (
    FLOOR,
    WINDOW,
    block_mean,
    coarse_window,
    from_background,
    refine,
    window_mean,
)
from cryodl.maps.resample import resample_to
from cryodl.maps.volume import Volume

EXTRA = 2 + BANDS + 1
CONTEXT_CHANNELS = CHANNELS + EXTRA
# A backbone also reads the radial spectrum that the map came with and its voxel size.
BACKBONE_CHANNELS = CONTEXT_CHANNELS + BANDS + 1
AWAY = 8  # voxels from the molecule at which solvent begins
FEW = 0.02  # share of the box below which what is left of the solvent tells nothing
# Contrast in every band from which on the solvent was emptied: simulated maps reach 0.35, or more
# when low-passed far below their resolution, where the solvent tells nothing either.
QUIET = 0.6
COARSE = 2.5  # voxels, SD of the Gaussian that takes a map to about 10 Å


def context_features(
    density: np.ndarray,
    voxel_size: float,
    inside: np.ndarray | None = None,
    *,
    flatten: bool = True,
    map_voxel_size: float | None = None,
    threads: int | None = None,
):
    """Features on the half grid, from a map on the network's grid.

    density : ndarray, shape (z, y, x), sizes multiples of four, any scale and offset
    voxel_size : Å
    inside : ndarray (z, y, x), bool, roughly the molecule; None finds it
    flatten : bring the radial spectrum to a power law first; without it a sharpened map stays so
    map_voxel_size : Å, of the map before it came to the network's grid: with it the channels of a
        backbone, which reads the radial spectrum and the voxel size that the map came with
    threads : bands worked on at a time; None takes two, or one where the map is large

    Returns (normalised, bands, extra): the density as the network reads it, (z, y, x), float32; the
    bands, (z / 2, y / 2, x / 2, BANDS), of the local power; the other channels, (z / 2, y / 2,
    x / 2, EXTRA).
    """
    normalised, whole = _stacked(density, voxel_size, inside, flatten, map_voxel_size, threads)
    return normalised, whole[..., 8:CHANNELS], whole[..., CHANNELS:]


def _stacked(density, voxel_size, inside=None, flatten=True, map_voxel_size=None, threads=None):
    """The density as the network reads it, and all channels, as `stack` puts them together."""
    if inside is None:
        inside = coarse_mask(Volume(density, voxel_size))
    if map_voxel_size is not None:
        shown, spectrum = flatten_with_course(density, inside, band_centres())
    else:
        shown = flatten_to_power_law(density, inside) if flatten else _in_spreads(density, inside)
    normalised, power = _normalise(shown)
    inner = block_mean(inside, 2)
    more = 0 if map_voxel_size is None else BANDS + 1
    whole = np.empty((*inner.shape, CHANNELS + EXTRA + more), np.float32)
    whole[..., :8] = space_to_depth(normalised)
    bands, extra = whole[..., 8:CHANNELS], whole[..., CHANNELS:]
    band_powers(normalised, out=bands, threads=threads)
    extra[..., 0] = _at_10(density, inner)
    power = np.log(block_mean(power, 2) + 1e-6)
    middle = np.median(power[inner > 0.5]) if (inner > 0.5).any() else 0.0
    extra[..., 1] = np.clip((power - middle) / 4, -1, 1)
    extra[..., 2:EXTRA] = _contrast(density, inside, inner, bands, power)
    if map_voxel_size is not None:
        extra[..., EXTRA:-1] = 1 - 2 * spectrum / np.log(EMPTY)
        extra[..., -1] = np.clip(np.log(map_voxel_size), -1, 2) / 2
    return normalised, whole


def stack(normalised, bands, extra):
    """The channels together: (z / 2, y / 2, x / 2, CONTEXT_CHANNELS)."""
    return np.concatenate([space_to_depth(normalised), bands, extra], axis=-1, dtype=np.float32)


def _in_spreads(density, inside):
    """A map from its median, in units of its standard deviation in the molecule."""
    shown = from_background(density)
    spread = float(shown[inside].std()) if inside.any() else 0.0
    return shown / np.float32(spread) if spread > 0 else shown


def _normalise(x):
    """As `normalise.local_normalise`, and the local mean square it divides by."""
    x = x - window_mean(x, WINDOW)
    mean_square = coarse_window(x * x, WINDOW)
    largest = float(mean_square.max())
    if largest <= 0:
        return np.zeros_like(x), np.zeros_like(x)
    power = refine(mean_square, x.shape, 4)
    x *= 1 / np.sqrt(power + np.float32(FLOOR**2 * largest))
    return x, power


def _at_10(density, inner):
    """Density at about 10 Å, 0 in the solvent and about 1 in the molecule."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(block_mean(density, 2), COARSE / 2, mode="nearest", truncate=3.0)
    outer = inner < 0.01
    level = np.median(smooth[outer]) if outer.any() else smooth.min()
    height = smooth[inner > 0.5].mean() - level if (inner > 0.5).any() else 0.0
    if height <= 0:
        return np.zeros_like(smooth)
    return np.clip((smooth - level) / height, -1, 3) / 2


def _contrast(density, inside, inner, bands, power):
    """By how much each band is stronger in the molecule than in the solvent, 0 to 1, and whether
    solvent is left."""
    from scipy.ndimage import distance_transform_edt

    away = distance_transform_edt(inner < 0.01) * 2 > AWAY
    support = existing_mask(density)
    if support is not None:
        away &= block_mean(support, 2) > 0.99
    result = np.zeros(BANDS + 1, np.float32)
    core = inner > 0.99
    if away.mean() < FEW or not core.any():
        return result
    # the bands are relative to the local power, in units where the floor is -1
    core, away = (_thinned(where) for where in (core, away))
    levels = [np.median(bands[where] * (-np.log(BAND_FLOOR) / 2) + power[where][:, None], axis=0)
              for where in (core, away)]  # fmt: skip
    contrast = np.clip((levels[0] - levels[1]) / 6, -1, 1)
    if contrast.min() < QUIET:
        result[:BANDS], result[BANDS] = contrast, 1
    return result


def _thinned(where: np.ndarray) -> np.ndarray:
    """About 50,000 of the true steps at most: enough for a median."""
    places = np.flatnonzero(where)
    kept = np.zeros(where.size, bool)
    kept[places[:: max(1, len(places) // 50_000)]] = True
    return kept.reshape(where.shape)


SOLVENT = 16.0  # Å kept around the molecule, as in training
BLOCK = 4.0  # Å; densities are averaged over so much before they are compared with 3 SD


@dataclass(frozen=True)
class ContextFeatures:
    """What the network reads.

    data : ndarray, shape (z, y, x, channels), float32, on the half grid
    part : of the map, voxels
    voxel_size : between steps of the half grid, Å
    origin : x, y, z of its first step, Å
    grid : density on the network's grid
    coarse_mask : ndarray (z, y, x), bool, roughly the molecule, on that grid
    map_voxel_size : Å, of the map, where a backbone reads it
    """

    data: np.ndarray
    part: tuple[slice, ...]
    voxel_size: float
    origin: tuple[float, float, float]
    grid: Volume
    coarse_mask: np.ndarray
    map_voxel_size: float | None = None

    def volume(self, values: np.ndarray) -> Volume:
        """Values (z, y, x) that the network gave, at their place in space."""
        return Volume(np.ascontiguousarray(values), self.voxel_size, self.origin)

    def paste(self, values: np.ndarray, volume: Volume) -> np.ndarray:
        """The same at the voxels of the map, (z, y, x); 0 beyond the part that was read."""
        data = np.zeros(volume.shape, np.float32)
        data[self.part] = resample_to(self.volume(values), crop(volume, self.part)).data
        return data


def crop_to_molecule(
    volume: Volume, *masks: np.ndarray, box: Box | None = None
) -> tuple[slice, ...]:
    """The part of a map with the molecule, whatever stands out of the mean ± 3 SD, and solvent.

    The slides take the smallest cube outside which density lies within mean ± 3 SD. Noise alone
    leaves that interval at some voxel of any box, so densities are averaged over 4 Å first; and a
    faint molecule may not leave it at all, so a rough mask has its say.

    volume : density;  masks : ndarrays, shape (z, y, x), bool, that the part is to hold
    box : (first, last + 1) voxel along z, y, x, that it is to hold too
    """
    size = max(1, round(BLOCK / volume.voxel_size))
    coarse = significant_box(block_mean(volume.data, size))
    whole = all(
        (first, last) == (0, -(-n // size)) for (first, last), n in zip(coarse, volume.shape)
    )
    boxes = [bounding_box(inside) for inside in masks if inside.any()]
    boxes += [box] if box else []
    if not whole or not boxes:
        boxes.append(tuple((first * size, last * size) for first, last in coarse))
    margin = ceil(SOLVENT / volume.voxel_size)
    return tuple(
        slice(max(0, min(b[axis][0] for b in boxes) - margin),
              min(n, max(b[axis][1] for b in boxes) + margin))
        for axis, n in enumerate(volume.shape)
    )  # fmt: skip


def prepare_context(
    volume: Volume,
    voxel_size: float,
    molecule: np.ndarray,
    *masks: np.ndarray,
    box: Box | None = None,
    flatten: bool = True,
    spectrum: bool = False,
) -> ContextFeatures:
    """Cut a map to its molecule, bring it to the network's grid and make the features.

    volume : density
    voxel_size : Å, of the network's grid
    molecule : ndarray, shape (z, y, x), bool, roughly
    masks, box : more that the part is to hold, as `crop_to_molecule` takes it
    flatten : as `context_features` takes it
    spectrum : with the channels of a backbone
    """
    map_voxel_size = volume.voxel_size if spectrum else None
    part = crop_to_molecule(volume, molecule, *masks, box=box)
    return _with_features(
        *on_grid(volume, molecule, part, voxel_size), part, flatten, map_voxel_size
    )


def on_grid(
    volume: Volume, molecule: np.ndarray, part: tuple[slice, ...], voxel_size: float
) -> tuple[Volume, np.ndarray]:
    """A part of a map and of its mask on the network's grid, sizes multiples of four.

    volume : density;  molecule : ndarray, shape (z, y, x), bool, on its grid
    voxel_size : Å, of the network's grid
    """
    grid, inside = resample_with_mask(crop(volume, part), molecule[part], voxel_size)
    data, inside = pad_to_stride(grid.data, inside)
    return Volume(data, grid.voxel_size, grid.origin), inside


def half_grid_origin(grid: Volume) -> tuple[float, float, float]:
    """x, y, z in Å of the half grid's first step: the middle of its block of 2³ voxels."""
    x, y, z = (o + grid.voxel_size / 2 for o in grid.origin)
    return x, y, z


def refresh_features(given: ContextFeatures, inside: np.ndarray) -> ContextFeatures:
    """The same part of the map, its features made with a better mask.

    inside : ndarray, shape of given.data (z, y, x), bool, on the half grid
    """
    for axis in range(3):
        inside = inside.repeat(2, axis)
    return _with_features(given.grid, inside, given.part, True, given.map_voxel_size)


def _with_features(grid, inside, part, flatten=True, map_voxel_size=None) -> ContextFeatures:
    _, whole = _stacked(grid.data, grid.voxel_size, inside, flatten, map_voxel_size)
    place = 2 * grid.voxel_size, half_grid_origin(grid)
    return ContextFeatures(whole, part, *place, grid, inside, map_voxel_size)


def pad_to_stride(data: np.ndarray, *more: np.ndarray) -> tuple[np.ndarray, ...]:
    """Add planes up to multiples of four: mirrored to a density, so that they look like the map; of
    0 to the other arrays."""
    missing = [(0, -n % 4) for n in data.shape]
    if not any(after for _, after in missing):
        return data, *more
    return np.pad(data, missing, mode="symmetric"), *(np.pad(values, missing) for values in more)
