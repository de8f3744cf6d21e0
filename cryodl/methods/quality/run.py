"""How well a model fits its map, atom by atom and shell by shell: computed, drawn and written."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.noise import INVERTED
from cryodl.errors import InputError, counted
from cryodl.maps.inputs import input_map
from cryodl.maps.mask import automatic_mask
from cryodl.maps.volume import Volume
from cryodl.methods.options import declared
from cryodl.methods.output import finish, results_folder, warnings
from cryodl.methods.quality import archive
from cryodl.methods.quality.agreement import agreement
from cryodl.methods.quality.model import LIGAND, NUCLEIC, PROTEIN, Atoms, read_atoms
from cryodl.methods.quality.options import OPTIONS
from cryodl.methods.quality.q_score import SIGMA, q_scores
from cryodl.methods.quality.write import MODEL, QualityResult, draw, write_tables

EXPECTED = {PROTEIN: (-0.1775, 1.1192), NUCLEIC: (-0.1377, 0.9973)}  # Pintilie 2020, sigma 0.6
LEAST = 4  # places of atoms
DARK = -0.2  # correlation with the model below which the map has the other sign
COARSER = 1.4  # times where map and model agree, from which a claim is doubted
COMPLETE = 0.5  # share of the atoms in the map's box, at least


@declared(OPTIONS)
def run_quality(
    volume: Volume | str | Path,
    model: str | Path,
    *,
    claimed: float | None = None,
    level: float | None = None,
    resolution_map: Volume | str | Path | None = None,
    sigma: float = SIGMA,
    voxel_size: float | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> QualityResult:
    """Say how well a model fits its map, of every atom, residue, chain and ligand.

    Parameters
    ----------
    volume : path of a map, or a Volume, shape (z, y, x)
    model : PDB or mmCIF file of the model that is fitted into it. All its models are judged, those
        of an ensemble each by itself; an atom of an alternate conformation does not see those of
        another. Hydrogens are left out.
    claimed : Å, resolution of the map: for what Q is to be expected, and the model's density is cut
        there for the correlation; None cuts it where the map-model FSC falls to 0.143
    level : contour level, for atom inclusion; None finds one by a rule
    resolution_map : local resolution of any package (Å), read at each residue
    sigma : Å, of the Q-score's Gaussian
    voxel_size : Å, where the header is wrong
    output : folder for atoms.csv, residues.csv, map_model_fsc.csv, model.cif (Q in the place of B),
        q_score.defattr, view.cxc, figures and stats.json; None writes nothing
    overwrite : replace results of an earlier run
    progress : called with (stage, steps done, steps in all)

    Returns
    -------
    QualityResult : .stats with "q_score", "correlation", "fsc_0.5" (Å), "atom_inclusion",
        "expected_q", "chains", "ligands", "archive"; .per_atom and .per_residue. Q is unknown (nan)
        of atoms outside the box and where the density is constant.

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then. No atom
        with density that varies is among what is refused.
    """
    start = time.perf_counter()
    inputs = volume, model, resolution_map
    with results_folder(output, *inputs, overwrite=overwrite, files=(MODEL,)) as work:
        density = input_map(volume, voxel_size)
        atoms = read_atoms(model)
        places = len(np.unique(atoms.positions, axis=0))
        if places < LEAST:
            raise InputError(
                f"{model} has atoms at {counted(places, 'place')}, and {LEAST} are the "
                "least that tell how a model fits"
            )
        result = _judge(density, atoms, claimed, level, resolution_map, sigma, progress)
        result.stats["model"] = Path(model).name
        result.stats["seconds"]["compute"] = round(time.perf_counter() - start, 3)
        source = Path(volume) if isinstance(volume, (str, Path)) else None
        drawn = partial(draw, result, source=source, output=output)
        finish(result, work, start, drawn, write=partial(write_tables, result))
    return result


def summary(stats: dict[str, Any]) -> list[str]:
    expected, fsc = stats["expected_q"], stats["fsc_0.5"]
    beside = "" if expected is None else f" (expected {expected:.3f})"
    end = f"{fsc:.2f} Å" if fsc else "no resolution"
    correlation = "unknown" if stats["correlation"] is None else f"{stats['correlation']:.3f}"
    lines = [
        *warnings(stats),
        f"Q-score {stats['q_score']:.4f}{beside}, sigma {stats['sigma']:g} Å, of {stats['atoms']} "
        f"atoms, {100 * stats['atom_inclusion']:.0f} % of them above level {stats['level']:.4g}; "
        f"correlation {correlation}; map-model FSC 0.5 at {end}",
    ]
    percentile = stats["archive"].get("q_percentile")
    if percentile is not None:
        lines.append(
            f"better Q-score than {percentile:.0f} % of the EMDB's entries at "
            f"{stats['claimed']:g} Å ({stats['archive']['date']}); it is the median of those at "
            f"{stats['archive']['resolution_of_q']:.1f} Å"
        )
    return lines


def _judge(
    density: Volume,
    atoms: Atoms,
    claimed: float | None,
    level: float | None,
    resolution_map: Any,
    sigma: float,
    progress: Callable[[str, int, int], None] | None,
) -> QualityResult:
    notes: list[str] = []
    place = ((atoms.positions - np.asarray(density.origin)) / density.voxel_size)[:, ::-1]
    inside = np.all((place >= 0) & (place <= np.array(density.shape) - 1), axis=1)
    if inside.mean() < COMPLETE:
        raise InputError(
            f"{inside.mean():.0%} of the model's atoms lie in the map's box: fit the model into "
            "the map, or check the map's origin"
        )
    if not inside.all():
        notes.append(f"{counted(int((~inside).sum()), 'atom')} outside of the map's box: left out")
    sigmas = (sigma, archive.SIGMA)
    scores = np.full((2, len(inside)), np.nan)
    for part in np.unique(atoms.parts):
        own = atoms.parts == part
        found = q_scores(
            atoms.positions[own], density, sigmas, conformers=atoms.conformers[own],
            progress=progress,
        )  # fmt: skip
        scores[:, own] = np.where(inside[own], found, np.nan)
    chains, names = _chains(atoms)
    fits = inside & atoms.main
    _check_varies(scores[0], inside, fits, notes)
    agreed = agreement(
        density,
        atoms.positions[fits],
        atoms.elements[fits],
        chains=chains[atoms.residue[fits]],
        residues=atoms.residue[fits],
        resolution=claimed,
    )
    source = "given"
    if level is None:
        from cryodl.report.chimerax import contour_level

        enclosing, raised = contour_level(density.data, automatic_mask(density))
        level = enclosing * density.unit
        source = "half-way from the solvent to the mean of the molecule"
        source += ", raised above the noise outside" * raised
    above = _at(density, place) >= level / density.unit
    per_atom = {"q_score": scores[0], "inside": np.where(inside, above, np.nan)}
    size = len(atoms.residues)
    per_residue = {
        "q_score": _means(scores[0], atoms.residue, size),
        "correlation": _padded(agreed.residues, size),
        "atom_inclusion": _means(per_atom["inside"], atoms.residue, size),
        "local_resolution": np.full(size, np.nan),
    }
    if resolution_map is not None:
        from cryodl.resolution_maps.load import load_resolution

        local = load_resolution(resolution_map, density=density)
        nearest = tuple(np.clip(np.rint(place).astype(int), 0, np.array(density.shape) - 1).T)
        values = np.where(local.mask, local.resolution.data, np.nan)[nearest]
        per_residue["local_resolution"] = _means(values, atoms.residue, size)
        notes += local.warnings
    if agreed.correlation is not None and agreed.correlation < DARK:
        notes.append(INVERTED)
    if claimed and agreed.fsc_05 and claimed > COARSER * agreed.fsc_05:
        notes.append(
            f"{claimed:g} Å is claimed, and map and model agree to {agreed.fsc_05:.2f} Å (FSC 0.5):"
            " the Q-score stands among those of far coarser maps, and looks better than it is; "
            "give the resolution that half maps show"
        )
    mean = float(np.nanmean(scores[1]))
    inclusion = float(np.nanmean(per_atom["inside"]))
    stats: dict[str, Any] = {
        "method": "quality",
        "q_score": _rounded(np.nanmean(scores[0])),
        "sigma": sigma,
        "q_score_sigma_0.4": _rounded(mean),
        "expected_q": _expected(atoms, claimed) if sigma == SIGMA else None,
        "correlation": _rounded(agreed.correlation),
        "fsc_0.5": _rounded(agreed.fsc_05),
        "fsc_0.143": _rounded(agreed.fsc_0143),
        "atom_inclusion": _rounded(inclusion),
        "level": float(f"{level:.5g}"),
        "level_source": source,
        "atoms": int(inside.sum()),
        "residues": size,
        "models": len({residue.model for residue in atoms.residues}),
        "chains": _of_chains(atoms, chains, names, per_atom, per_residue, agreed.chains),
        "ligands": _ligands(atoms, per_residue),
        "archive": archive.standing(mean, claimed, inclusion if source == "given" else None),
        "claimed": claimed,
        "voxel_size": density.voxel_size,
        "warnings": notes,
        "seconds": {},
    }
    return QualityResult({}, stats, density, atoms, per_atom, per_residue, agreed)


def _check_varies(q: np.ndarray, inside: np.ndarray, fits: np.ndarray, notes: list[str]) -> None:
    """Refuse a map that is constant about all atoms; note how many have an unknown Q for it."""
    if not np.nan_to_num(q[fits]).any():
        raise InputError(
            f"the map is constant where the model lies: none of its {int(inside.sum())} atoms has "
            "density that varies; fit the model into the map, or give the map before it was masked"
        )
    unknown = np.isnan(q[inside])
    if unknown.any():
        notes.append(
            f"the map is constant about {counted(int(unknown.sum()), 'atom')} "
            f"({unknown.mean():.1%}): "
            "their Q is unknown and left out of all means"
        )


def _expected(atoms: Atoms, resolution: float | None) -> float | None:
    """Q to be expected of a protein or nucleic acid at a resolution; of both, by their atoms; None
    where the lines that say so have ended."""
    kinds = np.array([residue.kind for residue in atoms.residues])[atoms.residue]
    counts = {kind: int((kinds == kind).sum()) for kind in EXPECTED}
    if resolution is None or not sum(counts.values()):
        return None
    total = sum(n * (EXPECTED[k][0] * resolution + EXPECTED[k][1]) for k, n in counts.items())
    return _rounded(total / sum(counts.values())) if total > 0 else None


def _chains(atoms: Atoms) -> tuple[np.ndarray, list[str]]:
    """Number of each residue's chain, and the chains' names; with several models "1/A"."""
    many = len({residue.model for residue in atoms.residues}) > 1
    names: dict[str, int] = {}
    numbers = [
        names.setdefault(f"{one.model}/{one.chain}" if many else one.chain, len(names))
        for one in atoms.residues
    ]
    return np.array(numbers), list(names)


def _of_chains(atoms, chains, names, per_atom, per_residue, correlations) -> dict[str, Any]:
    of_atom, correlations = chains[atoms.residue], _padded(correlations, len(names))
    q = _means(per_atom["q_score"], of_atom, len(names))
    inclusion = _means(per_atom["inside"], of_atom, len(names))
    local = _means(per_residue["local_resolution"], chains, len(names))
    counts = np.bincount(of_atom, minlength=len(names))
    return {
        name: {
            "q_score": _rounded(q[i]),
            "correlation": _rounded(correlations[i]),
            "atom_inclusion": _rounded(inclusion[i]),
            "local_resolution": _rounded(local[i]),
            "atoms": int(counts[i]),
        }
        for i, name in enumerate(names)
    }


def _ligands(atoms: Atoms, per_residue: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        {
            "model": one.model,
            "chain": one.chain,
            "number": one.number + one.insertion,
            "name": one.name,
            **{name: _rounded(values[i]) for name, values in per_residue.items()},
        }
        for i, one in enumerate(atoms.residues)
        if one.kind == LIGAND
    ]


def _at(density: Volume, place: np.ndarray) -> np.ndarray:
    from scipy.ndimage import map_coordinates

    return map_coordinates(density.data, place.T, order=1, mode="constant", prefilter=False)


def _means(values: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
    """Mean of the known values in each group, nan where there is none."""
    known = np.isfinite(values)
    count = np.bincount(group[known], minlength=size)
    total = np.bincount(group[known], values[known], size)
    return np.divide(total, count, out=np.full(size, np.nan), where=count > 0)


def _padded(values: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([values, np.full(size - len(values), np.nan)])


def _rounded(number: Any) -> float | None:
    return None if number is None or not np.isfinite(number) else round(float(number), 4)
