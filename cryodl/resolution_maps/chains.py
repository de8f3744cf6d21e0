"""Which chain of an atomic model every voxel belongs to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cryodl.errors import InputError
from cryodl.files.atomic_models import read_model
from cryodl.maps.volume import Volume

REACH = 3.0  # Å from an atom up to which a voxel is counted to its chain


def chain_regions(
    model: str | Path, like: Volume, mask: np.ndarray, *, reach: float = REACH
) -> tuple[list[str], np.ndarray]:
    """Voxels nearest to each chain of a model.

    Parameters
    ----------
    model : path, PDB or mmCIF, also .gz; its first model without water and hydrogen is taken
    like : the grid
    mask : ndarray, shape (z, y, x), bool; only its voxels are assigned
    reach : Å; a voxel belongs to the chain of its nearest atom, if that lies so near

    Returns
    -------
    (names, chain) : the author's chain names in the file's order, and ndarray, shape (z, y, x),
        int16, the number of every voxel's chain among them, -1 for none

    Raises
    ------
    InputError : the file cannot be read, has no atoms, or lies outside the mask
    """
    from scipy.spatial import cKDTree

    names, owner, atoms = _read_atoms(Path(model))
    inside = np.argwhere(mask)
    places = inside[:, ::-1] * like.voxel_size + np.array(like.origin)
    _, nearest = cKDTree(atoms).query(places, distance_upper_bound=reach)
    near = nearest < len(atoms)
    if not near.any():
        raise InputError(
            f"{model} has no atom within {reach:g} Å of the mask: it lies elsewhere;"
            " fit it into the map, or give --map with the origin it was built in"
        )
    chain = np.full(like.shape, -1, np.int16)
    chain[tuple(inside[near].T)] = owner[nearest[near]]
    return names, chain


def _read_atoms(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of chains, number of the chain of every atom, and positions (n, 3), x, y, z in Å."""
    structure = read_model(path)
    names: list[str] = []
    owner, atoms = [], []
    for chain in structure[0] if len(structure) else ():
        for residue in chain:
            if residue.is_water():
                continue
            for atom in residue:
                if not atom.is_hydrogen():
                    if chain.name not in names:
                        names.append(chain.name)
                    owner.append(names.index(chain.name))
                    atoms.append(atom.pos.tolist())
    if not atoms:
        raise InputError(f"{path} has no atoms; give a PDB or mmCIF file of the model")
    return names, np.array(owner), np.array(atoms)
