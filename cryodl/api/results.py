"""The end of every task: its results drawn and written into one folder, whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.folder import log, whole_folder
from ..engine.record import sealed

if TYPE_CHECKING:
    from ..engine.maps.result import Result


@contextmanager
def results_folder(
    output: str | os.PathLike[str] | None, *inputs: object, overwrite: bool = False
) -> Iterator[Path | None]:
    """The folder to write into, checked before anything is computed; None where none is asked for.

    What an earlier run has written there, and this one has not, goes: it would pass for this one's.
    What was changed since stays (see `whole_folder`), and all where any of what is read lies in the
    folder.

    inputs : what is read; paths among them, and folders of results

    Raises
    ------
    OutputError : the folder has contents and may not be overwritten, or cannot be written
    """
    if output is None:
        yield None
        return
    read_here = any(_lies_in(given, Path(output)) for given in inputs)
    with whole_folder(output, overwrite=overwrite, clear=not read_here) as work:
        yield work


def _lies_in(given: object, folder: Path) -> bool:
    if not isinstance(given, (str, os.PathLike)):
        return False
    place = Path(given).resolve()
    return folder.resolve() in (place, *place.parents)


def finish(result: Result, work: Path | None, start: float, draw: Callable[[Path], object]) -> None:
    """Save and draw a result, if there is a folder for it, and write down the time it took.

    The maps come first: what cannot be drawn is a warning.

    work : folder that is written now, or None
    draw : called with it
    start : of the task, by time.perf_counter
    """
    if work is None:
        return
    stats = result.stats
    result.save(work)
    drawing = time.perf_counter()
    with figure_of(stats, "the report"):
        draw(work)
    stats["seconds"]["report"] = round(time.perf_counter() - drawing, 3)
    stats["seconds"]["total"] = round(time.perf_counter() - start, 3)
    stats["files"] = sorted(path.name for path in work.iterdir())
    stats.update(sealed(stats, "stats.json", work))
    result.save_stats(work)


@contextmanager
def figure_of(stats: dict[str, Any], name: str) -> Iterator[None]:
    """Turn whatever goes wrong in the drawing of a file into a warning of the result.

    stats : of the result;  name : of the file
    """
    try:
        yield
    except OSError:  # where one file cannot be written, no other can
        raise
    except Exception as error:  # of ours or of a library; the results shall not be lost by it
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        line = f"{name} could not be made ({reason}); the results are complete without it"
        stats.setdefault("warnings", []).append(line)
        log.warning("warning: %s", line)
