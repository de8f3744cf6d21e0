"""An atomic model as arrays, its residues, and what is written with values in the place of B."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cryodl.files.atomic_models import no_atoms, read_model
from cryodl.simulation.structure import is_ensemble

PROTEIN, NUCLEIC, WATER, LIGAND = "protein", "nucleic acid", "water", "ligand"


class Residue(NamedTuple):
    """model : its number;  chain, name : as the authors call them;  number, insertion : "52", "A"
    kind : "protein", "nucleic acid", "water" or "ligand", which is all else, ions too"""

    model: str
    chain: str
    number: str
    insertion: str
    name: str
    kind: str


@dataclass(frozen=True)
class Atoms:
    """All atoms of a file but hydrogens, in its order.

    structure : gemmi.Structure
    positions : ndarray (n, 3), x y z in Å;  elements : ndarray (n,), atomic numbers
    names, altlocs : of each atom, str; "" for no alternate conformation
    residue : ndarray (n,), int, the number of each atom's residue in `residues`
    parts : ndarray (n,), int: atoms of two parts do not meet, as models of an ensemble
    """

    structure: Any
    positions: np.ndarray
    elements: np.ndarray
    names: list[str]
    altlocs: list[str]
    residue: np.ndarray
    residues: list[Residue]
    parts: np.ndarray

    @cached_property
    def conformers(self) -> np.ndarray:
        """Number of the alternate conformation of each atom, 0 for all; ndarray (n,), int."""
        return np.array([ord(letter) if letter else 0 for letter in self.altlocs])

    @cached_property
    def main(self) -> np.ndarray:
        """Atoms that make one density: the first part, the first conformation; ndarray, bool."""
        first: dict[int, str] = {}
        for residue, letter in zip(self.residue.tolist(), self.altlocs):
            if letter:
                first.setdefault(residue, letter)
        chosen = [
            not letter or letter == first[residue]
            for residue, letter in zip(self.residue.tolist(), self.altlocs)
        ]
        return np.array(chosen) & (self.parts == self.parts[0])


def read_atoms(path: str | Path) -> Atoms:
    """The atoms of a PDB or mmCIF file, plain or gzipped.

    Raises InputError where it cannot be read, or holds no atom besides hydrogens.
    """
    structure = read_model(path)
    structure.setup_entities()
    apart = is_ensemble(structure)
    positions, elements, names, altlocs, owners, parts = [], [], [], [], [], []
    residues: list[Residue] = []
    for number, model in enumerate(structure):
        for chain in model:
            for residue in chain:
                many = False
                for atom in residue:
                    element = atom.element.atomic_number
                    if element <= 1:
                        continue
                    many = True
                    positions.append(atom.pos.tolist())
                    elements.append(element)
                    names.append(atom.name)
                    altlocs.append(atom.altloc.strip("\0 "))
                    owners.append(len(residues))
                    parts.append(number if apart else 0)
                if many:
                    place = residue.seqid
                    residues.append(
                        Residue(
                            str(number + 1), chain.name, str(place.num), place.icode.strip(),
                            residue.name, _kind(residue),
                        )
                    )  # fmt: skip
    if not positions:
        raise no_atoms(path)
    return Atoms(
        structure, np.array(positions), np.minimum(elements, 92), names, altlocs,
        np.array(owners), residues, np.array(parts),
    )  # fmt: skip


def _kind(residue: Any) -> str:
    import gemmi

    if residue.is_water():
        return WATER
    known = gemmi.find_tabulated_residue(residue.name)
    if residue.entity_type == gemmi.EntityType.Polymer or known.is_standard():
        return NUCLEIC if known.is_nucleic_acid() or len(residue.name) < 3 else PROTEIN
    return LIGAND


def write_with_values(atoms: Atoms, values: np.ndarray, path: Path) -> None:
    """The model as mmCIF with values in the place of B; hydrogens get the mean of their residue.

    values : ndarray (n,), of each atom; nan is written as 0
    """
    values = np.nan_to_num(values)
    shares = np.bincount(atoms.residue, minlength=len(atoms.residues))
    means = np.bincount(atoms.residue, values, len(atoms.residues)) / shares
    number, place = -1, 0
    structure = atoms.structure.clone()
    for model in structure:
        for chain in model:
            for residue in chain:
                heavy = [atom for atom in residue if atom.element.atomic_number > 1]
                if heavy:
                    number += 1
                for atom in residue:
                    atom.b_iso = float(means[number]) if heavy else 0.0
                for atom in heavy:
                    atom.b_iso = float(values[place])
                    place += 1
    text = structure.make_mmcif_document().as_string()
    path.write_text(text, encoding="utf-8")
