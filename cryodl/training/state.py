"""The folder of a training run, and how far it has come; read without Keras."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from cryodl.errors import InputError
from cryodl.files.reading import read_json, read_text

STATE = "state.json"
LOG = "log.csv"
CHECKPOINT = "checkpoint.keras"
NUMBERS = "seconds", "best"  # best may be infinite


def run_folder(output: Path) -> Path:
    """Where a training keeps its checkpoint and log: next to the bundle that it will write."""
    return output.with_name(output.name + ".training")


def read_state(out_dir) -> dict[str, Any]:
    """How far a run has come: step, seconds, best (of what is monitored), epochs_since_best.

    Raises InputError where that cannot be read.
    """
    path = Path(out_dir) / STATE
    try:
        state = read_json(path)
        _check(state)
    except (InputError, ValueError) as error:
        raise InputError(f"the run in '{out_dir}' cannot be gone on with: {error}") from None
    return state


def _check(state: Any) -> None:
    if not isinstance(state, dict):
        raise ValueError(f"{STATE} holds no object")
    for name in ("step", "epochs_since_best"):
        value = state.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
            raise ValueError(f"{STATE} gives its {name} as {value!r:.40}")
    for name in (*NUMBERS, *(["start"] if "start" in state else [])):
        value = state.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            raise ValueError(f"{STATE} gives its {name} as {value!r:.40}")
    if not 0 <= state["seconds"] < 1e12:
        raise ValueError(f"{STATE} gives its seconds as {state['seconds']!r:.40}")
    if not isinstance(state.get("monitor", ""), str):
        raise ValueError(f"{STATE} gives its monitor as {state['monitor']!r:.40}")


def logged(path: Path, name: str) -> list[float]:
    """A figure of every epoch, as far as a log holds it."""
    try:
        rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
        return [float(row[name]) for row in rows if row[name]]
    except (InputError, KeyError, ValueError, TypeError, csv.Error):
        return []
