"""The tables that `cryodl evaluate` prints and writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..engine.record import sealed, write_json

SUMS = "checksums.json"


def write_tables(folder: Path, tables: Iterable[tuple[str, list[dict]]], prefix: str = "") -> None:
    """Print tables, each as soon as it comes, and write them: NAME.md each, and tables.json.

    tables : (name, rows);  prefix : of the files' names
    """
    written = {}
    for name, rows in tables:
        text = markdown(rows)
        print(f"\n{name}\n\n{text}", flush=True)
        (folder / f"{prefix}{name}.md").write_text(text, encoding="utf-8")
        written[name] = rows
    write_json(folder / f"{prefix}tables.json", written, indent=1)
    write_json(folder / SUMS, sealed({}, SUMS, folder), indent=1)


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
