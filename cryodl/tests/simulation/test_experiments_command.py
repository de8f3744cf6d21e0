"""`cryodl experiments`: what is asked in vain is named in a line, and what is finished stays."""

import json
import os
import subprocess
import sys

import pytest

from cryodl.cli.main import main
from cryodl.simulation.structure import pack_structures
from cryodl.tests.simulation.test_simulated_experiment import molecule  # noqa: F401

SMALL = {"box": 44, "voxel_size": 2.5, "resolution": 8.0, "particles": 40}


@pytest.fixture(scope="module")
def packed(tmp_path_factory, molecule):  # noqa: F811
    path = tmp_path_factory.mktemp("structures") / "set.npz"
    pack_structures([molecule], path)
    return path


def run(capsys, *words):
    code = main(["experiments", *map(str, words)])
    return code, capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    "config, said",
    [
        ({"box": 10**9}, "box: 1000000000 is not between 0 and 400"),
        ({"box": 12}, "a box of 12 voxels: give an even number from 32 up"),
        ({"particles": 1e12}, "particles: 1000000000000.0 is not between 2 and 1e+06"),
        ({"particles": "many"}, "particles: 'many' is no number or [low, high]"),
        ({"particles": -5}, "particles: -5 is below 0"),
        ({"defocus": [30000, 5000]}, "defocus: the range [30000, 5000] ends below its beginning"),
        ({"voxel_size": float("nan")}, "voxel_size: nan is no number or [low, high]"),
        ({"wrong_pose": 1}, "has no ingredient 'wrong_pose'; did you mean 'wrong_poses'?"),
        ({"belt": 2}, "belt: 2 is no probability; give a number from 0 to 1"),
        ({"deposition": 3}, "ingredients are an object of names and numbers, not 3"),
        ({"deposition": {"order": 0}}, "order: 0 is not between 1 and 50"),
        ({"deposition": {"mask": "zones"}}, "mask: 'zones' is no number or [low, high]"),
        ({"resolution": 3, "voxel_size": 4}, "resolution 3 Å is finer than the 9.4 Å that voxels"),
    ],
)
def test_ingredients_that_cannot_be_meant(packed, tmp_path, capsys, config, said):
    (tmp_path / "config.json").write_text(json.dumps(config))
    out = tmp_path / "set"
    code, error = run(capsys, packed, "-o", out, "--count", 1, "--config", tmp_path / "config.json")
    assert code == 2 and said in error and "\n" not in error
    assert not out.exists() or not os.listdir(out)


@pytest.mark.parametrize(
    "atoms, said",
    [
        ("", "holds no readable PDB or mmCIF file"),
        ("HETATM    1  O   HOH A   1      10.000  10.000  10.000  1.00  0.00           O", "holds"),
        ("ATOM      1  CA  ALA A   1      10.000  10.000  10.000  1.00  0.00           C", "atoms"),
    ],
)
def test_structures_without_atoms(tmp_path, capsys, atoms, said):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.pdb").write_text(f"{atoms}\nEND\n")
    code, error = run(capsys, tmp_path / "models", "-o", tmp_path / "set")
    assert code == 2 and said in error and "\n" not in error
    assert not (tmp_path / "set").exists()


LITTLE_ROOM = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an error, not an end
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
from cryodl.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_no_room_is_named_and_finished_experiments_stay(packed, tmp_path, capsys):
    out, config = tmp_path / "set", tmp_path / "config.json"
    config.write_text(json.dumps(SMALL))
    words = [str(w) for w in (packed, "-o", out, "--config", config, "--count")]
    assert run(capsys, *words, 1)[0] == 0
    first = {path.name: path.read_bytes() for path in (out / "00000").iterdir()}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_ROOM, "experiments", *words, "2"],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("cryodl: ")]
    assert len(lines) == 1 and str(out / "00001") in lines[0] and "File too large" in lines[0]
    assert {path.name: path.read_bytes() for path in (out / "00000").iterdir()} == first
    assert os.listdir(out) == ["00000"]
    assert run(capsys, *words, 2)[0] == 0 and (out / "00001" / "experiment.json").is_file()
