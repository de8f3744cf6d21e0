"""What surrounds the molecule: its exact mask, flat solvent, and a belt of detergent or lipid."""

from __future__ import annotations

from typing import Any

import numpy as np

from .specimen import MASK_DISTANCE, Specimen


def molecular_mask(specimen: Specimen, voxel_size: float) -> np.ndarray:
    """Voxels within 3 Å of an atom: where the molecule excludes solvent.

    Returns ndarray (z, y, x), bool.
    """
    import gemmi

    n = specimen.box
    grid = gemmi.FloatGrid(n, n, n)
    edge = n * voxel_size
    grid.set_unit_cell(gemmi.UnitCell(edge, edge, edge, 90, 90, 90))
    grid.spacegroup = gemmi.SpaceGroup("P 1")
    for x, y, z in specimen.positions.tolist():
        grid.set_points_around(gemmi.Position(x, y, z), radius=MASK_DISTANCE, value=1.0)
    return np.ascontiguousarray(np.asarray(grid.array).T) > 0


def distance_from(mask: np.ndarray, voxel_size: float) -> np.ndarray:
    """Distance (Å) of every voxel to the mask, 0 inside. ndarray (z, y, x), float32."""
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(~mask, sampling=voxel_size).astype(np.float32)


def soft_step(distance: np.ndarray, start: float, width: float) -> np.ndarray:
    """1 up to `start`, then half a cosine down to 0 over `width` (Å)."""
    phase = np.clip((distance - np.float32(start)) / np.float32(max(width, 1e-3)), 0, 1)
    return np.float32(0.5) + np.float32(0.5) * np.cos(np.float32(np.pi) * phase)


def belt_density(distance: np.ndarray, specimen: Specimen, drawn: dict[str, Any]) -> np.ndarray:
    """Density of a micelle or lipid belt above the solvent, in the molecule's mean densities.

    Around the molecule, perpendicular to its normal: half an ellipse in section, as wide as
    `belt_width` in the membrane's plane; tails inside, a shell of heads a fifth as thick outside.

    distance : ndarray (z, y, x), Å, from the molecular mask
    """
    n, voxel = specimen.box, np.float32(drawn["voxel_size"])
    along = specimen.positions @ specimen.normal
    middle = along.mean() + drawn["belt_offset"] * np.ptp(along)
    axis = np.arange(n, dtype=np.float32) * voxel
    x, y, z = (axis * np.float32(c) for c in specimen.normal)
    height = z[:, None, None] + y[None, :, None] + x[None, None, :] - np.float32(middle)
    half = drawn["belt_thickness"] / 2
    radius = np.sqrt(
        (distance / np.float32(drawn["belt_width"])) ** 2 + (height / np.float32(half)) ** 2
    )
    whole = soft_step(radius, 0.9, 0.2)
    tails = soft_step(radius, 0.7, 0.2)
    density = drawn["belt_heads"] * (whole - tails) + drawn["belt_tails"] * tails
    return (density * (distance > 0)).astype(np.float32)
