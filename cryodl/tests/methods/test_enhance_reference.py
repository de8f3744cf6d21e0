"""The audit of an enhanced map by its model: what fits less well than before is said."""

import csv

import numpy as np
import pytest

from cryodl.errors import InputError
from cryodl.files.atomic_models import write_atoms
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.audit import SURFACE
from cryodl.methods.enhance.reference import ModelFit
from cryodl.methods.enhance.run import run_enhance
from cryodl.methods.quality.q_score import q_scores
from cryodl.methods.quality.run import run_quality
from cryodl.simulation.structure import atom_density
from cryodl.tests.half_maps.simulated_half_maps import packed_ball, simulate_half_maps

N, VOXEL = 48, 1.4


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A noisy map of a ball of atoms at 4 Å, and the file of its atoms, each a ligand."""
    positions, elements = packed_ball(14.0)
    first, second, _, _ = simulate_half_maps(
        positions, elements, np.zeros(len(positions), int), [4.0], VOXEL, (N, N, N)
    )
    path = tmp_path_factory.mktemp("model") / "atoms.cif"
    placed = positions + N // 2 * VOXEL
    write_atoms(path, placed, elements)
    path.write_text(path.read_text().replace(" UNK ", " LIG "))
    return first.with_data((first.data + second.data) / 2), path, placed, elements


def test_figures_before_and_after_are_those_of_quality(case, tmp_path):
    volume, path, placed, _ = case
    result = run_enhance(volume, model="linear", reference_model=path, output=tmp_path / "out")
    found = result.stats["reference_model"]
    assert found["model"] == "atoms.cif"
    for when, density in (("before", volume), ("after", result.volumes["enhanced"])):
        assert found["q_score"][when] == pytest.approx(q_scores(placed, density).mean(), abs=1e-3)
    fit = run_quality(result.volumes["enhanced"], path, level=SURFACE).stats
    assert found["atom_inclusion"]["after"] == fit["atom_inclusion"]
    with open(tmp_path / "out" / "residues.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["ligands"]) == len(placed)
    assert float(rows[5]["q_score_after"]) == pytest.approx(found["ligands"][5]["q_score"]["after"])
    assert "residues.csv" in result.stats["files"]


def test_what_is_lost_is_said(case):
    volume, path, placed, elements = case
    density = atom_density(placed, elements, (N, N, N), VOXEL)
    ideal = Volume(density / density.std() * np.float32(SURFACE), VOXEL)
    z, y, x = np.rint(placed[7][::-1] / VOXEL).astype(int)
    cut = ideal.data.copy()
    cut[z - 3 : z + 4, y - 3 : y + 4, x - 3 : x + 4] = 0
    fit, stats = ModelFit(path), {}
    fit.judge_before(ideal)
    (line,) = fit.judge_after(ideal.with_data(cut), stats)[1:]
    assert "A/8" in line and "keep it by a protect mask" in line
    assert stats["reference_model"]["ligands"][7]["atom_inclusion"] == {"before": 1, "after": 0}
    fit = ModelFit(path)
    fit.judge_before(ideal)
    (line, *_) = fit.judge_after(volume, {})
    assert "do not build into this map" in line and f"{fit.stats['q_score']['before']:.3f}" in line
    assert not fit.judge_after(ideal, {})
    (line,) = fit.judge_after(ideal.with_data(ideal.data * 0), {})
    assert line.startswith("the enhanced map holds no density where the model lies")


def test_a_map_that_correlates_less_is_said_though_its_q_score_holds(case):
    _, path, placed, elements = case
    density = atom_density(placed, elements, (N, N, N), VOXEL)
    ideal = Volume(density / density.std() * np.float32(SURFACE), VOXEL)
    fit = ModelFit(path)
    fit.judge_before(ideal)
    fit.judge_after(ideal, {})
    fit.both["after"].stats["correlation"] -= 0.1
    fit.both["after"].per_residue["q_score"][:3] -= 0.2
    (line,) = fit.warnings
    assert "(correlation " in line and f"in 3 of {len(placed)} residues" in line


def test_a_model_that_is_none_costs_no_enhancement(case, tmp_path, monkeypatch):
    from cryodl.methods.enhance import filtered

    monkeypatch.setattr(filtered, "filter_map", lambda *given: 1 / 0)
    (tmp_path / "model.pdb").write_text("nothing\n")
    with pytest.raises(InputError, match="model.pdb"):
        run_enhance(case[0], model="linear", reference_model=tmp_path / "model.pdb",
                    output=tmp_path / "out")  # fmt: skip
    assert not (tmp_path / "out").exists()
