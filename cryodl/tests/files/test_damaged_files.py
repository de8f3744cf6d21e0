"""Kinds of damage that files drawn at random were found to have, each by itself."""

import io
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import LONGEST, CryodlError, InputError
from cryodl.evaluation.reconstructions import load, read_judged
from cryodl.files.atomic_models import read_model
from cryodl.files.reading import MOST_PARSED, read_array, read_arrays, read_json, read_rows
from cryodl.half_maps.pair import check_half_maps
from cryodl.maps.inputs import input_map
from cryodl.resolution_maps.load import load_resolution
from cryodl.resolution_maps.statistics import _read_atoms
from cryodl.simulation import deposition_config, experiment_config
from cryodl.simulation.experiment_set import StoredExperiment, check_record
from cryodl.simulation.reconstruction_set import StoredReconstruction, check_info
from cryodl.simulation.structure import read_structure
from cryodl.tests.fuzzing.fuzz_samples import ATOMS, cube, density, mmcif, pdb_lines
from cryodl.tests.maps.test_hostile_maps import grown
from cryodl.tests.maps.test_mrc import header_and_data
from cryodl.training import stream as repeat
from cryodl.training.state import logged, read_state


def test_a_message_shows_control_characters_and_has_an_end():
    said = str(CryodlError("a\x1b[31m\x00\x9b b\x85c\u2028d\n e" + 10**5 * "x" + " end"))
    assert said.startswith("a\\x1b[31m\\x00\\x9b b c d ex") and said.endswith("x end")
    assert len(said) <= LONGEST + 20


def npy(header):
    return b"\x93NUMPY\x01\x00" + np.array([len(header)], "<u2").tobytes() + header


@pytest.mark.parametrize(
    "header",
    [b"{'descr': '<f4', 'shape': (1,\n", b"{'descr': '<f4', 'shape': (1L,), 'fortran_order': 0x}\n",
     b"(" * 5000, b"[" * 150 + b"]" * 150, b"{'shape': (1L" + b"(" * 300],
)  # fmt: skip
def test_headers_of_arrays_that_are_no_python(header, tmp_path):
    (tmp_path / "a.npy").write_bytes(npy(header))
    with pytest.raises(InputError, match="is damaged"):
        read_array(tmp_path / "a.npy")


def test_an_array_of_python_2_is_read_without_a_warning(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1L,), }\n"
    (tmp_path / "a.npy").write_bytes(npy(header) + np.float32(3).tobytes())
    assert read_array(tmp_path / "a.npy").tolist() == [3]


@pytest.mark.parametrize("order", "<>")
def test_letters_that_there_are_not(order, tmp_path):
    names = np.array([0x61, 0x110000], order + "u4").view(order + "U1")
    file = io.BytesIO()
    np.savez(file, names=names)
    (tmp_path / "a.npz").write_bytes(file.getvalue())
    with pytest.raises(InputError, match="letters that there are not"):
        read_arrays(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", names=np.array(["é", "\U0010ffff"]))
    assert read_arrays(tmp_path / "b.npz")["names"].tolist() == ["é", "\U0010ffff"]


@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan"), True, "3"])
def test_numbers_that_no_float_holds(value):
    assert not experiment_config.is_number(value)
    assert experiment_config.is_number(10**20)
    with pytest.raises(CryodlError, match="resolution: .* is no number"):
        experiment_config.full_config({"resolution": value})
    info = {"structure": "a", "config": {"resolution": value}, "measured": {}}
    with pytest.raises(InputError, match="gives its resolution as"):
        check_record(info, "record")
    with pytest.raises(ValueError, match="its resolution is"):
        check_info({"resolution": value})


def test_a_range_of_one_number():
    config = deposition_config.full_config({"voxels": [2]})
    assert deposition_config.draw(config, np.random.default_rng(0))["voxels"] == pytest.approx(2)


def test_a_key_that_is_given_twice(tmp_path, capsys):
    (tmp_path / "p.json").write_text('{"map": "a", "claimed": 3, "claimed": 4}')
    assert main(["localres", "--params", str(tmp_path / "p.json")]) == 2
    assert "it has the key 'claimed' twice" in capsys.readouterr().err
    (tmp_path / "p.json").write_text('{"map": "a", "output": []}')
    assert main(["localres", "--params", str(tmp_path / "p.json")]) == 2
    assert "output is an empty list" in capsys.readouterr().err


@pytest.mark.parametrize("read", [read_model, read_json, read_rows])
def test_what_is_too_large_is_not_read_at_all(read, tmp_path):
    with open(tmp_path / "model.pdb", "wb") as file:
        file.truncate(10**10)
    more, said = grown(lambda: read(tmp_path / "model.pdb"))
    assert more < 50 and "holds more than" in said


def test_text_whose_parts_are_tiny(tmp_path):
    (tmp_path / "a.json").write_text("[" + "[]," * (MOST_PARSED // 3) + "[]]")
    with pytest.raises(InputError, match="holds more than 8.4 MB"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("pdb", [True, False])
def test_letters_beyond_ascii_in_models(pdb, tmp_path):
    """gemmi cuts names out of bytes, and half a letter of UTF-8 is none."""
    if pdb:
        lines = [line[:21] + "\xa0" + line[22:] for line in pdb_lines().splitlines()]
        held, path = "\n".join(lines).encode("latin-1"), tmp_path / "model.pdb"
    else:
        held, path = mmcif().replace(b" A 1\n", b" \xe9 1\n"), tmp_path / "model.cif"
    assert held not in (pdb_lines().encode(), mmcif())
    path.write_bytes(b"\xef\xbb\xbf" + held)
    names, _, atoms = _read_atoms(path)
    assert names[0][0] == "X" and len(atoms) == len(read_structure(path)) == ATOMS


def test_numbers_in_hybrid_36_and_very_many_chains(tmp_path):
    lines = [line for line in pdb_lines().splitlines() if line.startswith("ATOM")]
    high = [f"ATOM  A{n:04d}{line[11:22]}A{n:03d}{line[26:]}" for n, line in enumerate(lines)]
    for name, held in (("plain", lines), ("hybrid", high)):
        (tmp_path / f"{name}.pdb").write_text("\n".join(held))
    np.testing.assert_array_equal(*(read_structure(tmp_path / f"{name}.pdb").positions
                                    for name in ("plain", "hybrid")))  # fmt: skip
    names = "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id"
    tags = [*names.split(), "label_seq_id", "Cartn_x", "Cartn_y", "Cartn_z"]
    rows = [f"ATOM {n} C CA . ALA c{n} 1 {n % 40} {n // 40 % 40} {n // 1600}" for n in range(33000)]
    text = "\n".join(["data_x", "loop_", *(f"_atom_site.{tag}" for tag in tags), *rows, ""])
    (tmp_path / "many.cif").write_text(text)
    assert read_structure(tmp_path / "many.cif").chains[-1] == 32999
    (tmp_path / "many.cif").write_text(text + "ATOM 33000 C\n")
    with pytest.raises(InputError, match="is not a readable PDB or mmCIF file"):
        read_structure(tmp_path / "many.cif")


def test_densities_beyond_all_others(tmp_path):
    values = density(0, 24)
    values[4:8, 4, 4:8] = 3e38
    (tmp_path / "map.mrc").write_bytes(header_and_data(values))
    with pytest.raises(InputError, match="has 16 values beyond 1e.15 times the others"):
        input_map(tmp_path / "map.mrc", None)
    (tmp_path / "map.mrc").write_bytes(header_and_data(np.float32(1e30) * density()))
    assert input_map(tmp_path / "map.mrc", None).data.max() < 100


def test_a_background_near_the_end_of_float32(tmp_path):
    values = np.where(density() > 0.5, 4 + density(1), 3e38).astype("f4")
    (tmp_path / "map.mrc").write_bytes(header_and_data(values))
    found = load_resolution(tmp_path / "map.mrc")
    assert found.mask.sum() == (values < 100).sum()


def test_half_maps_whose_every_other_voxel_is_the_same():
    halves = []
    for seed in (1, 2):
        values = density(seed)
        values[::2, ::2, ::2] = 0
        halves.append(SimpleNamespace(data=values, shape=values.shape, voxel_size=1.0,
                                      origin=(0, 0, 0), size=""))  # fmt: skip
    assert check_half_maps(*halves) == []


ROW = {"experiment": "0", "method": "deepres", "map": "raw", "words": ["raw"], "truth": 4.0}
ENHANCED = {**ROW, "method": "enhance", "input": 0.5, "enhanced": 0.6, "best_bfactor": 0.5,
            "relion": None}  # fmt: skip


def test_only_rows_that_are_whole_are_kept(tmp_path):
    others = [{**ROW, "truth": None}, {**ROW, "words": 3}, {**ROW, "map": ["raw"]}, [ROW],
              {**ROW, "rmse": "x"}, {**ROW, "rmse": 1e300}, {**ROW, "words": [{}]},
              {**ENHANCED, "input": None}, {**ROW, "method": "enhance"}]  # fmt: skip
    failed = {key: value for key, value in ROW.items() if key != "truth"} | {"failed": "no"}
    good = [ROW, failed, ENHANCED]
    lines = [json.dumps(row).encode() for row in [*good, *others]]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join([*lines, b"\xff\xfe", b"[" * 10**5, b"{"]))
    assert read_judged(path) == good


@pytest.mark.parametrize(
    "change, said",
    [
        ({"mask": np.zeros((24, 24, 24), "i1")}, "no signal inside its mask"),
        ({"half2": cube(2, 1)[:, :, :20]}, "half2 has 20 x 24 x 24 voxels"),
        ({"signal": np.full((24, 24, 24), np.nan, "f4")}, "signal has values that are NaN"),
        ({"half1": cube(1, 1) * np.float32(1e30)}, "half1 has densities up to"),
        ({"snr": cube(0, 0), "map": cube(1, 1)[:20]}, "map has 24 x 24 x 20 voxels, its truth"),
    ],
)
def test_maps_of_an_experiment_that_do_not_fit(change, said, tmp_path):
    maps = {name: cube(0, 0) for name in ("half1", "half2", "signal", "model")}
    maps["mask"] = (cube(0, 0) > 0.3).astype("i1")
    for name, values in (maps | change).items():
        (tmp_path / f"{name}.mrc").write_bytes(header_and_data(values))
    with pytest.raises(InputError, match=said):
        load(StoredReconstruction(tmp_path, {"resolution": 5.0}))


@pytest.mark.parametrize(
    "info",
    [[], {"measured": 3}, {"deposition": [{}]}, {"deposition": "raw"}, {"voxel_size": []},
     {"measured": {"box": "x"}}, {"apix": -1}],
)  # fmt: skip
def test_records_of_experiments_that_say_what_cannot_be(info):
    with pytest.raises(ValueError, match="."):
        check_info(info)
    check_info({"voxel_size": 1.0, "measured": {"box": 24}, "deposition": ["raw"], "apix": None})


def test_a_map_of_an_experiment_that_float32_cannot_hold(tmp_path):
    np.save(tmp_path / "map.npy", np.full((4, 4, 4), 1e300))
    with pytest.raises(InputError, match="holds no map"):
        StoredExperiment(tmp_path, {}).load("map")


@pytest.mark.parametrize(
    "change",
    [{"y": np.full((12, 2), np.nan)}, {"x": np.zeros((12, 5), "i4")}, {"y": np.zeros((12, 2, 2))},
     {"chunks": np.array([1, 2])}, {"chunks": np.array(-1)}, {"y": np.zeros((12, 3))}],
)  # fmt: skip
def test_samples_that_cannot_be_learnt_from(change, tmp_path):
    arrays = {"x": np.zeros((12, 5)), "y": np.zeros((12, 2)), "chunks": np.array(3)}
    np.savez(tmp_path / "s.npz", **{**arrays, **change})
    stream = SimpleNamespace(chunks=lambda start: iter([[(np.zeros(5), np.zeros(2))] * 9]))
    with pytest.raises(InputError, match="s.npz"):
        repeat.kept_samples(tmp_path / "s.npz", stream, 20, 60.0, 5)
    np.savez(tmp_path / "s.npz", **arrays)
    assert len(repeat.kept_samples(tmp_path / "s.npz", stream, 20, 60.0, 5)[0]) == 21


def test_where_no_samples_can_be_kept_none_are_made(tmp_path):
    os.mkfifo(tmp_path / "s.npz")
    for keep in (lambda p: repeat.kept_arrays(p, lambda: pytest.fail("made"), 5),
                 lambda p: repeat.kept_samples(p, None, 20, None, 5)):  # fmt: skip
        with pytest.raises(InputError, match="is a pipe"):
            keep(tmp_path / "s.npz")


@pytest.mark.parametrize(
    "change",
    [{"step": 1.5}, {"step": None}, {"seconds": "x"}, {"best": float("nan")}, {"monitor": 3},
     {"epochs_since_best": True}, {"start": []}, {"seconds": -1}],
)  # fmt: skip
def test_states_of_trainings_that_cannot_be(change, tmp_path):
    state = {"step": 1, "seconds": 0.5, "best": float("inf"), "epochs_since_best": 0}
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert read_state(tmp_path) == state
    (tmp_path / "state.json").write_text(json.dumps({**state, **change}))
    with pytest.raises(InputError, match=f"gives its {list(change)[0]} as"):
        read_state(tmp_path)
    (tmp_path / "log.csv").write_bytes(b"epoch,val_error\n0,\xff\n" + b"x" * 200_000)
    assert logged(tmp_path / "log.csv", "val_error") == []
