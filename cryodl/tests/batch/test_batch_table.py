"""The table of a batch: nothing that was given is lost, and nothing in it is computed."""

import csv
import json
from importlib.util import find_spec

import pytest

pytest.importorskip("distributed", reason="the extra [batch] is not installed")

from cryodl.batch.rows import Row
from cryodl.batch.table import write_table

FORMULA = '=HYPERLINK("x")'


@pytest.fixture
def table(tmp_path):
    """Rows whose figures have the names of what is carried along, or that hold formulas."""
    (tmp_path / "rows").mkdir()
    record = {"status": "done", "error": "@1", "said": "-x", "figures": {"median": -3.5, "ok": 1}}
    (tmp_path / "rows" / "a.json").write_text(json.dumps(record))
    cells = {"map": f"{FORMULA}.mrc", "#median": "MINE", "#note": "=1+1", "#low": "-4e-1"}
    rows = [Row("a", 2, cells, ("localres",)),
            Row("=b", 3, {**cells, "#note": "fine"}, ("localres",))]  # fmt: skip
    write_table(tmp_path, rows)
    assert "<h1>cryodl batch localres: " in (tmp_path / "summary.html").read_text("utf-8")
    return tmp_path / "table.csv"


def lines_of(table):
    with open(table, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_is_carried_along_stands_beside_a_figure_of_its_name(table):
    first, second = lines_of(table)
    assert (first["median"], first["#median"]) == ("-3.5", "MINE")
    assert (second["median"], second["#median"]) == ("", "MINE")
    assert first["low"] == "-4e-1" and "#low" not in first


def test_no_text_of_the_table_is_a_formula(table):
    first, second = lines_of(table)
    assert first["map"] == f"'{FORMULA}.mrc" and second["name"] == "'=b"
    assert (first["note"], first["error"], first["said"]) == ("'=1+1", "'@1", "'-x")
    assert second["note"] == "fine"


@pytest.mark.skipif(not find_spec("pyarrow"), reason="pyarrow is not installed")
def test_parquet_holds_all_as_it_is(table):
    from pyarrow import parquet

    found = parquet.read_table(table.with_suffix(".parquet")).to_pydict()
    assert found["map"][0] == f"{FORMULA}.mrc" and found["note"] == ["=1+1", "fine"]
    assert found["#median"] == ["MINE", "MINE"] and found["median"] == [-3.5, None]
