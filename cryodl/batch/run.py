"""Thousands of maps: each row of a table judged on some worker, nothing done twice."""

from __future__ import annotations

import os
import platform
import shlex
import signal
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from cryodl.batch.options import JUDGES, OPTIONS
from cryodl.cli.common import duration
from cryodl.errors import CryodlError, OutputError, SettingError, counted
from cryodl.methods.options import MOST_WORKERS, declared

AHEAD = 3  # rows that are sent for each worker, so that none waits for the next
PAUSE = 10.0  # seconds between two words on how far it is
RECENT = 100  # rows whose rate tells the time left


@declared(OPTIONS)
def run_batch(
    table: str | os.PathLike[str],
    command: str | Sequence[str] = "localres",
    *,
    output: str | os.PathLike[str],
    scheduler: str = "local",
    workers: int | None = None,
    gpus: str | None = None,
    cores: int = 1,
    memory: str = "8GB",
    queue: str | None = None,
    jobqueue: Sequence[str] | None = None,
    notify: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Judge every row of a table as a single command would, on many workers.

    What `cryodl batch` does. A row that was judged before, from the same files by the same options
    and version, is not judged again: call it as often as it needs. A script that calls this needs
    ``if __name__ == "__main__":``, since its workers read it.

    Parameters
    ----------
    table : CSV or TSV whose columns are options of the command; a folder of maps; or a pattern
    command : such as "localres --sharpen auto", or its words
    output : folder for maps/NAME (each row's results), rows/NAME.json, table.csv, table.parquet
        (with pyarrow) and summary.html
    scheduler : "local"; "slurm", "pbs", "sge" or "lsf"; or the address of a Dask scheduler
    workers : each judges one row at a time; None takes one for each GPU, or each processor core
    gpus : numbers of this machine's GPUs, such as "0,1"; in SLURM the number for each job
    cores, memory, queue : of a job
    jobqueue : other words of dask-jobqueue's, such as "walltime=12:00:00"
    notify : called with each line worth telling

    Returns
    -------
    dict : rows, done, kept (done before), failed (numbers of rows), seconds, and table (Path)

    Raises
    ------
    CryodlError : one line with what was received and what to do; of the table, before anything runs
    KeyboardInterrupt, SystemExit : told to stop; workers are ended, and the tables written
    """
    _check_installed()
    from cryodl.batch.cluster import cluster_client
    from cryodl.batch.rows import read_rows
    from cryodl.batch.table import write_table
    from cryodl.batch.worker import do_row
    from cryodl.cli.main import COMMANDS

    start, tell = time.perf_counter(), notify or (lambda line: None)
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise SettingError(f"command={command!r} cannot be read: {error}") from None
    judges = [name for name in JUDGES if name in COMMANDS]
    if not words or words[0] not in judges:
        raise SettingError(
            f"command={' '.join(words)!r} judges no single maps: choose {', '.join(judges)}"
        )
    if scheduler == "local" and (workers or 0) > MOST_WORKERS:
        raise SettingError(f"workers={workers} is above {MOST_WORKERS} on one machine: give fewer")
    rows = read_rows(table, words)
    folder = Path(os.path.abspath(output))
    _check_folder(folder)
    news: SimpleQueue[Any] = SimpleQueue()
    state = _State(len(rows), tell)
    with _stops_noted(news) as stops:
        try:
            with cluster_client(
                scheduler, folder, workers=workers and min(workers, len(rows)), gpus=gpus,
                cores=cores, memory=memory, queue=queue, jobqueue=jobqueue,
            ) as (client, count):  # fmt: skip
                tell(f"{counted(len(rows), 'row')}; {_where(scheduler, client, count)}")
                jobs = _jobs(rows, folder, _open(folder))
                for outcome in outcomes(client, do_row, jobs, AHEAD * max(count, 8), news):
                    state.add(outcome)
                if stops:
                    tell("stopping")
        except CryodlError:
            if not stops:
                raise
            _open(folder)  # the workers were told to stop, too, and perhaps before there was one
        if stops:
            _remove_parts(folder)
        table_path = write_table(folder, rows, state.names)
    if stops:
        said = f"{state.left()}: the same command goes on"
        if stops[0] == signal.SIGINT:
            raise KeyboardInterrupt(said)
        tell(f"terminated; {said}")
        raise SystemExit(128 + stops[0])
    return {**state.counts, "rows": len(rows), "seconds": round(time.perf_counter() - start, 1),
            "table": table_path}  # fmt: skip


def _check_installed() -> None:
    missing = [name for name in ("dask", "distributed", "cryptography") if not find_spec(name)]
    if missing:
        raise SettingError(
            f"{' and '.join(missing)} not installed: pip install 'scipion-em-cryodl[batch]'"
        )


def _check_folder(folder: Path) -> None:
    """Raise OutputError where a folder cannot take a batch, before anything runs."""
    from cryodl.batch.worker import BATCH, JOBS

    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: give a folder")
    names = os.listdir(folder) if folder.exists() else []
    killed = (JOBS, f".{BATCH}.")  # of a call that was, before it wrote its mark
    if BATCH not in names and not all(name.startswith(killed) for name in names):
        raise OutputError(f"{folder} is not empty, and of no batch: give another folder")
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK):
        raise OutputError(f"folder {there} may not be written to: give another")


def _open(folder: Path) -> str:
    """Make the output ready, and mark it by what workers know it; returns the mark."""
    from cryodl.batch.worker import BATCH, RECORDS, RESULTS
    from cryodl.files.folder import cannot_write, whole_file
    from cryodl.files.record import write_json
    from cryodl.version import __version__

    batch = uuid.uuid4().hex
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / BATCH, overwrite=True) as part:
            write_json(part, {"batch": batch, "version": __version__})
        for place in (RECORDS, RESULTS):
            (folder / place).mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    return batch


def _jobs(rows: Sequence[Any], folder: Path, batch: str) -> Iterator[Any]:
    from cryodl.batch.worker import Job, mark
    from cryodl.version import __version__

    for row in rows:
        seen = {path: mark(path) for path in row.files}
        yield Job(row, str(folder), batch, __version__, seen)


@contextmanager
def _stops_noted(news: SimpleQueue[Any]) -> Iterator[list[int]]:
    """Have Ctrl-C and a polite kill end nothing in its middle, least of all Dask: they are noted.

    news : gets None when one comes
    Yields what came, by its number. A second one ends the process at once.
    """
    stops: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def note(number: int, frame: object) -> None:
        stops.append(number)
        news.put(None)
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    with suppress(ValueError):  # not in the main thread: signals are not ours to handle
        for each in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(each) != signal.SIG_IGN:  # as of a shell's background
                before[each] = signal.signal(each, note)
    try:
        yield stops
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _remove_parts(folder: Path) -> None:
    """Remove what the workers that were ended had begun."""
    from cryodl.files.folder import remove_abandoned

    for pattern in ("*/.*.part", "*/*/.*.part"):
        for path in folder.glob(pattern):
            remove_abandoned(path.with_name(path.name[1:].split(f".{platform.node()}.")[0]))


def outcomes(
    client: Any,
    work: Callable[[Any], Any],
    jobs: Iterable[Any],
    ahead: int,
    news: SimpleQueue[Any] | None = None,
) -> Iterator[Any]:
    """What became of each row, in any order; so many are with the workers at a time.

    work : done with each of the jobs
    news : where None is put when it is time to stop
    """
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    from cryodl.batch.worker import lost_row

    news = SimpleQueue() if news is None else news
    waiting, sent = iter(jobs), {}

    def send(count: int) -> None:
        for job in islice(waiting, count):
            future = client.submit(work, job, pure=False)
            sent[future.key] = job, future
            future.add_done_callback(news.put)

    send(ahead)
    while sent:
        future = news.get()
        if future is None:
            return
        job, _ = sent.pop(future.key)
        try:
            yield future.result()
        except KilledWorker:
            yield lost_row(job)
        except CancelledError as error:
            raise OutputError(
                f"the Dask scheduler is gone ({' '.join(str(error).split())[:100]}); what was "
                "judged is kept: the same command goes on"
            ) from None
        except CryodlError:
            raise
        except Exception as error:  # of no row, as a disk that is full; whatever Dask makes of it
            raise OutputError(
                f"workers cannot judge rows ({type(error).__name__}: {error}); once that is "
                "mended, the same command goes on: what was judged is kept"
            ) from None
        future.release()
        send(1)


class _State:
    """How far a batch is: counts, and a word on them now and then.

    counts : rows "done", "kept" (done before) and "failed";  names : of these rows
    """

    def __init__(self, rows: int, tell: Callable[[str], None]) -> None:
        self.counts = {"done": 0, "kept": 0, "failed": 0}
        self.names: set[str] = set()
        self._rows, self._tell = rows, tell
        self._said = time.monotonic()
        self._recent = deque([self._said], RECENT)  # when rows were judged

    def add(self, outcome: dict[str, Any]) -> None:
        self.counts[outcome["status"]] += 1
        self.names.add(outcome["name"])
        if outcome["error"]:
            self._tell(f"failed: {outcome['name']}: {outcome['error']}")
        now, left = time.monotonic(), self._rows - sum(self.counts.values())
        judged = self.counts["done"] + self.counts["failed"]
        if outcome["status"] != "kept":
            self._recent.append(now)
        if left and now - self._said < PAUSE:
            return
        self._said = now
        # of the rows judged last: the machine may have become busier, or workers more
        rate = (len(self._recent) - 1) / max(now - self._recent[0], 1e-3)
        words = [f"{self.counts['done']} done", f"{self.counts['failed']} failed"]
        words += [f"{self.counts['kept']} done before"] * (self.counts["kept"] > 0)
        words += [f"{left} left", f"{60 * rate:.1f} maps a minute"]
        words += [f"about {duration(left / rate)}"] if left and judged else []
        self._tell(", ".join(words))

    def left(self) -> str:
        ready = self.counts["done"] + self.counts["kept"]
        return f"{ready} of {self._rows} rows are done, {self.counts['failed']} failed"


def _where(scheduler: str, client: Any, workers: int) -> str:
    said = counted(workers, "worker")
    said += " so far" * ("://" in scheduler and not workers)
    said = {"local": f"{said} on this machine"}.get(scheduler, f"{said} by {scheduler}")
    link = ""
    with suppress(Exception):  # of a scheduler without one
        link = client.dashboard_link
    if link and find_spec("bokeh"):
        return f"{said}; dashboard at {link}"
    return f"{said}; for Dask's dashboard, pip install bokeh"
