"""The table of a batch: a line for each row, from the records that its workers left."""

from __future__ import annotations

import base64
import csv
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryodl.batch.rows import Row, first_file
from cryodl.batch.worker import RECORDS, RESULTS, read_record
from cryodl.files.folder import cannot_write, whole_file
from cryodl.report.batch_summary import write_summary
from cryodl.version import __version__

FIRST = ("map", "name", "status", "error", "seconds")
MOST_INSIDE = 1000  # rows whose pictures are held in the page itself
LAST = ("said", "warnings", "version", "sha256")


def write_table(folder: Path, rows: Sequence[Row]) -> Path:
    """Write table.csv, table.parquet (where pyarrow is installed) and summary.html.

    Rows stand as in the table that was given. Returns the path of the first.
    """
    lines = _Lines(folder, rows)
    names = dict.fromkeys(name for line in lines for name in line)
    middle = [name for name in names if name not in FIRST + LAST]
    columns = [*FIRST, *middle, *LAST]
    path = folder / "table.csv"
    try:
        with whole_file(path, overwrite=True) as part:
            with open(part, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(lines)
        with suppress(ImportError), whole_file(folder / "table.parquet", overwrite=True) as part:
            _write_parquet(path, part)
        with whole_file(folder / "summary.html", overwrite=True) as part:
            foot = f"Made by cryodl {__version__}; all figures are in table.csv."
            linked = _Lines(folder, rows, linked=True)
            write_summary(part, linked, f"cryodl batch: {folder.name}", foot)
    except OSError as error:
        raise cannot_write(path, error) from None
    return path


def _with_links(line: dict[str, Any], folder: Path, rows: int) -> dict[str, Any]:
    """A row's line with the links to its results and its picture; few pictures are held inside."""
    place, picture = f"{RESULTS}/{line['name']}", f"{RECORDS}/{line['name']}.png"
    found = dict(line)
    if line["status"] != "done":  # what lies there is of an earlier call
        return found
    if (folder / place).is_dir():
        report = f"{place}/report.html"
        found["page"] = quote(report if (folder / report).is_file() else f"{place}/")
    if (folder / picture).is_file():
        found["picture"] = quote(picture)
        if rows <= MOST_INSIDE:
            held = base64.b64encode((folder / picture).read_bytes()).decode("ascii")
            found["picture"] = f"data:image/png;base64,{held}"
    return found


class _Lines:
    """The lines of a table, read from the records as they are gone through: a large table fills no
    memory."""

    def __init__(self, folder: Path, rows: Sequence[Row], linked: bool = False) -> None:
        self._folder, self._rows, self._linked = folder, rows, linked

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            line = line_of(row, read_record(self._folder / RECORDS / f"{row.name}.json"))
            yield _with_links(line, self._folder, len(self._rows)) if self._linked else line


def line_of(row: Row, record: dict[str, Any]) -> dict[str, Any]:
    """A row's line: what was given, what came of it, and its figures, by column."""
    carried = {name: text for name, text in row.cells.items() if name not in ("map", "name")}
    return {
        "map": first_file(row.cells),
        "name": row.name,
        "status": record.get("status", "left"),
        "error": record.get("error"),
        "seconds": record.get("seconds"),
        **{name.lstrip("#"): text for name, text in carried.items()},
        **dict(_flat(record.get("figures", {}))),
        "said": record.get("said"),
        "warnings": "; ".join(record.get("warnings", [])),
        "version": record.get("version"),
        "sha256": " ".join(record.get("sha256", {}).values()),
    }


def _flat(figures: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Figures and the names of their columns: of what holds others, joined by points."""
    for name, value in figures.items():
        if isinstance(value, list) and len(value) <= 3 and value:
            value = {str(i): item for i, item in enumerate(value)}
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield f"{before}{name}", json.dumps(value)
        else:
            yield f"{before}{name}", value


def _write_parquet(table: Path, path: Path) -> None:
    from pyarrow import csv, parquet

    parquet.write_table(csv.read_csv(os.fspath(table)), os.fspath(path))
