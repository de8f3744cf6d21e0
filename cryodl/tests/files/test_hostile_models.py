"""Atomic models: an atom that cannot be meant is named, and a column too few loses none."""

import gzip
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from cryodl.errors import InputError, SettingError
from cryodl.methods.quality.model import read_atoms
from cryodl.resolution_maps.statistics import _read_atoms
from cryodl.simulation.structure import read_structure

PDB = Path(__file__).parents[1] / "data" / "1c75.pdb"
TABLE = [
    ("group_PDB", "ATOM"), ("id", "{id}"), ("type_symbol", "C"), ("label_atom_id", "CA"),
    ("label_alt_id", "."), ("label_comp_id", "ALA"), ("label_asym_id", "A"),
    ("label_seq_id", "{id}"), ("Cartn_x", "{id}.5"), ("Cartn_y", "2"), ("Cartn_z", "3"),
]  # fmt: skip
READERS = [lambda path: read_structure(path).positions, lambda path: _read_atoms(Path(path))[2]]


def mmcif(without=(), x=None):
    columns = [(name, value) for name, value in TABLE if name not in without]
    lines = ["data_x", "loop_", *(f"_atom_site.{name}" for name, _ in columns)]
    for number in range(1, 5):
        row = [x if name == "Cartn_x" and x and number == 2 else value for name, value in columns]
        lines.append(" ".join(row).format(id=number))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "without", [(), ("label_alt_id",), ("id",), ("label_asym_id",), ("label_alt_id", "id")]
)
def test_columns_that_can_be_spared(read, without, tmp_path):
    (tmp_path / "model.cif").write_text(mmcif(without))
    expected = [[number + 0.5, 2, 3] for number in range(1, 5)]
    np.testing.assert_allclose(read(tmp_path / "model.cif"), expected)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("without", ["type_symbol", "Cartn_y"])
def test_columns_that_cannot_are_named(read, without, tmp_path):
    (tmp_path / "model.cif").write_text(mmcif((without,)))
    with pytest.raises(InputError, match=f"without _atom_site.{without}"):
        read(tmp_path / "model.cif")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("x", ["nan", "inf", "****", "?", "-1e7", "1e400"])
def test_an_atom_that_is_nowhere_is_named(read, x, tmp_path):
    (tmp_path / "model.cif").write_text(mmcif(x=x))
    with pytest.raises(InputError, match=r"atom 2 \(A/ALA 2/CA\) has coordinates"):
        read(tmp_path / "model.cif")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "coordinates",
    ["     nan     nan     nan", "****************  13.811", "1.23E999   1.000   1.000",
     "  -2.350  27.2 2  16.777", "        " * 3, " 9999.000" "9999.000" "999.000"],
)  # fmt: skip
def test_coordinates_of_pdb_files(read, coordinates, tmp_path):
    lines = PDB.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("ATOM")) + 5
    lines[at] = lines[at][:30] + coordinates + lines[at][54:]
    named = " ".join(lines[at][6:16].split())  # serial number and name
    (tmp_path / "model.pdb.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(InputError, match=f"atom {named.split()[0]} ") as caught:
        read(tmp_path / "model.pdb.gz")
    assert named.split()[1] in str(caught.value)


@pytest.mark.parametrize("read", READERS)
def test_files_that_never_end_or_are_bombs(read, tmp_path):
    os.mkfifo(tmp_path / "pipe.pdb")
    with pytest.raises(InputError, match="pipe"):
        read(tmp_path / "pipe.pdb")
    (tmp_path / "zeros.pdb.gz").write_bytes(gzip.compress(bytes(2**26)))
    with pytest.raises(InputError, match="that is no PDB or mmCIF file"):
        read(tmp_path / "zeros.pdb.gz")
    with pytest.raises(InputError, match="no|cannot"):
        read("x" * 5000 + ".pdb")


def test_without_gemmi_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gemmi", None)
    with pytest.raises(SettingError, match=r"scipion-em-cryodl\[train\]"):
        read_structure(PDB)


NO_MODEL = {  # the file, and what is said of it
    "empty": (b"", "model.pdb' holds no atoms"),
    "elements of no kind": (b"\n".join(line[:76] + b"Xx" for line in PDB.read_bytes().splitlines()
        if line.startswith(b"ATOM")), "known element"),
    "hydrogens alone": (b"ATOM      1  H   ALA A   1      11.104   6.134  -6.504  1.00  0.00"
        b"           H  \n", "hydrogen"),
    "a map": (bytes(208) + b"MAP " + bytes(2000), "is a map"),
}  # fmt: skip


@pytest.mark.parametrize("read", [read_structure, read_atoms])
@pytest.mark.parametrize("kind", NO_MODEL)
def test_a_file_without_an_atom_of_use_is_told_what_it_is(read, kind, tmp_path):
    held, said = NO_MODEL[kind]
    (tmp_path / "model.pdb").write_bytes(held)
    with pytest.raises(InputError, match=said) as caught:
        read(tmp_path / "model.pdb")
    assert "give " in str(caught.value)
