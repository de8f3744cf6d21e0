"""The evaluation commands on a small set of experiments, with the shipped networks."""

import json
from pathlib import Path

import pytest

from cryodl.cli.main import main
from cryodl.simulation.experiment_set import make_experiment_set, open_experiment_set
from cryodl.simulation.structure import read_structure

pytest.importorskip("keras")
PROTEIN = Path(__file__).parents[1] / "data" / "1c75.pdb"


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """Two experiments at 4 to 6 Å on a small protein."""
    folder = tmp_path_factory.mktemp("set")
    config = {"margin": 14.0, "belt": 0.0}
    list(make_experiment_set([read_structure(PROTEIN)], folder, count=2, seed=3, config=config,
                             resolution=(4.0, 6.0)))  # fmt: skip
    return folder


def evaluate(method, experiments, out, *options, prefix=""):
    command = ["evaluate", method, "--experiments", experiments, "-o", out, *options]
    assert main([str(word) for word in command]) == 0
    return json.loads((out / f"{prefix}tables.json").read_text(encoding="utf-8"))


def test_single_map_resolution(experiments, tmp_path):
    tables = evaluate("single-map-resolution", experiments, tmp_path / "out", "--count", "1",
                      "--halves", "1")  # fmt: skip
    rows = {(row["method"], row["input"]): row for row in tables["single_map"]}
    for given in ("deposited", "raw", "sharpened", "mirrored"):
        row = rows["cryores", given]
        assert 0 < row["rmse"] < 8 and 0 < row["mask_iou"] <= 1
    methods = {row["method"] for row in tables["single_map_methods"]}
    assert {"cryores", "monogenic, half maps", "localfsc, half maps"} <= methods
    (mirrored,) = (r for r in tables["single_map_copies"] if r["copies"] == "raw and mirrored")
    assert mirrored["medians_apart_median"] < 0.6  # hands look alike at these resolutions


def test_resolution_class(experiments, tmp_path):
    out = tmp_path / "out"
    tables = evaluate("resolution-class", experiments, out, "--count", "2", prefix="cnn_")
    assert [row["structure"] for row in tables["experiments"]] == ["1c75", "1c75"]
    assert tables["experiments_summary"][0]["median_error"] < 2
    changes = {r["change"]: r["largest_change_of_probability"]
               for r in tables["invariances_experiment"]}  # fmt: skip
    assert changes["densities times 1e-6"] < 1e-3 and changes["box padded by 11 voxels"] < 0.02


def test_local_classes(experiments, tmp_path):
    for label in ("monogenic", "sinusoid"):
        from cryodl.methods.local_classes.samples import add_labels

        assert len(list(add_labels(open_experiment_set(experiments), label, 1))) == 1
    tables = evaluate("local-classes", experiments, tmp_path / "out", "--count", "1")
    numbers = json.dumps(tables)
    assert "monogenic" in numbers and "sinusoid" in numbers and "NaN" not in numbers


def test_postprocess(experiments, tmp_path):
    tables = evaluate("postprocess", experiments, tmp_path / "out", "--count", "1")
    assert tables["postprocess"] and tables["postprocess_summary"]
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"tables.json", "postprocess.md"} <= files
