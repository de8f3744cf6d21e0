"""The end of every task: its results drawn and written into one folder, whole or not at all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.folder import whole_folder

if TYPE_CHECKING:
    from ..engine.maps.result import Result


@contextmanager
def results_folder(
    output: str | os.PathLike[str] | None, *, overwrite: bool = False
) -> Iterator[Path | None]:
    """The folder to write into, checked before anything is computed; None where none is asked for.

    What an earlier run has written there, and this one has not, goes: it would pass for this one's.

    Raises
    ------
    OutputError : the folder has contents and may not be overwritten, or cannot be written
    """
    if output is None:
        yield None
        return
    folder = Path(output)
    before = _written(folder)
    with whole_folder(output, overwrite=overwrite) as work:
        yield work
    for name in before - _written(folder):
        (folder / name).unlink(missing_ok=True)


def _written(folder: Path) -> set[str]:
    """Files of a run, as its stats.json lists them; none where there is no such list."""
    try:
        stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
        return {name for name in stats["files"] if Path(name).name == name}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def finish(result: Result, work: Path | None, start: float, draw: Callable[[Path], object]) -> None:
    """Draw and save a result, if there is a folder for it, and write down the time it took.

    work : folder that is written now, or None
    draw : called with it
    start : of the task, by time.perf_counter
    """
    if work is None:
        return
    drawing = time.perf_counter()
    draw(work)
    seconds = result.stats["seconds"]
    seconds["report"] = round(time.perf_counter() - drawing, 3)
    seconds["total"] = round(time.perf_counter() - start, 3)
    written = {path.name for path in work.iterdir()} | {f"{name}.mrc" for name in result.volumes}
    result.stats["files"] = sorted({*written, "stats.json"})
    result.save(work)
