"""Atomic models from PDB and mmCIF files, read by gemmi, with what it passes over mended or named.

gemmi puts an atom whose coordinates are no numbers at the origin (PDB) or nowhere (mmCIF), and
finds no atom at all where a column that it does not even need is missing.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import InputError, SettingError, counted
from cryodl.files.reading import check_is_file, read_bytes

MOST = 2**29  # bytes of a model, unpacked; the largest of the Protein Data Bank has half
FAR = 5000.0  # Å from the middle of all atoms; the largest viruses reach 1000
FORMATS = {".pdb": "Pdb", ".ent": "Pdb", ".cif": "Mmcif", ".mmcif": "Mmcif"}
ATOM_LINE = re.compile(rb"^(?:ATOM  |HETATM)[^\r\n]*", re.MULTILINE)
ASCII = bytes(range(128)) + b"X" * 128  # "?" and "_" have a meaning in mmCIF
NUMBER = re.compile(rb"\s*[-+]?(\d+\.?\d*|\.\d+)\s*")
# Columns without which gemmi finds no atom though it can do without what they say
SPARE = {"label_alt_id": ".", "id": ".", "label_asym_id": "A"}
NEEDED = "type_symbol", "Cartn_x", "Cartn_y", "Cartn_z"


def read_model(path: str | Path) -> Any:
    """A gemmi.Structure from a PDB or mmCIF file, plain, gzip or bzip2.

    Raises InputError where the file is missing, too large or no such file, or where an atom has
    coordinates that are no numbers or lie far from all others; the atom is named. Raises
    SettingError where gemmi is not installed.
    """
    try:
        import gemmi
    except ModuleNotFoundError:
        raise SettingError(
            "atomic models are read by gemmi, which is not installed: pip install "
            "'scipion-em-cryodl[train]'"
        ) from None

    check_is_file(path, "PDB or mmCIF file")
    held = _in_ascii(read_bytes(path, MOST, "PDB or mmCIF file"))
    if not held.strip():
        raise InputError(f"'{path}' holds no atoms: give a PDB or mmCIF file with some")
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    known = [FORMATS[suffix] for suffix in suffixes[-2:] if suffix in FORMATS] or ["Detect"]
    try:
        model = gemmi.read_structure_string(held, format=gemmi.CoorFormat[known[-1]])
        is_pdb = model.input_format == gemmi.CoorFormat.Pdb
        if not is_pdb and not _atoms_of(model):
            model = _with_spare_columns(path, held) or model
    except (RuntimeError, ValueError, IndexError, OSError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"'{path}' is not a readable PDB or mmCIF file ({reason})") from None
    if is_pdb:
        _check_lines(path, held)
    _check_positions(path, model)
    return model


def no_atoms(path: str | Path) -> InputError:
    """What is wrong with a model that `read_model` reads, and in which no heavy atom was found."""
    if read_bytes(path, MOST)[208:211] == b"MAP":
        return InputError(f"'{path}' is a map: give a PDB or mmCIF file")
    elements = [each.atom.element.atomic_number for part in read_model(path) for each in part.all()]
    if not elements:
        return InputError(f"'{path}' holds no atoms: give a PDB or mmCIF file with some")
    held = f"'{path}' holds {counted(len(elements), 'atom')}"
    if not any(elements):
        return InputError(f"{held}, none of a known element: give a file with their elements")
    return InputError(f"{held}, none besides hydrogen and water: give the whole model")


def write_atoms(path: Path, positions: np.ndarray, elements: np.ndarray) -> None:
    """Write atoms as an mmCIF file, each a residue of its own.

    positions : ndarray (n, 3), x y z in Å;  elements : ndarray (n,), atomic numbers
    """
    import gemmi

    symbols = {int(number): gemmi.Element(int(number)).name for number in np.unique(elements)}
    columns = "group_PDB", "id", "type_symbol", "label_atom_id", "label_comp_id", "label_asym_id", \
        "label_seq_id", "Cartn_x", "Cartn_y", "Cartn_z"  # fmt: skip
    lines = ["data_atoms", "loop_", *(f"_atom_site.{name}" for name in columns)]
    for number, (element, place) in enumerate(zip(elements, positions), 1):
        symbol = symbols[int(element)]
        where = " ".join(f"{value:.3f}" for value in place)
        lines.append(f"HETATM {number} {symbol} {symbol} UNK A {number} {where}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _in_ascii(held: bytes) -> bytes:
    """As both formats are defined. gemmi cuts names out of columns of bytes, and half a letter of
    UTF-8 is none; such letters stand in titles and remarks."""
    return held.removeprefix(codecs.BOM_UTF8).translate(ASCII)


def _atoms_of(model: Any) -> bool:
    return any(len(residue) for part in model for chain in part for residue in chain)


def _with_spare_columns(path: str | Path, held: bytes) -> Any:
    """The model of an mmCIF file that lacks columns; None where they are all there."""
    import gemmi

    document = gemmi.cif.read_string(held)
    for block in document:
        table = block.find_mmcif_category("_atom_site.")
        if not len(table):
            continue
        there = [tag.split(".", 1)[1] for tag in table.tags]
        missing = [name for name in NEEDED if name not in there]
        if missing:
            named = ", ".join(f"_atom_site.{name}" for name in missing)
            raise InputError(f"'{path}' has atoms without {named}: write it again with them")
        spare = {name: value for name, value in SPARE.items() if name not in there}
        if spare and table.loop is not None:
            for name, value in spare.items():
                table.loop.add_columns([f"_atom_site.{name}"], value)
            model = gemmi.make_structure_from_block(block)
            model.merge_chain_parts()  # as gemmi does when it reads a file
            return model
    return None


def _check_lines(path: str | Path, held: bytes) -> None:
    """See that the coordinates of a PDB file are numbers, in their columns."""
    for found in ATOM_LINE.finditer(held):
        line = found.group()
        if not all(NUMBER.fullmatch(line, at, at + 8) for at in (30, 38, 46)):
            named = " ".join(line[6:27].decode("ascii", "replace").split())
            given = " ".join(line[30:54].decode("ascii", "replace").split())
            raise InputError(
                f"'{path}': atom {named} has the coordinates '{given}', which are no three"
                " numbers: mend or delete it"
            )


def _check_positions(path: str | Path, model: Any) -> None:
    positions = np.array([each.atom.pos.tolist() for part in model for each in part.all()])
    if not len(positions):
        return
    finite = np.isfinite(positions).all(axis=1)
    middle = np.median(positions[finite], axis=0) if finite.any() else np.zeros(3)
    near = finite & (np.abs(positions - middle).max(axis=1) < FAR)
    if near.all():
        return
    odd = int(np.argmin(near))
    atoms = (each for part in model for each in part.all())
    atom = next(each for number, each in enumerate(atoms) if number == odd)
    if not finite[odd]:
        why = "coordinates that are no numbers: mend or delete it"
    else:
        x, y, z = positions[odd]
        why = f"coordinates ({x:g}, {y:g}, {z:g}) Å, far from all others: mend or delete it"
    raise InputError(f"'{path}': atom {atom.atom.serial} ({atom}) has {why}")
