"""Tables of an evaluation: rows of dicts, written as Markdown and JSON; and those that people give,
of real maps with the resolutions that are claimed for them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from cryodl.errors import InputError
from cryodl.files.reading import is_file, read_rows
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


NO_CLAIM = ("", "-", "?")
NUMBER = r"~?\s*(\d+(?:\.\d+)?)(?:\s.*)?"


def read_table(path):
    """Maps of a tab-separated table with columns file, resolution_A and, optionally, voxel_A.

    Numbers may stand alone, after "~" and before a remark ("~3.8", "5.8 (README)"). Rows whose
    resolution is empty, "-" or "?" are left out: they are no maps with a claim.

    Raises InputError : no such table, or nothing in it; a row that has no such number, or no file
    """
    path = Path(path)
    if not is_file(path):
        raise InputError(f"no table at '{path}'; give a tab-separated list with file, resolution_A")
    rows = read_rows(path, "file", "resolution_A")
    maps = []
    for number, entry in enumerate(rows, 2):
        claim = entry["resolution_A"].strip()
        if claim in NO_CLAIM:
            continue
        name = f"row {number} of '{path}'"
        found = re.fullmatch(NUMBER, claim)
        if found is None or not math.isfinite(float(found.group(1))):
            raise InputError(
                f"{name} has the resolution '{claim}': give a number of Å, such as 3.5, or - where "
                "none is claimed"
            )
        # one voxel size, or the edges along three axes
        voxel = re.match(r"\d+(\.\d+)?", entry.get("voxel_A", "").strip())
        places = [folder / entry["file"] for folder in (path.parent, path.parent / "maps")]
        place = next((place for place in places if is_file(place)), None)
        if place is None:
            raise InputError(
                f"{name} names '{entry['file']}', which is neither in {path.parent} nor in "
                f"{places[1].parent}"
            )
        maps.append((place, float(found.group(1)), float(voxel.group()) if voxel else None))
    if not maps:
        raise InputError(f"'{path}' has no map with a resolution: give one or more")
    return maps


def rank_correlation(first, second):
    """Spearman's coefficient, or None where one side does not vary."""
    from scipy.stats import spearmanr

    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return round(float(spearmanr(first, second)[0]), 3)
