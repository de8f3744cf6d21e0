"""Two half maps of one reconstruction: that they are such, and what is unusual about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.maps.inputs import input_map
from cryodl.maps.volume import Volume, spread

MASK_VALUES = 0.9  # share of exact zeros and ones from which a map is taken for a mask
ALIKE = 0.03  # logarithm of the ratio of two halves' spreads up to which they have one scale
SIGNIFICANT = 5.0  # standard deviations by which the FSC of any signal differs from that of noise


def check_half_maps(half1: Volume, half2: Volume) -> list[str]:
    """Plain sentences about what is unusual in two half maps.

    Raises
    ------
    InputError : of other size, voxel size or origin, constant, or a mask in place of a map
    """
    for name, half in (("first", half1), ("second", half2)):
        if looks_like_mask(half.data):
            raise InputError(
                f"the {name} half map holds the values of a mask (0 and 1): give the two half maps,"
                " and the mask as mask="
            )
        if not np.ptp(half.data):
            raise InputError(f"the {name} half map is constant: give another one")
    if half1.shape != half2.shape:
        raise InputError(
            f"half maps have {half1.size} and {half2.size} voxels: give two of one refinement"
        )
    if abs(half1.voxel_size / half2.voxel_size - 1) > 1e-3:
        raise InputError(
            f"half maps have voxels of {half1.voxel_size:g} and {half2.voxel_size:g} Å: give two of"
            " one refinement, or the true size as voxel_size="
        )
    apart = max(abs(a - b) for a, b in zip(half1.origin, half2.origin))
    if apart > 0.1 * half1.voxel_size:
        raise InputError(
            f"half maps have origins {apart:g} Å apart ({_place(half1)} and {_place(half2)} Å): "
            "give two of one refinement"
        )
    return [IDENTICAL] if identical(half1, half2) else []


IDENTICAL = (
    "the half maps are identical: their FSC is 1 everywhere, and no resolution follows from it; "
    "give the two independent half maps"
)
NO_SIGNAL = "the half maps have no signal in common: their FSC is that of noise at all frequencies"


def identical(half1: Volume, half2: Volume) -> bool:
    """Whether two maps differ by nothing but a scale and an offset."""
    a, b = (h.data[::2, ::2, ::2].ravel().astype(np.float64) for h in (half1, half2))
    with np.errstate(invalid="ignore", divide="ignore"):  # every other voxel may be the same
        return bool(np.corrcoef(a, b)[0, 1] > 1 - 1e-9)


def have_signal(fsc: np.ndarray, counts: np.ndarray) -> bool:
    """Whether an FSC curve tells two maps with common signal from two of noise.

    fsc : ndarray (shells,), of unmasked maps;  counts : coefficients in each shell, mirror images
    included. Without signal the mean over shells up to any one has the standard deviation
    1 / sqrt(coefficients), since half of them are independent and each has two components.
    """
    number = np.cumsum(counts[1:])
    deviations = np.cumsum(fsc[1:] * counts[1:]) / np.sqrt(np.maximum(number, 1))
    return bool(deviations.max() > SIGNIFICANT)


def looks_like_mask(data: np.ndarray) -> bool:
    """Whether values lie between 0 and 1, and nearly all of them at these."""
    if data.min() != 0 or data.max() != 1:
        return False
    return bool(np.mean((data == 0) | (data == 1)) > MASK_VALUES)


def on_one_scale(half1: Volume, half2: Volume, alike: float = ALIKE) -> Volume:
    """The second of two half maps, its densities as far spread as the first's.

    Programs scale half maps one by one; their mean would be the map of the stronger one. Halves
    whose spreads differ by no more than noise does are left as they are.

    alike : natural logarithm of the ratio of their spreads up to which they are
    """
    first, second = spread(half1.data), spread(half2.data)
    if not (first > 0 and second > 0):
        return half2
    if half1.unit == half2.unit and abs(np.log(second / first)) <= alike:
        return half2
    return replace(half2, data=half2.data * np.float32(first / second), unit=half1.unit)


def half_sum(half1: Volume, half2: Volume) -> Volume:
    """The full map: the mean of both."""
    full = half1.with_data((half1.data + half2.data) / 2)
    return replace(full, mended=half1.mended + half2.mended)


def half_difference(half1: Volume, half2: Volume) -> Volume:
    """Noise as strong as that in the mean of both."""
    return half1.with_data((half1.data - half2.data) / 2)


def _place(volume: Volume) -> str:
    return ", ".join(f"{value:g}" for value in volume.origin)


def read_halves(half1: Any, half2: Any, voxel_size: float | None = None):
    """Two half maps as Volumes on one scale, checked; and what is unusual about them."""
    first, second = (input_map(half, voxel_size) for half in (half1, half2))
    notes = check_half_maps(first, second)
    return first, on_one_scale(first, second), notes
