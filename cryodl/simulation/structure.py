"""Atomic models as arrays, and the density of their atoms.

Models are read with gemmi as people deposit them: hydrogens and waters are dropped, one alternate
conformation is kept, and all MODELs of an assembly are taken but only the first of an NMR ensemble.
Packed, a thousand fit in one file. Densities come from electron scattering factors (gemmi's
DensityCalculatorE).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryodl.errors import InputError
from cryodl.files.atomic_models import no_atoms, read_model
from cryodl.files.folder import whole_file
from cryodl.files.reading import check_may_be_entered, is_file, read_arrays

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif", ".pdb.gz", ".ent.gz", ".cif.gz", ".mmcif.gz")


@dataclass(frozen=True)
class Structure:
    """Heavy atoms of a molecule.

    positions : ndarray, shape (n, 3), float32, x y z in Å
    elements : ndarray, shape (n,), uint8, atomic numbers
    chains : ndarray, shape (n,), int16 or wider, counted from 0
    name : str
    """

    positions: np.ndarray
    elements: np.ndarray
    chains: np.ndarray
    name: str = ""

    def __len__(self) -> int:
        return len(self.positions)


def read_structure(path: str | Path) -> Structure:
    """Read a PDB or mmCIF file, plain or gzipped.

    Raises InputError where the file is missing, is no structure, holds no heavy atom, or one whose
    coordinates cannot be meant.
    """
    path = Path(path)
    check_may_be_entered(path)
    if not is_file(path):
        raise InputError(f"no structure file at '{path}'; give a PDB or mmCIF file")
    model_file = read_model(path)
    model_file.remove_alternative_conformations()
    model_file.remove_hydrogens()
    model_file.remove_waters()
    positions, elements, chains = [], [], []
    chain_count = 0
    for model in model_file:
        for chain in model:
            for residue in chain:
                for atom in residue:
                    number = atom.element.atomic_number
                    if number > 1:
                        positions.append((atom.pos.x, atom.pos.y, atom.pos.z))
                        elements.append(min(number, 92))
                        chains.append(chain_count)
            chain_count += 1
        if is_ensemble(model_file):
            break
    if not positions:
        raise no_atoms(path)
    return Structure(
        np.asarray(positions, np.float32),
        np.asarray(elements, np.uint8),
        np.asarray(chains, np.int16 if chain_count < 2**15 else np.int32),
        structure_name(path),
    )


def structure_name(path: Path) -> str:
    """The file's name without what tells its format."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def is_ensemble(model_file) -> bool:
    """Say whether several MODELs are alternatives (NMR) rather than parts of an assembly."""
    if len(model_file) < 2:
        return False
    key = "_exptl.method"
    if key in model_file.info and "NMR" in model_file.info[key].upper():
        return True
    # Without a method in the header: alternatives lie on top of one another, parts do not.
    first, second = (
        np.array([(a.pos.x, a.pos.y, a.pos.z) for c in model_file[i] for r in c for a in r])
        for i in (0, 1)
    )
    if len(first) != len(second) or not len(first):
        return False
    shift = float(np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)))
    return shift < 3.0


def pack_structures(structures, path: str | Path) -> None:
    """Write structures into one compressed file (coordinates rounded to 0.01 Å)."""
    structures = list(structures)
    positions = np.concatenate([s.positions - s.positions.mean(axis=0) for s in structures])
    with whole_file(path, overwrite=True) as part, open(part, "wb") as file:
        np.savez_compressed(
            file,
            positions=np.round(positions * 100).astype(np.int32),
            elements=np.concatenate([s.elements for s in structures]),
            chains=np.concatenate([s.chains for s in structures]),
            lengths=np.array([len(s) for s in structures], np.int64),
            names=np.array([s.name for s in structures]),
        )


def unpack_structures(path: str | Path) -> list[Structure]:
    """Read what `pack_structures` wrote; molecules are centred on the origin.

    Raises InputError where the file is damaged.
    """
    packed = read_arrays(path, "positions", "elements", "chains", "lengths", "names")
    positions, lengths = packed["positions"], packed["lengths"]
    elements, chains, names = packed["elements"], packed["chains"], packed["names"]
    count = len(positions) if positions.ndim == 2 else -1
    if (
        positions.shape != (count, 3)
        or not elements.shape == chains.shape == (count,)
        or lengths.ndim != 1
        or lengths.shape != names.shape
        or {lengths.dtype.kind, elements.dtype.kind, chains.dtype.kind} - set("iu")
        or positions.dtype.kind not in "iuf"
    ):
        raise InputError(f"'{path}' is damaged: its arrays do not fit each other; make it again")
    if not (lengths > 0).all() or int(lengths.sum()) != count or not (elements > 0).all():
        raise InputError(f"'{path}' is damaged: its numbers of atoms do not add up; make it again")
    if not (np.abs(positions) < 1e6).all() or elements.max(initial=1) > 92:  # 10,000 Å, uranium
        raise InputError(f"'{path}' is damaged: it has atoms that cannot be; make it again")
    ends = np.cumsum(lengths)
    starts = ends - lengths
    positions = positions.astype(np.float32) / 100
    return [
        Structure(positions[a:b], elements[a:b], chains[a:b], str(name))
        for a, b, name in zip(starts, ends, names)
    ]


def atom_density(positions, elements, shape, voxel_size, *, b_factor=0.0):
    """Sum the scattering density of atoms on a periodic grid.

    positions : ndarray, shape (n, 3), x y z in Å from the centre of voxel (0, 0, 0)
    elements : ndarray, shape (n,), atomic numbers
    shape : (z, y, x), voxels
    voxel_size : float, Å
    b_factor : float or ndarray (n,), Å², of the atoms

    So that the grid does not alias every atom is blurred by `default_blur`, which is still in the
    result: divide it out with `deblur_table`.

    Returns ndarray, shape (z, y, x), float32.
    """
    import gemmi

    nz, ny, nx = shape
    cell = gemmi.UnitCell(nx * voxel_size, ny * voxel_size, nz * voxel_size, 90, 90, 90)
    calculator = gemmi.DensityCalculatorE()
    calculator.grid.set_unit_cell(cell)
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.grid.set_size(nx, ny, nz)
    calculator.blur = default_blur(voxel_size)
    calculator.cutoff = 1e-4
    b_factors = np.broadcast_to(np.asarray(b_factor, float), (len(positions),))
    atom = gemmi.Atom()
    atom.occ = 1.0
    symbols = {int(z): gemmi.Element(int(z)) for z in np.unique(elements)}
    for (x, y, z), element, b in zip(positions.tolist(), elements.tolist(), b_factors.tolist()):
        atom.element = symbols[element]
        atom.pos = gemmi.Position(x, y, z)
        atom.b_iso = b
        calculator.add_atom_density_to_grid(atom)
    # gemmi's grid is indexed (x, y, z).
    return np.ascontiguousarray(np.asarray(calculator.grid.array).T, np.float32)


def default_blur(voxel_size: float) -> float:
    """Smallest B-factor (Å²) that keeps a Gaussian atom from aliasing on this grid.

    At the grid's Nyquist frequency 1 / (2 voxel) it leaves exp(-B / (16 voxel²)) = 2 % amplitude.
    """
    return 16 * voxel_size**2 * math.log(50)


def deblur_table(frequencies, blur):
    """Radial gain that removes `blur`; 0 beyond Nyquist, where only rounding would be amplified.

    frequencies : ndarray, 1/Å, the last of which lies at Nyquist
    """
    return np.exp(blur * frequencies**2 / 4)
