"""The table of a batch: a line for each row, from the records that its workers left."""

from __future__ import annotations

import base64
import csv
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryodl.batch.rows import CARRIED, Row, first_file
from cryodl.batch.worker import RECORDS, RESULTS, asked, read_record
from cryodl.files.folder import cannot_write, whole_file
from cryodl.report.batch_summary import write_summary
from cryodl.version import __version__

FIRST = ("map", "name", "status", "error", "seconds")
MOST_INSIDE = 1000  # rows whose pictures are held in the page itself
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # begins of cells that spreadsheets compute
LAST = ("said", "warnings", "version", "sha256")


def write_table(folder: Path, rows: Sequence[Row], judged: Collection[str] | None = None) -> Path:
    """Write table.csv, table.parquet (where pyarrow is installed) and summary.html.

    Rows stand as in the table that was given. Returns the path of the first.

    judged : names of the rows that this call has been through, None for all; what an earlier one
        left of others counts where it was of the same files and options
    """
    left = {row.name for row in rows if judged is not None and row.name not in judged
            and _record(folder, row).get("asked") != asked(row)}  # fmt: skip
    shown = _shown(name for line in _Lines(folder, rows, left) for name in line)
    lines = _Lines(folder, rows, left, shown)
    middle = [name for name in shown.values() if name not in FIRST + LAST]
    columns = [*FIRST, *middle, *LAST]
    path = folder / "table.csv"
    try:
        with whole_file(path, overwrite=True) as part:
            _write_csv(part, columns, lines, _harmless)
        with suppress(ImportError), whole_file(folder / "table.parquet", overwrite=True) as part:
            _write_parquet(part, columns, lines)
        with whole_file(folder / "summary.html", overwrite=True) as part:
            foot = f"Made by cryodl {__version__}; all figures are in table.csv."
            linked = _Lines(folder, rows, left, shown, linked=True)
            write_summary(part, linked, f"cryodl batch {rows[0].arguments[0]}: {folder.name}", foot)
    except OSError as error:
        raise cannot_write(path, error) from None
    return path


def _record(folder: Path, row: Row) -> dict[str, Any]:
    return read_record(folder / RECORDS / f"{row.name}.json")


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

    def __init__(
        self,
        folder: Path,
        rows: Sequence[Row],
        left: Collection[str],
        shown: Mapping[str, str] | None = None,
        linked: bool = False,
    ) -> None:
        self._folder, self._rows, self._left, self._linked = folder, rows, left, linked
        self._shown = shown or {}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            found = line_of(row, {} if row.name in self._left else _record(self._folder, row))
            line = {self._shown.get(name, name): value for name, value in found.items()}
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
        **carried,
        **dict(_flat(record.get("figures") or {})),
        "said": record.get("said"),
        "warnings": "; ".join(record.get("warnings") or ()),
        "version": record.get("version"),
        "sha256": " ".join((record.get("sha256") or {}).values()),
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


def _shown(names: Iterable[str]) -> dict[str, str]:
    """Names of columns as the table shows them: what was carried along is without its #, unless a
    figure has that name."""
    found = dict.fromkeys(names)
    bare = {name: name.lstrip(CARRIED) for name in found}
    return {name: name if bare[name] in found else bare[name] for name in found}


def _harmless(value: Any) -> Any:
    """A cell that spreadsheets do not take for a formula: text that begins like one gets a '."""
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _write_csv(
    path: Path,
    columns: Sequence[str],
    lines: Iterable[dict[str, Any]],
    cell: Callable[[Any], Any] = lambda value: value,
) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(map(cell, columns))
        writer.writerows([cell(line.get(name)) for name in columns] for line in lines)


def _write_parquet(path: Path, columns: Sequence[str], lines: Iterable[dict[str, Any]]) -> None:
    from pyarrow import csv, parquet

    _write_csv(path, columns, lines)  # whose types of columns pyarrow finds
    parquet.write_table(csv.read_csv(os.fspath(path)), os.fspath(path))
