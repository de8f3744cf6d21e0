"""Methods on experiments from particles: figures of answers that are known, and what is kept."""

import json
import resource
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import cryodl
from cryodl.cli.main import main
from cryodl.evaluation import experiments as evaluation
from cryodl.evaluation.enhancement import (
    best_bfactor,
    enhancement_tables,
    judge_enhanced,
    low_passed,
    model_fsc,
    trust_table,
)
from cryodl.evaluation.reconstructions import judge, load, measures, tables
from cryodl.filters.sharpen import apply_bfactor
from cryodl.half_maps.fsc import soft_mask
from cryodl.half_maps.pair import half_sum
from cryodl.maps.mrc import read_map, write_map
from cryodl.methods.quality.model import read_atoms
from cryodl.networks.spec import SHIPPED
from cryodl.simulation.deposition import Source, deposit
from cryodl.simulation.deposition_config import CHANCES
from cryodl.simulation.particle_experiment import simulate_particles
from cryodl.simulation.reconstruction_set import open_reconstructions, store
from cryodl.tests.simulation.test_particles import PLAIN
from cryodl.tests.simulation.test_simulated_experiment import molecule  # noqa: F401


@pytest.fixture(scope="module")
def made_set(tmp_path_factory, molecule):  # noqa: F811
    """Two experiments on one reconstruction: as it is, and in a zone on other voxels."""
    folder = tmp_path_factory.mktemp("sets") / "set"
    folder.mkdir()
    made = simulate_particles(molecule, PLAIN, 0)
    source = Source.of(made)
    untouched = dict.fromkeys(CHANCES, 0)
    plain = {"filter": "none", "mask": "none", "grid": "kept", "stored": "float32", **untouched}
    for number, config in enumerate((plain, {**plain, "mask": "zone", "grid": "cubic"})):
        store(made, deposit(source, config, number), folder / f"{number:05d}")
    return folder


@pytest.fixture(scope="module")
def experiments(made_set):
    return [load(stored) for stored in open_reconstructions(made_set)]


def test_truth_of_half_maps_is_that_of_the_deposited_map_and_of_any_scale(made_set, experiments,
                                                                          tmp_path):  # fmt: skip
    plain = experiments[0]
    ((_, words, _, truth),) = plain.maps
    assert words == ["raw"] and np.median(truth[truth > 0]) > 2 * plain.half1.voxel_size
    np.testing.assert_allclose(plain.snr[plain.mask], truth[plain.mask], rtol=0.03)
    other = shutil.copytree(made_set / "00000", tmp_path / "e")
    for name in ("half1", "half2"):
        half = read_map(other / f"{name}.mrc")
        write_map(other / f"{name}.mrc", half.with_data(3 * half.data), overwrite=True)
    again = load(open_reconstructions(other)[0])
    np.testing.assert_allclose(again.snr[again.mask], plain.snr[plain.mask], rtol=0.01)


def test_answers_that_are_known_have_their_figures(experiments):
    truths = {id(volume): truth for e in experiments for _, _, volume, truth in e.maps}
    late = {"late": lambda v: (truths[id(v)] + 0.5, np.full(v.shape, 0.6))}
    rows = [row for e in experiments for row in judge(e, late, {})]
    assert [row["words"][0] for row in rows] == ["raw", "raw"] and "zone" in rows[1]["words"]
    for row in rows:
        assert row["rmse"] == pytest.approx(0.5, abs=1e-5) and row["rank"] == 1
        assert row["bias"] == pytest.approx(0.5, abs=1e-5) and row["covered"] == 1
    found = tables([*rows, {**rows[0], "experiment": "x", "rmse": 1.5, "bias": -1.5}])
    (overall,) = found["overall"]
    assert overall["experiments"] == 3
    assert overall["rmse"] == pytest.approx(np.sqrt((0.25 + 0.25 + 2.25) / 3), abs=1e-3)
    assert overall["bias"] == pytest.approx(-0.5 / 3, abs=1e-3)
    assert {r["deposition"] for r in found["by_deposition"]} >= {"raw", "zone"}
    assert sum(r["experiments"] for r in found["by_band"]) == 3


def test_aspect_resolution_is_judged_by_its_own_truth(experiments):
    aspects = {id(v): e.aspects[name] for e in experiments for name, _, v, _ in e.maps}
    answers = {"aspect": lambda v: (aspects[id(v)], None)}
    answers["cryores"] = answers["aspect"]  # an answer to another question
    rows = [row for e in experiments for row in judge(e, answers, {})]
    found = {name: [r["rmse"] for r in rows if r["method"] == name] for name in answers}
    assert max(found["aspect"]) < 1e-5 and min(found["cryores"]) > 0.1
    unknown = replace(experiments[0], aspects={})
    assert [row["method"] for row in judge(unknown, answers, {})] == ["cryores"]


def test_what_is_coarser_than_any_answer_counts_as_the_coarsest():
    truth = np.full((10, 10, 10), 20.0)
    truth[:5] = 9.0
    found = measures(truth, np.full(truth.shape, 12.0))
    assert found["rmse"] == pytest.approx(np.sqrt((9 + 64) / 2))
    assert found["rmse_to_13"] == pytest.approx(np.sqrt((9 + 1) / 2))
    row = {"experiment": "x", "method": "m", "map": "raw", "words": [], "truth": 20.0, **found}
    (band,) = tables([row])["by_band"]
    assert (band["band"], band["rmse_to_13"]) == ("beyond 13", pytest.approx(2.236, abs=1e-3))


def test_only_voxels_with_an_answer_count_and_their_share_is_told():
    truth = np.zeros((10, 10, 10))
    truth[2:] = np.linspace(3, 5, 800).reshape(8, 10, 10)
    values = np.where(np.arange(10)[:, None, None] < 6, truth - 0.2, 0)
    found = measures(truth, values, np.full(truth.shape, 0.1))
    assert found["answered"] == 0.5 and found["covered"] == 0
    assert found["bias"] == pytest.approx(-0.2) and found["rank"] == 1
    assert measures(truth, 0 * truth) == {"answered": 0.0}


def test_the_best_bfactor_undoes_one(experiments):
    plain = experiments[0]
    wanted = low_passed(plain.model, plain.resolution)[plain.mask]
    blurred = apply_bfactor(plain.model.with_data(low_passed(plain.model, plain.resolution)), 80.0)
    bfactor, best = best_bfactor(blurred, lambda data: np.corrcoef(data[plain.mask], wanted)[0, 1])
    assert bfactor == pytest.approx(-80, abs=10) and best > 0.999


def test_the_atoms_of_an_experiment_lie_in_its_maps(made_set):  # noqa: F811
    for stored in open_reconstructions(made_set):
        atoms = read_atoms(stored.atoms())
        model = stored.volume("model")
        place = (atoms.positions - model.origin) / model.voxel_size
        here = map_coordinates(model.data, place.T[::-1], order=1)
        away = map_coordinates(model.data, place.T[::-1] + 2, order=1)
        assert here.mean() > 2 * away.mean() and set(atoms.elements) <= {6, 7, 8, 16}


def test_enhancement_is_measured_by_its_likeness_to_the_model(experiments):
    plain = experiments[0]
    ideal = plain.model.with_data(low_passed(plain.model, plain.resolution))
    trust = ideal.with_data(np.full(ideal.shape, np.float32(0.93)))
    perfect, *_ = judge_enhanced(plain, lambda *_: (ideal, trust, plain.resolution))
    assert perfect["enhanced"] == pytest.approx(1) and perfect["relion"] is None
    assert (
        perfect["fsc_enhanced"] < 1.2 * plain.resolution
        and perfect["fsc_input"] >= plain.resolution * 0.7
    )
    assert perfect["fsc_enhanced"] <= perfect["fsc_input"] + 0.2
    soft = soft_mask(plain.mask, plain.half1.voxel_size)
    found = {model_fsc(unit * plain.half1.data, plain.model, soft) for unit in (0.001, 1.0, 1000.0)}
    assert max(found) == pytest.approx(min(found), rel=1e-3)
    assert perfect["input"] <= perfect["best_bfactor"] + 0.02 < 1
    full = half_sum(plain.half1, plain.half2)
    plain = replace(plain, maps=[("unfiltered", ["raw"], full, plain.snr)])
    same, one = judge_enhanced(
        plain, lambda a, b=None: (a if b is None else half_sum(a, b), None, None)
    )
    assert one["map"] == "unfiltered" and one["enhanced"] == pytest.approx(one["input"])
    assert same["enhanced"] == pytest.approx(same["input"])
    assert same["q_enhanced"] == same["q_input"] < perfect["q_enhanced"]
    assert perfect["outside"] < 0.2 < same["outside"] < 1
    assert trust_table([perfect]) == [
        {"trust": 0.93, "right": 1.0, "off": -0.07, "voxels": perfect["voxels_8"]}
    ]
    tables = enhancement_tables([same, one])
    assert tables["enhance"][-1]["gain_least"] == pytest.approx(
        same["input"] - max(same["input"], same["best_bfactor"]), abs=1e-3
    )
    assert tables["enhance-unfiltered"][-1]["q_gain_least"] == 0


def test_what_is_judged_is_kept_and_what_is_cut_off_is_made_again(made_set, tmp_path, capsys):
    words = ["evaluate", "experiments", str(made_set), "-o", str(tmp_path / "out"), "--methods"]
    assert main([*words, "localfsc"]) == 0
    assert "| localfsc | half maps | 2 | 0 |" in (tmp_path / "out" / "overall.md").read_text()
    rows = (tmp_path / "out" / "rows.jsonl").read_text().splitlines()
    assert len(rows) == 2 and all(0 < json.loads(row)["rmse"] < 2 for row in rows)
    (tmp_path / "out" / "rows.jsonl").write_text(rows[0] + "\n" + rows[1][:40])
    capsys.readouterr()
    assert main([*words, "localfsc"]) == 0
    assert "2 experiments, 1 of them judged before" in capsys.readouterr().out
    lines: list = []  # and from Python, of what is judged
    found = cryodl.evaluate_experiments(made_set, tmp_path / "out", methods=["localfsc"],
                                        log=lines.append)  # fmt: skip
    assert found == json.loads((tmp_path / "out" / "tables.json").read_text())
    assert "2 experiments, 2 of them judged before" in lines and not capsys.readouterr().out
    again = (tmp_path / "out" / "rows.jsonl").read_text().splitlines()
    assert [json.loads(row)["experiment"] for row in again] == ["00000", "00001"]
    assert "| localfsc | half maps | 2 | 0 |" in (tmp_path / "out" / "overall.md").read_text()


def test_a_network_of_ones_own_is_measured_beside_the_shipped_one(made_set, tmp_path, capsys):
    own = shutil.copytree(SHIPPED / "unet-resmap", tmp_path / "own")
    words = ["evaluate", "experiments", str(made_set), "-o", str(tmp_path / "out"), "--methods",
             "unet-monores"]  # fmt: skip
    assert main([*words, "--bundle", f"unet-monores={own}"]) == 0
    other = (tmp_path / "out" / "overall.md").read_text()
    assert main(words) == 0
    assert "2 experiments, 0 of them judged before" in capsys.readouterr().out
    assert (tmp_path / "out" / "overall.md").read_text() != other
    rows = [json.loads(row) for row in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    assert [row.get("bundle") for row in rows] == [str(own)] * 2 + [None] * 2


def test_what_has_changed_is_judged_anew(made_set, tmp_path, monkeypatch):
    experiment = shutil.copytree(made_set / "00000", tmp_path / "set" / "00000")
    own = shutil.copytree(SHIPPED / "unet-resmap", tmp_path / "own")

    def judged_before():
        lines: list = []
        found = cryodl.evaluate_experiments(experiment, tmp_path / "out", methods="unet-resmap",
            bundles={"unet-resmap": str(own)}, log=lines.append)  # fmt: skip
        assert len((tmp_path / "out" / "rows.jsonl").read_text().splitlines()) == 1
        assert len(found["overall"]) == 1
        return ("1 experiments, 1 of them judged before" in lines, found["overall"][0]["rmse"])

    first = judged_before()
    assert not first[0] and judged_before() == (True, first[1])
    model = read_map(experiment / "map.mrc")
    write_map(experiment / "map.mrc", model.with_data(model.data[::-1].copy()), overwrite=True)
    second = judged_before()
    assert not second[0] and second[1] != first[1] and judged_before()[0]
    spec = json.loads((own / "spec.json").read_text())
    (own / "spec.json").write_text(json.dumps(spec))  # another network, as far as one can see
    assert not judged_before()[0] and judged_before()[0]
    monkeypatch.setattr(evaluation, "__version__", "0")
    assert not judged_before()[0]


def test_two_evaluations_are_not_written_into_one_folder(made_set, tmp_path, capsys):
    words = ["evaluate", "experiments", str(made_set), "-o", str(tmp_path / "out")]
    with evaluation._alone(tmp_path / "out"):
        assert main(words) == 2
    said = capsys.readouterr().err
    assert "another evaluation writes into" in said and said.count("\n") == 1
    assert main([*words, "--methods", "localfsc"]) == 0


@pytest.mark.parametrize("place", ["/proc/x", "file/x", "file", "loop", "loop/x", "/dev/full/x"])
def test_a_folder_that_cannot_be_written_is_refused_in_a_line(made_set, tmp_path, monkeypatch,
                                                              capsys, place):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    words = ["evaluate", "experiments", str(made_set), "--methods", "localfsc", "-o", place]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert place.split("/x")[0] in said and said.count("\n") == 1


def test_a_disk_that_is_full_is_told_in_a_line(made_set, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["evaluate", "experiments", str(made_set), "--methods", "localfsc", "-o", str(out)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
        code = main(words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    said = capsys.readouterr().err
    assert code == 2 and f"cannot write to {out}: File too large" in said and said.count("\n") == 1
    assert main(words) == 0


@pytest.mark.parametrize(
    "words, said",
    [
        (["SET", "-o", "out", "--bundle", "localfsc=x"], "'localfsc=x' is not METHOD=FOLDER"),
        (["nothing", "-o", "out"], "'nothing' holds no experiment from particles"),
        (["SET", "-o", "out", "--methods", "resmap"], "'resmap' is none of cryores, deepres"),
        (["SET", "SET", "-o", "out"], "two experiments are named 00000"),
        (["SET", "-o", "full"], "full holds other things: give a new name"),
    ],
)
def test_what_cannot_be_judged_is_named(made_set, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    code = main(["evaluate", "experiments", *(str(made_set) if w == "SET" else w for w in words)])
    error = capsys.readouterr().err.strip()
    assert code == 2 and said in error and "\n" not in error
    assert not (tmp_path / "out").exists() and (tmp_path / "full" / "thesis.txt").exists()
