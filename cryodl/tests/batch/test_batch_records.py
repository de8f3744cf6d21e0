"""Records of a batch: each of its own row and command, and of nothing that has changed since."""

import csv
import json
import os
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="the extra [batch] is not installed")

import cryodl
from cryodl.batch.rows import read_rows
from cryodl.batch.table import write_table
from cryodl.batch.worker import do_row
from cryodl.errors import SettingError
from cryodl.tests.batch.test_batch import FSC, GOOD, job_of, maps, table_of  # noqa: F401


def record_of(name):
    return json.loads(Path("out/rows", f"{name}.json").read_text("utf-8"))


def test_figures_are_those_of_the_command_that_ran(maps):  # noqa: F811
    [row] = read_rows(table_of(GOOD[:1]), FSC)
    assert do_row(job_of(row))["status"] == "done" and record_of("a1")["figures"]
    [row] = read_rows("a1*", ["mask"])
    assert do_row(job_of(row))["status"] == "done"
    assert record_of("a1")["figures"] == {} and list(record_of("a1")["files"]) == ["mask.mrc"]
    assert os.listdir("out/maps/a1") == ["mask.mrc"] and not Path("out/rows/a1.png").exists()
    assert do_row(job_of(row))["status"] == "kept"
    Path("out/maps/a1/stats.json").write_text('{"mine": 1}', "utf-8")
    [row] = read_rows("a1*", ["classify", "--model", "dnn"])
    assert do_row(job_of(row))["status"] == "done"
    assert "class" in record_of("a1")["figures"] and "mine" not in record_of("a1")["figures"]
    assert do_row(job_of(row))["status"] == "kept"
    assert Path("out/maps/a1/stats.json").exists()  # which no command wrote


def statuses(rows, judged):
    with open(write_table(Path("out"), rows, judged), encoding="utf-8") as file:
        return [(line["status"], bool(line["resolution_0.5"])) for line in csv.DictReader(file)]


def test_a_row_that_has_changed_and_was_not_judged_again_is_left(maps):  # noqa: F811
    rows = read_rows(table_of(GOOD), FSC)
    for row in rows[:2]:
        assert do_row(job_of(row))["status"] == "done"
    assert statuses(rows, set()) == [("done", True), ("done", True), ("left", False)]
    os.replace("c1.mrc", "b1.mrc")
    assert statuses(rows, set()) == [("done", True), ("left", False), ("left", False)]
    assert do_row(job_of(rows[1]))["status"] == "done"
    assert statuses(rows, {"b1"})[1] == ("done", True)
    rows = read_rows(table_of(GOOD[:2]), [*FSC, "--voxel-size", "3"])
    os.link("b1.mrc", "c1.mrc")
    assert statuses(rows, {"b1"}) == [("left", False), ("done", True)]


@pytest.mark.parametrize("damage", [
    {"figures": [1]}, {"warnings": 3}, {"warnings": [1]}, {"sha256": ["x"]}, {"sha256": {"a": 1}},
    {"files": {"stats.json": 3}}, {"files": {"a\0": [1, "x"]}}, {"status": ["done"]},
    {"said": {}}, {"map": None},
])  # fmt: skip
def test_a_damaged_record_breaks_nothing(maps, damage):  # noqa: F811
    [row] = read_rows(table_of(GOOD[:1]), FSC)
    do_row(job_of(row))
    place = Path("out/rows/a1.json")
    place.write_text(json.dumps({**record_of("a1"), **damage}), "utf-8")
    write_table(Path("out"), [row], set())
    assert do_row(job_of(row))["status"] == ("kept" if "map" in damage else "done")
    assert record_of("a1")["map"] == "a1.mrc"


def test_no_more_workers_and_threads_than_a_machine_can_have(maps):  # noqa: F811
    with pytest.raises(SettingError, match="workers=100000 is above 256 on one machine"):
        cryodl.run_batch(table_of(GOOD), "fsc", output="out", workers=100000)
    [row] = read_rows(table_of(["a1.mrc,100000"], "map,threads"), ["classify", "--model", "dnn"])
    assert "100000 threads are asked for" in do_row(job_of(row))["error"]
