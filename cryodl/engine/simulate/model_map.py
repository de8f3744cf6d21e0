"""The density of a fitted model on the grid of its map, and the mask around its atoms."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..maps.volume import Volume
from .density import atom_density
from .structure import Structure

NEAR = 3.0  # Å from an atom: within is the molecule


def model_map(structure: Structure, grid: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Density and mask of a model on a map's grid.

    Atoms have the B-factor that keeps them from aliasing (about 60 Å² at 1 Å); the files' own are
    too often meaningless.

    structure : Structure, in the frame of the map
    grid : the map

    Returns (density, its maximum 1; mask, within 3 Å of an atom): ndarrays, shape (z, y, x).
    Raises InputError where most atoms lie outside of the map's box.
    """
    from scipy.ndimage import distance_transform_edt

    positions: np.ndarray = structure.positions - np.asarray(grid.origin, np.float32)
    index = np.rint(positions / grid.voxel_size).astype(int)[:, ::-1]
    inside = np.all((index >= 0) & (index < grid.shape), axis=1)
    if inside.mean() < 0.5:
        raise InputError(
            f"{inside.mean():.0%} of the atoms of {structure.name} lie in the box of its map: fit "
            "the model, or check the map's origin"
        )
    density = atom_density(
        positions[inside], structure.elements[inside], grid.shape, grid.voxel_size
    )
    free = np.ones(grid.shape, bool)
    free[tuple(index[inside].T)] = False
    mask = distance_transform_edt(free, sampling=grid.voxel_size) <= NEAR
    return density / density.max(), mask
