"""Tables of an evaluation: rows of dicts, written as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from cryodl.files.record import SUMS, sealed, write_json


def write_tables(
    folder: Path,
    tables: Iterable[tuple[str, list[dict]]],
    say: Callable[[str], object] = print,
    prefix: str = "",
) -> dict[str, list[dict]]:
    """Say tables, each as soon as it comes, and write them: NAME.md each, and tables.json.

    tables : (name, rows);  say : takes each as text;  prefix : of the files' names

    Returns the tables by name.
    """
    written = {}
    for name, rows in tables:
        text = markdown(rows)
        say(f"\n{name}\n\n{text}")
        path = folder / f"{prefix}{name}.md"
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        written[name] = rows
    write_json(folder / f"{prefix}tables.json", written, indent=1)
    record = f"{prefix}{SUMS}"
    write_json(folder / record, sealed({}, record, folder), indent=1)
    return written


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
