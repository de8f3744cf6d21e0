"""The end of every task: its results drawn and written into one folder, whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.folder import whole_folder
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


def finish(
    result: Result,
    work: Path | None,
    start: float,
    draw: Callable[[Path], object],
    *,
    write: Callable[[Path], object] | None = None,
    tell: Callable[[str], object] | None = None,
) -> None:
    """Save and draw a result, if there is a folder for it, and write down the time it took.

    What cannot be drawn is a warning of the result, which is complete by then.

    work : folder that is written now, or None
    draw : called with it; write : likewise, before, for results beside the maps
    tell : called with each warning of what could not be drawn
    start : of the task, by time.perf_counter
    """
    if work is None:
        return
    stats = result.stats
    result.save(work)
    if write is not None:
        write(work)
    said = len(stats.setdefault("warnings", []))
    drawing = time.perf_counter()
    with figure_of(stats, "the report"):
        draw(work)
    stats["seconds"]["report"] = round(time.perf_counter() - drawing, 3)
    stats["seconds"]["total"] = round(time.perf_counter() - start, 3)
    stats["files"] = sorted(path.name for path in work.iterdir())
    stats.update(sealed(stats, "stats.json", work))
    result.save_stats(work)
    if tell is not None:
        for line in stats["warnings"][said:]:
            tell(f"warning: {line}")


@contextmanager
def figure_of(stats: dict[str, Any], name: str) -> Iterator[None]:
    """Turn whatever goes wrong in the drawing of a file into a warning of the result.

    stats : of the result;  name : of the file
    """
    try:
        yield
    except Exception as error:  # of ours or of a library; no result shall be lost by a picture
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        stats.setdefault("warnings", []).append(
            f"{name} could not be made ({reason}); the results are complete without it"
        )
