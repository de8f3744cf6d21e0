"""How well a model fits its map: Q-score as defined and as MapQ has it, agreement, the archive."""

import csv
import json
from pathlib import Path

import gemmi
import numpy as np
import pytest

from cryodl import CryodlError, Volume, read_map, run_quality, write_map
from cryodl.cli.main import main
from cryodl.methods.quality import archive
from cryodl.methods.quality.agreement import NEAR, _nearest_atoms
from cryodl.methods.quality.model import read_atoms
from cryodl.methods.quality.q_score import POINTS, RADII, TRIES, directions, q_scores
from cryodl.methods.quality.run import summary
from cryodl.simulation.structure import atom_density

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "cryodl" / "tests" / "data"
ZONE, CHAIN = (ROOT / "examples" / n for n in ("emd_30342_zone.mrc.gz", "7cec_chain_A.cif.gz"))
VOXEL = 1.0


def directly(positions, volume, sigma, conformers):
    """Q as it is defined: sphere by sphere, point by point."""
    from scipy.ndimage import map_coordinates

    def density(points):
        places = (points - np.array(volume.origin)) / volume.voxel_size
        return map_coordinates(volume.data, places.T[::-1], order=1, mode="constant")

    found = []
    for i, (atom, own) in enumerate(zip(positions, conformers)):
        meets = (conformers == own) | (conformers == 0) | (own == 0)
        meets[i] = False
        values, radii = [density(atom[None])[0]] * POINTS, [0.0] * POINTS
        for radius in RADII:
            for attempt in range(TRIES):
                points = atom + radius * directions(POINTS + 2 * attempt)
                away = np.linalg.norm(points[:, None] - positions[meets], axis=2)
                free = points[(away > 0.9 * radius).all(axis=1)]
                if len(free) >= POINTS:
                    values += list(density(free))
                    radii += [radius] * len(free)
                    break
        gaussian = np.exp(-0.5 * (np.array(radii) / sigma) ** 2)
        found.append(np.corrcoef(values, gaussian)[0, 1])
    return np.array(found)


def placed(count=60):
    """Atoms of a protein, and a map of them with noise."""
    atoms = read_atoms(DATA / "1c75.pdb")
    positions = atoms.positions[:count] - atoms.positions[:count].min(axis=0) + 8
    shape = tuple(int(edge) + 9 for edge in positions.max(axis=0)[::-1])
    data = atom_density(positions, atoms.elements[:count], shape, VOXEL, b_factor=60)
    data += np.random.default_rng(0).normal(0, 0.2 * data.std(), shape)
    return positions, Volume(data, VOXEL)


def test_q_score_is_that_of_its_definition():
    positions, volume = placed()
    positions[7] = positions[6] + [0.5, 0.3, 0.0]  # so near that it takes points of small spheres
    conformers = np.zeros(len(positions), int)
    conformers[20:25], conformers[25:30] = 1, 2
    positions[25:30] = positions[20:25] + [0.4, 0.0, 0.3]
    for sigma in (0.6, 0.4):
        [found] = q_scores(positions, volume, [sigma], conformers=conformers)
        assert np.allclose(found, directly(positions, volume, sigma, conformers), atol=2e-5)


def test_q_score_of_mapq(tmp_path):
    result = run_quality(ZONE, CHAIN, claimed=3.9, output=tmp_path / "out")
    assert result.stats["q_score"] == pytest.approx(0.450601, abs=1e-3)  # MapQ's own
    assert result.stats["q_score_sigma_0.4"] == pytest.approx(0.3717, abs=1e-3)  # as jqscore
    with open(DATA / "7cec_A_q.csv", newline="") as file:
        reference = np.array([float(row["q_score"]) for row in csv.DictReader(file)])
    found = result.per_residue["q_score"]
    assert np.corrcoef(found, reference)[0, 1] > 0.999
    assert np.abs(found - reference).max() < 1e-3
    assert result.stats["expected_q"] == pytest.approx(1.1192 - 0.1775 * 3.9, abs=1e-4)
    assert 3.9 < result.stats["fsc_0.5"] < 4.5
    with open(tmp_path / "out" / "residues.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 553 and float(rows[1]["q_score"]) == pytest.approx(reference[1], abs=1e-3)
    written = gemmi.read_structure(str(tmp_path / "out" / "model.cif"))
    values = [atom.atom.b_iso for atom in written[0].all()]
    assert np.allclose(values, result.per_atom["q_score"], atol=0.01)  # as mmCIF rounds B
    lines = (tmp_path / "out" / "q_score.defattr").read_text().splitlines()
    assert lines[:4] == ["attribute: q_score", "match mode: 1-to-1", "recipient: residues",
                         f"\t/A:1\t{found[0]:.4f}"]  # fmt: skip
    assert "color byattribute r:q_score #2" in (tmp_path / "out" / "view.cxc").read_text()


def test_no_score_is_expected_where_the_line_of_expected_ones_has_ended():
    result = run_quality(ZONE, CHAIN, claimed=7.0)
    assert result.stats["expected_q"] is None
    assert "map and model agree to 4.29 Å" in result.stats["warnings"][0]
    zone = read_map(ZONE)
    inverted = run_quality(zone.with_data(-zone.data), CHAIN, claimed=3.9).stats["warnings"]
    assert "contrast looks inverted" in inverted[0]
    assert "expected" not in " ".join(summary(result.stats))


def test_a_right_model_agrees_and_a_shifted_one_does_not(tmp_path):
    positions, volume = placed(400)
    path = tmp_path / "model.pdb"
    structure = gemmi.read_structure(str(DATA / "1c75.pdb"))
    for place, atom in zip(positions, [each.atom for each in structure[0].all()]):
        atom.pos = gemmi.Position(*place)
    kept = read_atoms(DATA / "1c75.pdb").residue[:400].max()
    for chain in structure[0]:
        while len(chain) > kept:
            del chain[-1]
    structure.write_pdb(str(path))
    right = run_quality(volume, path).stats
    assert right["q_score"] > 0.6 and right["correlation"] > 0.9
    assert right["fsc_0.5"] < 4
    assert right["atom_inclusion"] > 0.9
    moved = Volume(volume.data, VOXEL, origin=(3.0, 0.0, 0.0))
    wrong = run_quality(moved, path).stats
    assert wrong["q_score"] < 0.5 * right["q_score"]
    assert wrong["correlation"] < 0.7 * right["correlation"]
    far = Volume(volume.data, VOXEL, origin=(500.0, 0.0, 0.0))
    with pytest.raises(CryodlError, match="0% of the model's atoms lie in the map's box"):
        run_quality(far, path)


MODEL = """\
ATOM      1  CA  ALA A  52      10.000  10.000  10.000  1.00 20.00           C
ATOM      2  CA  GLY A  52A     13.800  10.000  10.000  1.00 20.00           C
ATOM      3  CB AALA A  53      16.000  12.500  10.000  0.50 20.00           C
ATOM      4  CB BALA A  53      16.000  12.500  10.600  0.50 20.00           C
ATOM      5  H   ALA A  53      16.500  12.500  10.000  1.00 20.00           H
HETATM    6 ZN    ZN A 201      16.000  17.000  10.000  1.00 20.00          ZN
HETATM    7  O   HOH A 301      10.000  17.000  12.000  1.00 20.00           O
"""


def test_alternate_conformations_insertion_codes_ligands_and_models(tmp_path):
    second = MODEL.replace("10.000  1.00", "11.000  1.00")
    path = tmp_path / "model.pdb"
    path.write_text(f"MODEL        1\n{MODEL}ENDMDL\nMODEL        2\n{second}ENDMDL\nEND\n")
    places = np.array([[10, 10, 10], [13.8, 10, 10], [16, 12.5, 10.3], [16, 17, 10], [10, 17, 12]])
    data = atom_density(places, np.array([6, 6, 6, 30, 8]), (22, 26, 26), VOXEL, b_factor=50)
    result = run_quality(Volume(data, VOXEL), path, output=tmp_path / "out")
    residues = result.atoms.residues
    assert [(r.model, r.number, r.insertion) for r in residues][:3] == [
        ("1", "52", ""), ("1", "52", "A"), ("1", "53", "")]  # fmt: skip
    assert result.stats["atoms"] == 12 and result.stats["models"] == 2  # no hydrogens
    assert list(result.stats["chains"]) == ["1/A", "2/A"]
    assert [(one["model"], one["name"]) for one in result.stats["ligands"]] == [
        ("1", "ZN"), ("2", "ZN")]  # fmt: skip
    assert {residues[-1].kind, residues[0].kind} == {"water", "protein"}
    first = result.per_atom["q_score"][:6]
    assert (first > 0.8).all()  # both conformations, which do not see each other
    (tmp_path / "one.pdb").write_text(f"{MODEL}END\n")
    alone = run_quality(Volume(data, VOXEL), tmp_path / "one.pdb").per_atom["q_score"]
    assert np.allclose(first, alone, atol=1e-9)  # nor do the models of an ensemble
    assert result.stats["chains"]["2/A"]["q_score"] < first.mean() - 0.05
    text = (tmp_path / "out" / "q_score.defattr").read_text()
    assert "\t#2.1/A:52A\t" in text
    assert result.per_residue["correlation"].shape == (10,)


@pytest.mark.parametrize("voxel", [0.9, 2.5])  # of the larger ones many hold two atoms
def test_the_atom_nearest_to_every_voxel_is_found(voxel):
    grid = Volume(np.zeros((14, 12, 10), np.float32), voxel)
    far = (np.array(grid.shape[::-1]) - 1) * voxel
    places = np.random.default_rng(0).random((60, 3)) * far
    voxels = np.stack(np.indices(grid.shape)[::-1], axis=-1) * voxel
    away = np.linalg.norm(voxels[..., None, :] - places, axis=-1)
    known = np.where(away.min(axis=-1) < NEAR, away.argmin(axis=-1), -1)
    assert (known == -1).any() and np.array_equal(_nearest_atoms(places, grid), known)


def test_standing_in_the_archive():
    known = archive.table()
    assert known["entries"] == 25396 and sum(one["entries"] for one in known["bins"]) > 24_000
    high, low = (archive.standing(q, 3.0)["q_percentile"] for q in (0.7, 0.3))
    assert high > 95 and low < 10
    # the same Q is a better one where resolution is worse
    ranks = [archive.standing(0.45, r)["q_percentile"] for r in (2.5, 3.0, 3.5, 4.0, 5.0)]
    assert ranks == sorted(ranks) and ranks[0] < 20 < 80 < ranks[-1]
    assert archive.standing(0.5, None)["resolution_of_q"] == pytest.approx(3.1, abs=0.2)
    assert "inclusion_percentile" in archive.standing(0.5, 3.0, 0.9)


def test_command_and_what_it_refuses(tmp_path, capsys):
    density, model, out = (str(tmp_path / name) for name in ("map.mrc", "model.pdb", "out"))
    data = atom_density(np.array([[10.0, 10, 10]]), np.array([6]), (20, 24, 28), VOXEL)
    write_map(density, Volume(data, VOXEL))
    assert main(["quality", density, "none.cif", "-o", out]) == 2
    assert "none.cif" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    Path(model).write_text(f"{MODEL}END\n")
    assert main(["quality", density, model, "-o", out, "--sigma", "0.4", "--level", "0.01"]) == 0
    stats = json.loads((tmp_path / "out" / "stats.json").read_text())
    assert stats["q_score"] == stats["q_score_sigma_0.4"] and stats["level"] == 0.01
    assert "sigma 0.4 Å" in capsys.readouterr().out


def test_where_the_map_is_constant_q_is_unknown(tmp_path, capsys):
    model = tmp_path / "model.pdb"
    atoms = read_atoms(DATA / "1c75.pdb")
    shift = 14 - atoms.positions.min(axis=0)
    lines = (DATA / "1c75.pdb").read_text().splitlines()
    for k, line in enumerate(lines):
        if line.startswith(("ATOM", "HETATM")):
            place = [float(line[i : i + 8]) + s for i, s in zip((30, 38, 46), shift)]
            lines[k] = line[:30] + "".join(f"{value:8.3f}" for value in place) + line[54:]
    model.write_text("\n".join(lines))
    positions = atoms.positions + shift
    shape = tuple(int(edge) + 15 for edge in positions.max(axis=0)[::-1])
    data = atom_density(positions, atoms.elements, shape, VOXEL, b_factor=60)
    cut = int(np.median(positions[:, 2]))
    for background in (0.0, 0.3):
        half, corner = data.copy(), np.full_like(data, background)
        half[:cut] = background
        corner[:6, :6, :6] = data[cut : cut + 6, 20:26, 20:26]
        result = run_quality(Volume(half, VOXEL, origin=(0.3, 0.3, 0.3)), model)
        q, low = result.per_atom["q_score"], positions[:, 2] < cut - 4
        assert np.isnan(q[low]).all() and np.isfinite(q[positions[:, 2] > cut]).all()
        assert result.stats["q_score"] == pytest.approx(np.nanmean(q), abs=1e-4)
        assert f"constant about {np.isnan(q).sum()} atoms ({np.isnan(q).mean():.1%})" in str(
            result.stats["warnings"]
        )
        write_map(tmp_path / "corner.mrc", Volume(corner, VOXEL), overwrite=True)
        out = str(tmp_path / "out")
        assert main(["quality", str(tmp_path / "corner.mrc"), str(model), "-o", out]) == 2
        error = capsys.readouterr().err
        assert "the map is constant where the model lies" in error and "Traceback" not in error


def test_the_level_that_is_found_shows_less_noise_than_molecule(tmp_path):
    """Small atoms in a large and noisy box: a threshold of the molecule alone shows the noise."""
    atoms = read_atoms(DATA / "1c75.pdb")
    shape, rng = (72,) * 3, np.random.default_rng(0)
    places = atoms.positions - atoms.positions.mean(axis=0) + 36
    data = atom_density(places, atoms.elements, shape, VOXEL, b_factor=60)
    noisy = data + rng.normal(0, 0.7 * data[data > 0.1 * data.max()].mean(), shape)
    model = tmp_path / "model.pdb"
    structure = atoms.structure.clone()
    move = gemmi.Transform(gemmi.Mat33(), gemmi.Vec3(*(36 - atoms.positions.mean(axis=0))))
    structure[0].transform_pos_and_adp(move)
    structure.write_pdb(str(model))
    stats = run_quality(Volume(noisy, VOXEL), model).stats
    above = noisy >= stats["level"]
    near = data > 0.1 * data.max()
    assert (above & ~near).sum() < (above & near).sum()
    assert stats["level_source"].endswith("raised above the noise outside")
