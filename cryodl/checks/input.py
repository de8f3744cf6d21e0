"""What is unusual about a map, said before it is used."""

from __future__ import annotations

import numpy as np

from cryodl.checks.noise import NOISE, clean_warning, contrast_warning
from cryodl.checks.quiet import filled, quiet_rim
from cryodl.checks.voxel_size import voxel_size_warning
from cryodl.errors import InputError
from cryodl.maps.crop import bounding_box
from cryodl.maps.mask import existing_mask
from cryodl.maps.volume import Volume

VOXEL_SIZES = (0.3, 5.0)  # Å, of cryo-EM maps
DIAMETERS = (20.0, 1500.0)  # Å, of molecules seen by cryo-EM
SMALLEST_BOX = 16, 20.0  # voxels, Å: edge of a box, below which no texture is seen


def check_map(
    volume: Volume, mask: np.ndarray | None = None, coarse_mask: np.ndarray | None = None
) -> list[str]:
    """Plain sentences about what is unusual in a map; none of them prevents its use.

    Parameters
    ----------
    volume : Volume
        A density map.
    mask : ndarray, shape (z, y, x), bool, optional
        Where the molecule is; found with `automatic_mask` if not given.
    rough : ndarray, shape (z, y, x), bool, optional
        What `coarse_mask` finds, which voxel size and noise are judged by, where it is known
        already.

    Returns
    -------
    list of str
    """
    rim = quiet_rim(volume)
    nothing = None if rim is None else contrast_warning(filled(volume, rim, like_all=True), None)
    volume = filled(volume, rim)
    if mask is None:
        from cryodl.maps.mask import automatic_mask

        mask = automatic_mask(volume)
    found = []
    if volume.mended:
        found.append(
            f"{volume.mended} voxel{'s' * (volume.mended > 1)} far beyond all densities of"
            " the map (hot voxels): the median of the neighbours is taken instead"
        )
    support = existing_mask(volume.data)
    if support is not None:
        found.append(
            f"the map looks masked already: {1 - support.mean():.0%} of its voxels hold"
            " one and the same value; only the rest is considered"
        )
    low, high = VOXEL_SIZES
    if not low <= volume.voxel_size <= high:
        found.append(
            f"the voxel size of {volume.voxel_size:g} Å is implausible for a cryo-EM map"
            f" ({low:g}-{high:g} Å); give the true one with --voxel-size"
        )
    edge = min(volume.shape)
    voxels, least = SMALLEST_BOX
    if edge < voxels or edge * volume.voxel_size < least:
        found.append(
            f"the box of {volume.size} voxels is {edge * volume.voxel_size:.3g} Å at its"
            f" shortest edge, and {voxels} voxels and {least:g} Å are the least that tells"
            " anything: what is said of the map means nothing; give a larger part of it"
        )
    extents = [last - first for first, last in bounding_box(mask)] if mask.any() else [0]
    diameter = max(extents) * volume.voxel_size
    contrast = NOISE if nothing == NOISE else contrast_warning(volume, support)
    low, high = DIAMETERS
    if contrast is not None:
        found.append(contrast)
    elif not low <= diameter <= high:
        found.append(
            f"the molecule would be {diameter:.0f} Å across, which is implausible"
            f" ({low:g}-{high:g} Å); check the voxel size of {volume.voxel_size:g} Å"
        )
    elif (said := clean_warning(volume, support, coarse_mask)) is not None:
        found.append(said)  # nor has the check of voxel sizes seen such maps
    elif (said := voxel_size_warning(volume, coarse_mask)) is not None:
        found.append(said)
    edges = [mask[_face(axis, end)].mean() for axis in range(3) for end in (0, -1)]
    if max(edges) > 0.02:
        found.append(
            "the molecule touches the border of the box"
            f" (up to {max(edges):.0%} of a face); values there are less certain"
        )
    return found


def check_one_grid(
    first: Volume,
    second: Volume,
    first_has: str,
    second_name: str,
    advice: str = "give maps on one grid",
) -> None:
    """Raises InputError where two maps differ in shape or, by 1 %, in voxel size.

    first_has, second_name : words of the message, such as "the half maps have", "the map"
    """
    if first.shape == second.shape and abs(first.voxel_size / second.voxel_size - 1) < 0.01:
        return
    sizes = [f"{v.size} voxels of {v.voxel_size:g} Å" for v in (first, second)]
    raise InputError(f"{first_has} {sizes[0]} and {second_name} {sizes[1]}: {advice}")


def _face(axis: int, end: int) -> tuple[slice | int, ...]:
    return (slice(None),) * axis + (end,)
