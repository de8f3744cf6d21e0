"""The end of every task: its results drawn and written into one folder, whole or not at all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.folder import whole_folder

if TYPE_CHECKING:
    from ..engine.maps.result import Result


LATER = 1.0  # seconds after its stats.json from which a file is not a run's any more


@contextmanager
def results_folder(
    output: str | os.PathLike[str] | None, *inputs: object, overwrite: bool = False
) -> Iterator[Path | None]:
    """The folder to write into, checked before anything is computed; None where none is asked for.

    What an earlier run has written there, and this one has not, goes: it would pass for this one's.
    It stays where it was changed since, and where any of what is read lies in the folder.

    inputs : what is read; paths among them, and folders of results

    Raises
    ------
    OutputError : the folder has contents and may not be overwritten, or cannot be written
    """
    if output is None:
        yield None
        return
    folder = Path(output)
    before = set() if any(_lies_in(given, folder) for given in inputs) else _own_files(folder)
    with whole_folder(output, overwrite=overwrite) as work:
        yield work
    for path in before - _own_files(folder):
        with suppress(OSError):
            path.unlink()


def _lies_in(given: object, folder: Path) -> bool:
    if not isinstance(given, (str, os.PathLike)):
        return False
    place = Path(given).resolve()
    return folder.resolve() in (place, *place.parents)


def _own_files(folder: Path) -> set[Path]:
    """Files that the run of a stats.json lists there, and that are as it left them."""
    try:
        last = (folder / "stats.json").stat().st_mtime + LATER
        stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
        paths = [folder / str(name) for name in stats["files"] if Path(name).name == str(name)]
        return {path for path in paths if path.is_file() and path.stat().st_mtime <= last}
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
