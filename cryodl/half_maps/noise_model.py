"""The noise model of a map: its spectrum, from the difference of half maps or from the solvent.

Map and noise are cropped around the molecule and normalised by that spectrum, ready for the bank of
band-pass filters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryodl.errors import InputError
from cryodl.half_maps.bands import Spectrum, noise_power
from cryodl.half_maps.threshold_sweep import taper, untapered
from cryodl.maps.crop import box_around
from cryodl.maps.mask import existing_mask
from cryodl.maps.volume import Volume

_LEAST_NOISE = 0.02  # share of the box outside the mask that noise is measured from


@dataclass(frozen=True)
class NoiseModel:
    """The part of a map around its molecule, whitened by its noise.

    box : slices of the map (z, y, x)
    inside : ndarray, shape of the box, bool, the molecule
    noisy : likewise, where noise is measured
    map : Spectrum of the map
    noise : Spectrum of the noise, from half maps; None where only the map's surroundings show it
    """

    box: tuple[slice, ...]
    inside: np.ndarray
    noisy: np.ndarray
    map: Spectrum
    noise: Spectrum | None


def noise_model(
    volume: Volume, inside: np.ndarray, difference: Volume | None, coarsest: float
) -> NoiseModel:
    """Cut a map out around its molecule and measure its noise.

    volume : the map; of two half maps, their mean
    inside : ndarray, shape (z, y, x), bool
    difference : half the difference of the half maps; None takes the noise outside the mask
    coarsest : Å, by which the molecule's surroundings are wide

    Raises
    ------
    InputError : no noise around the molecule of a single map
    """
    voxel = volume.voxel_size
    reach = int(np.ceil(coarsest / voxel))
    if difference is None:  # half of it is faded away, and noise is measured in the other half
        reach = max(2 * reach, reach + 2 * _margin(voxel))
    box = box_around(inside, reach)
    background = 0.0 if inside.all() else volume.data[~inside].mean()
    data = taper(volume.data - np.float32(background), box, reach // 2)
    if difference is None:
        noisy = np.zeros(data.shape, bool)  # where the map fades away its noise is no measure
        kept = untapered(box, volume.shape, reach // 2)
        noisy[kept] = outside_of(volume, inside)[box][kept]
        if noisy.mean() < _LEAST_NOISE / 10:
            raise InputError(
                "too little lies beside the mask to measure the noise in: give a tighter mask, a "
                "coarser max_resolution=, or half maps"
            )
        power = noise_power(data * noisy)
        return NoiseModel(box, inside[box], noisy, Spectrum(data, voxel, power), None)
    apart = taper(difference.data - difference.data.mean(), box, reach // 2)
    power = noise_power(apart)
    if not power.max() > 0:  # identical halves: whatever is there exceeds no noise at all
        power = noise_power(data)
    spectra = (Spectrum(values, voxel, power) for values in (data, apart))
    return NoiseModel(box, inside[box], inside[box], *spectra)


def _margin(voxel_size: float) -> int:
    """Voxels around the molecule that are taken for neither."""
    return max(1, round(5 / voxel_size))


def outside_of(volume: Volume, inside: np.ndarray) -> np.ndarray:
    """Voxels from which the noise of a single map is measured."""
    from scipy.ndimage import binary_dilation

    support = existing_mask(volume.data)
    grown = binary_dilation(inside, iterations=_margin(volume.voxel_size))
    outside = ~grown if support is None else ~grown & support
    if outside.mean() < _LEAST_NOISE:
        raise InputError(
            f"only {outside.mean():.1%} of the box lies outside the mask and holds density: no "
            "noise to compare with; give the unmasked map, a tighter mask, or half maps"
        )
    return outside
