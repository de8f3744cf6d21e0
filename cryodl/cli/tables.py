"""The tables that `cryodl evaluate` prints and writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine.record import SUMS, sealed, write_json


def write_tables(folder: Path, tables: Iterable[tuple[str, list[dict]]], prefix: str = "") -> None:
    """Print tables, each as soon as it comes, and write them: NAME.md each, and tables.json.

    tables : (name, rows);  prefix : of the files' names
    """
    written = {}
    for name, rows in tables:
        text = markdown(rows)
        print(f"\n{name}\n\n{text}", flush=True)
        path = folder / f"{prefix}{name}.md"
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        written[name] = rows
    write_json(folder / f"{prefix}tables.json", written, indent=1)
    record = f"{prefix}{SUMS}"
    write_json(folder / record, sealed({}, record, folder), indent=1)


@contextmanager
def picture(name: str) -> Iterator[None]:
    """Turn whatever goes wrong in the drawing of a file into a warning; hours of computing must
    not be lost by it."""
    try:
        yield
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"warning: {name} could not be made ({reason})", flush=True)


def markdown(rows: list[dict]) -> str:
    """A table of dicts with the same keys."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
