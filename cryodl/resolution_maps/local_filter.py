"""A map low-passed in every voxel to its local resolution.

The map is filtered as a whole at a ladder of cut-offs, all from one Fourier transform; every voxel
takes what lies between the two nearest of them. What such maps are for: Cardone, Heymann and
Steven, J. Struct. Biol. 184, 226 (2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cryodl.errors import InputError
from cryodl.filters.shells import inverse, radial_frequencies, transform
from cryodl.maps.edges import half_cosine
from cryodl.maps.volume import Volume
from cryodl.resolution_maps.resolution_map import ResolutionMap

RUNG = 1.06  # ratio of neighbouring cut-offs, less than the filter's own width
EDGE = 0.1  # the filter falls from 1 to 0 within this part of the cut-off on either side of it
SOFT = 4.0  # Å, standard deviation over which resolutions fade beyond the mask
FAINT = 0.05  # share of the mask in the neighbourhood at which half of the way is faded


@dataclass(frozen=True)
class Filtered:
    """What came out.

    Attributes
    ----------
    volume : the filtered map, on the grid of the map
    cutoffs : Å, of the ladder, coarse to fine
    unchanged : share of the mask's voxels whose resolution is at Nyquist or finer: no filter there
    outside : Å, to which the solvent was filtered
    """

    volume: Volume
    cutoffs: tuple[float, ...]
    unchanged: float
    outside: float


def low_pass(volume: Volume, resolution: float) -> Volume:
    """A map without the detail beyond a resolution.

    Parameters
    ----------
    volume : density
    resolution : Å, where amplitudes are halved: a raised cosine falls from 1 at 0.9 of this
        frequency to 0 at 1.1. At Nyquist or finer the map is left as it is.
    """
    spectrum, radius = _spectrum(volume)
    return volume.with_data(_filtered(volume, spectrum, radius, 1 / resolution))


def filter_locally(volume: Volume, resolution: ResolutionMap) -> Filtered:
    """Low-pass every voxel of a map to its local resolution.

    Inside the mask a voxel's value is linear between the maps filtered at the two cut-offs next
    to its resolution. Outside, the resolution fades over a few Å from that of the mask's border to
    the coarsest inside, so that no seam shows and solvent is left as smooth as the worst part.

    Parameters
    ----------
    volume : density, shape (z, y, x)
    resolution : on the same grid

    Raises
    ------
    InputError : another grid
    """
    if resolution.resolution.shape != volume.shape:
        raise InputError(
            f"local resolution of shape {resolution.resolution.shape} and map of shape"
            f" {volume.shape} differ; bring one onto the grid of the other"
        )
    mask = resolution.mask
    frequency = 1 / resolution.values
    nyquist = 0.5 / volume.voxel_size
    lowest = float(frequency.min())
    highest = min(float(frequency.max()), nyquist)
    lowest = min(lowest, highest)
    steps = math.ceil(math.log(highest / lowest) / math.log(RUNG) - 1e-6)
    ladder = lowest * (highest / lowest) ** (np.arange(steps + 1) / max(steps, 1))
    place = np.interp(frequency, ladder, np.arange(steps + 1)).astype(np.float32)
    place = _soften(place, mask, SOFT / volume.voxel_size)
    spectrum, radius = _spectrum(volume)
    data = np.zeros(volume.shape, np.float32)
    for rung, cutoff in enumerate(ladder):
        weight = 1 - np.abs(place - rung)
        np.maximum(weight, 0, out=weight)
        if weight.any():
            weight *= _filtered(volume, spectrum, radius, cutoff)
            data += weight
    return Filtered(
        volume.with_data(data),
        tuple(round(1 / float(f), 4) for f in ladder),
        float((frequency >= nyquist * (1 - 1e-6)).mean()),
        1 / lowest,
    )


def _soften(place: np.ndarray, mask: np.ndarray, width: float) -> np.ndarray:
    """Rungs for the whole box: as given inside the mask, fading to 0, the coarsest, around it."""
    from scipy.ndimage import gaussian_filter

    known = np.zeros(mask.shape, np.float32)
    known[mask] = place
    total = gaussian_filter(known, width)
    total /= gaussian_filter(mask.astype(np.float32), width) + np.float32(FAINT)
    total[mask] = place
    return total


def _spectrum(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Fourier transform, and the radial frequency (1/Å) of every coefficient."""
    radius = radial_frequencies(volume.shape, volume.voxel_size, np.float32)
    return transform(volume.data), radius


def _filtered(
    volume: Volume, spectrum: np.ndarray, radius: np.ndarray, cutoff: float
) -> np.ndarray:
    """The map filtered at a frequency (1/Å); the map itself at Nyquist and beyond."""
    if cutoff >= 0.5 / volume.voxel_size * (1 - 1e-6):
        return volume.data
    part = (radius - np.float32(cutoff * (1 - EDGE))) * np.float32(1 / (2 * EDGE * cutoff))
    gain = half_cosine(part)
    return inverse(spectrum * gain, volume.shape)
