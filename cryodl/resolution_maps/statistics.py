"""Statistics of resolutions: of a local-resolution map, of a predicted distribution, of chains.

`resolution_stats` is what is quoted for a map. The functions over edges read a distribution over
bins of resolution: its quantiles, and the probabilities of classes. `chain_regions` gives every
chain of a model its part of a map.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError
from cryodl.files.atomic_models import no_atoms, read_model
from cryodl.maps.volume import Volume

PERCENTILES = (2.5, 5, 20, 25, 50, 75, 80, 95, 97.5)


def resolution_stats(values: np.ndarray) -> dict[str, Any]:
    """Median, spread and percentiles of resolutions.

    values : ndarray (n,), Å, of the voxels inside the mask

    Returns a dict with median, mean, sd (population), min and max in Å, voxels (their count) and
    percentiles (linear interpolation; keys "2.5" to "97.5"): plain numbers of four decimals, ready
    for JSON. Raises InputError where there are no values, or some are not finite.
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    if values.size == 0:
        raise InputError("no voxel to take statistics of: the mask is empty; give another mask")
    if not np.isfinite(values).all():
        raise InputError("resolutions that are not finite cannot be summarised; check the map")
    percentiles = np.percentile(values, PERCENTILES)
    return {
        "median": round(float(np.median(values)), 4),
        "mean": round(float(values.mean()), 4),
        "sd": round(float(values.std()), 4),
        "min": round(float(values.min()), 4),
        "max": round(float(values.max()), 4),
        "voxels": int(values.size),
        "percentiles": {f"{q:g}": round(float(p), 4) for q, p in zip(PERCENTILES, percentiles)},
    }


CLASSES = "high", "medium", "low"
CLASS_EDGES = 5.0, 10.0  # Å, between them (Avramov et al. 2019, section 2.1)


def bin_edges(network: Mapping[str, Any]) -> np.ndarray:
    """Borders of a network's bins, ndarray (bins + 1,), Å: half-way between centres, in the log.

    network : config with bins, bins_from and bins_to (centres of the first and last, Å)
    """
    first, last, count = network["bins_from"], network["bins_to"], network["bins"]
    step = np.log(last / first) / (count - 1)
    return first * np.exp(step * (np.arange(count + 1) - 0.5))


def soften(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (..., bins) of logits divided by a temperature: above 1, less sure."""
    log = np.log(np.maximum(probability, 1e-12)) / temperature
    raised = np.exp(log - log.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def probability_below(probability: np.ndarray, edges: np.ndarray, resolution: float) -> np.ndarray:
    """Probability that the resolution is better than so many Å.

    probability : ndarray (..., bins);  edges : as from `bin_edges`
    """
    below = np.concatenate([np.zeros((*probability.shape[:-1], 1)), probability.cumsum(-1)], -1)
    place = np.interp(np.log(resolution), np.log(edges), np.arange(len(edges)))
    low = min(int(place), len(edges) - 2)
    return below[..., low] + (place - low) * probability[..., low]


def class_probabilities(probability: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Probabilities of high (below 5 Å), medium (5-10) and low, ndarray (..., 3)."""
    high, not_low = (probability_below(probability, edges, edge) for edge in CLASS_EDGES)
    return np.stack([high, not_low - high, 1 - not_low], axis=-1)


def at_least(shares: np.ndarray, finest: float) -> list[float]:
    """Probabilities of the classes where nothing is finer than so many Å: of what cannot be, the
    first class that can has it."""
    shares_above = [max(0.0, float(p)) for p in shares]
    first = int(class_of(finest))
    return [0.0] * first + [sum(shares_above[: first + 1]), *shares_above[first + 1 :]]


def quantile(probability: np.ndarray, edges: np.ndarray, share: float) -> np.ndarray:
    """Resolution (Å) below which that share of the probability lies, ndarray (...)."""
    flat = probability.reshape(-1, probability.shape[-1])
    below = np.concatenate([np.zeros((len(flat), 1)), flat.cumsum(axis=1)], axis=1)
    below /= below[:, -1:]
    # A rise however small keeps the inverse unique where bins are empty.
    below = below * (1 - 1e-9) + np.linspace(0, 1e-9, below.shape[1])
    found = [np.interp(share, row, np.log(edges)) for row in below]
    return np.exp(found).reshape(probability.shape[:-1])


def class_of(resolution: np.ndarray | float) -> np.ndarray:
    """Number of the class (0 high, 1 medium, 2 low) of resolutions in Å.

    >>> class_of(np.array([3.4, 7.9, 12.0]))
    array([0, 1, 2])
    """
    return np.digitize(resolution, CLASS_EDGES)


REACH = 3.0  # Å from an atom up to which a voxel is counted to its chain


def chain_regions(
    model: str | Path, like: Volume, mask: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """Voxels nearest to each chain of a model: to its atoms, if one lies within REACH.

    Parameters
    ----------
    model : path, PDB or mmCIF, also .gz; its first model without water and hydrogen is taken
    like : the grid
    mask : ndarray, shape (z, y, x), bool; only its voxels are assigned

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
    _, nearest = cKDTree(atoms).query(places, distance_upper_bound=REACH)
    near = nearest < len(atoms)
    if not near.any():
        raise InputError(
            f"{model} has no atom within {REACH:g} Å of the mask: it lies elsewhere;"
            " fit it into the map, or give map= with the origin it was built in"
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
        raise no_atoms(path)
    return names, np.array(owner), np.array(atoms)
