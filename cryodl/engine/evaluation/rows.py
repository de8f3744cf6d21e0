"""What an evaluation has judged so far, kept as lines of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import MOST_TEXT, read_bytes
from ..simulate.experiment_config import is_number

NAMES = "experiment", "method", "map"
ENHANCED = "truth", "input", "enhanced", "best_bfactor"  # that a row of enhancement has
LARGEST = 1e9  # in any of its figures, which are of Å, seconds and shares


def read_judged(path: Path) -> list[dict[str, Any]]:
    """Rows of an earlier run; what was cut off or is damaged is left out, to be made again.

    Raises InputError where the file itself cannot be read.
    """
    rows = []
    for line in read_bytes(path, MOST_TEXT, "list of rows").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if _is_row(row):
            rows.append(row)
    return rows


def _is_row(row: Any) -> bool:
    """Whether this is a row as reconstructions.py makes them, or one of enhanced.py."""
    if not isinstance(row, dict) or not isinstance(row.get("words"), list):
        return False
    if not all(isinstance(text, str) for text in [*map(row.get, NAMES), *row["words"]]):
        return False
    if not isinstance(row.get("bundle", ""), str):
        return False
    figures = {key: row[key] for key in row.keys() - {*NAMES, "bundle", "words", "failed"}}
    if not all(value is None or _is_figure(value) for value in figures.values()):
        return False
    if row["method"] == "enhance":
        return "relion" in row and all(figures.get(name) is not None for name in ENHANCED)
    return isinstance(row.get("failed"), str) or figures.get("truth") is not None


def _is_figure(value: Any) -> bool:
    return is_number(value) and abs(value) < LARGEST
