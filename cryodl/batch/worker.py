"""What a worker does with a row: the command itself, and a record of what came of it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import TextIOBase
from pathlib import Path
from typing import Any, NamedTuple

from distributed import WorkerPlugin

from cryodl.batch.memory import Share
from cryodl.batch.rows import MAP_NAME, NOT_OF_ROWS, Row, first_file, parse, takes_path
from cryodl.cli.common import refuse_to_replace_inputs
from cryodl.cli.main import error_line
from cryodl.compute.device import choose_gpus, forget_networks, keep_networks
from cryodl.compute.memory import resident_memory
from cryodl.compute.parallel import check_threads, keep_freed_memory, limit_threads
from cryodl.compute.precision import VARIABLE as PRECISION
from cryodl.errors import InputError
from cryodl.files.folder import whole_file
from cryodl.files.record import KEY, file_sha256, files_of, own_files, write_json
from cryodl.methods.options import Option, differing
from cryodl.version import __version__

RESULTS, RECORDS, JOBS, BATCH = "maps", "rows", "jobs", "batch.json"  # in the output
PICTURES, THUMBNAIL = ("slices.png", "fsc.png"), (320, 240)  # the best first; their size, pixels
FILES = {"classify": "classes.json", "mask": "mask.mrc"}  # of commands that write no folder
FIGURES = {**FILES, "report": "report.json"}  # of commands that have none in stats.json
NEEDS = re.compile(r"about \d+ s and ([\d.]+) GB of memory")  # of `methods.cost.needs`
# Bytes, and times the size of a row's largest file, taken before a command names its need, or where
# it does not; the network of classify reads large tiles.
START, COPIES = {"classify": 2e9, "": 0.4e9}, 10
STATES = ("done", "failed")  # of a row's record
SHARED = "keep files and results on a filesystem that all workers share"
MOST_IDLE = 1e9  # bytes that a worker holds between rows; beyond, networks are loaded again
LARGE = 2**32  # bytes of an input folder, beyond which not all of its files are read
ENDS = 2**16  # bytes at both ends of a file, by which two machines know that it is one


class Job(NamedTuple):
    """A row as it is sent to a worker.

    row : of the table;  output : folder of the batch, absolute
    batch : mark of the batch in the output, by which a worker knows that it sees the same
    version : of cryodl, of who sends it
    seen : {file: mark}, as `mark` gives it, of the row's files
    """

    row: Row
    output: str
    batch: str
    version: str
    seen: dict[str, str]


class Setup(WorkerPlugin):
    """Begin a worker: its cores and GPU are set, and networks that it loads stay loaded. Rows that
    say nothing of precision keep to the environment of who made this.

    threads : processor cores for a row, None for as many as Dask gives the worker
    gpus : numbers, one for each worker in turn
    """

    name = "cryodl"

    def __init__(self, threads: int | None, gpus: tuple[str, ...] = ()) -> None:
        self.threads, self.gpus = threads, gpus
        self.precision = os.environ.get(PRECISION)

    def setup(self, worker: Any) -> None:
        _set(PRECISION, self.precision)
        limit_threads(self.threads or worker.state.nthreads)
        if self.gpus:
            choose_gpus(self.gpus[int(worker.name) % len(self.gpus)])
        keep_networks()
        keep_freed_memory()


def mark(path: str) -> str:
    """By which a file is known on another machine: its size, and a checksum of both ends."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            ends = file.read(ENDS)
            file.seek(max(ENDS, size - ENDS))
            ends += file.read(ENDS)
    except OSError as error:
        return error.strerror or "cannot be read"
    return f"{size} bytes, {hashlib.sha256(ends).hexdigest()[:16]}"


def check_place(job: Job) -> None:
    """Raise InputError where this worker does not see what the one that sends the row sees."""
    host = f"the worker on {platform.node()}"
    if job.version != __version__:
        raise InputError(f"{host} has cryodl {__version__}, and this is {job.version}: install one")
    try:
        same = json.loads((Path(job.output) / BATCH).read_text("utf-8"))["batch"] == job.batch
    except (OSError, ValueError, KeyError):
        same = False
    if not same:
        raise InputError(
            f"{host} does not see this batch in {job.output}: another has begun there, or it sees "
            f"another folder; {SHARED}"
        )


def check_files(seen: Mapping[str, str]) -> None:
    """Raise InputError where this worker sees other files than the one that sends the row."""
    for path, known in seen.items():
        here = mark(path)
        if here != known:
            raise InputError(
                f"the worker on {platform.node()} sees another {path} ({here}) than the machine "
                f"that sent it ({known}): {SHARED}, and change none while a batch runs"
            )


_one_row = threading.Lock()  # a process has one standard output, and one of many libraries


def do_row(job: Job) -> dict[str, Any]:
    """Judge a row, unless it is judged already; its record tells what came of it.

    Returns name, status ("done", "failed", or "kept" where it was done before), and error.
    """
    with _one_row, _own_environment():
        return _do_row(job)


@contextmanager
def _own_environment() -> Iterator[None]:
    """What a row sets of precision, threads and GPUs is of no later row."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in {*before, *os.environ}:
            _set(name, before.get(name))


def _set(name: str, value: str | None) -> None:
    """Set an environment variable, or unset it."""
    if value is None:
        os.environ.pop(name, None)
    elif os.environ.get(name) != value:
        os.environ[name] = value


def _do_row(job: Job) -> dict[str, Any]:
    check_place(job)
    row, output = job.row, Path(job.output)
    folder, path = output / RESULTS / row.name, output / RECORDS / f"{row.name}.json"
    start = time.perf_counter()
    record: dict[str, Any] = {"name": row.name, "map": first_file(row.cells), "cells": row.cells}
    record["worker"] = f"{platform.node()}:{os.getpid()}"
    record["asked"] = asked(row)
    options: list[Option] = []
    try:
        check_files(job.seen)
        arguments = list(row.arguments)
        args, options = parse([*arguments, *_into(arguments[0], folder)])
        key = identity(args, options)
        record.update(key)
        before = read_record(path)
        if before.get("key") == key["key"] and _stands(before, folder):
            if any(before.get(name) != record[name] for name in ("map", "cells", "asked")):
                write_record(path, {**before, **record})
            return {"name": row.name, "status": "kept", "error": None}
        refuse_to_replace_inputs(args, arguments)
        if getattr(args, "threads", None):
            check_threads(args.threads)
        earlier: set[str] = set()
        if args.command in FILES:
            folder.mkdir(exist_ok=True)
            earlier = own_files(folder) - {FILES[args.command]}
        said = _run(args, record["sha256"])
        for name in earlier:  # as a command that writes a folder clears it
            (folder / name).unlink(missing_ok=True)
        record.update(status="done", error=None, said=said, **_found(folder, args.command))
        with suppress(Exception):  # no row is lost by a picture
            draw_thumbnail(folder, path.with_suffix(".png"), record["files"])
    except Exception as error:  # one row's; the others go on
        said = error_line(error, options) or f"{type(error).__name__}: {error}"
        record.update(status="failed", error=" ".join(said.split()))
    record["seconds"] = round(time.perf_counter() - start, 3)
    write_record(path, record)
    return {name: record[name] for name in ("name", "status", "error")}


def draw_thumbnail(folder: Path, path: Path, files: Iterable[str]) -> None:
    """Write a small picture of a row's results, where its files hold one."""
    from PIL import Image

    found = sorted(name for name in files if name.endswith(".png") and "/" not in name)
    names = [name for name in PICTURES if name in found] + found
    path.unlink(missing_ok=True)
    if names:
        with Image.open(folder / names[0]) as picture, whole_file(path, overwrite=True) as part:
            small = picture.convert("RGB")
            small.thumbnail(THUMBNAIL)
            small.quantize(64).save(part, "PNG")


def lost_row(job: Job) -> dict[str, Any]:
    """Record a row whose workers were killed, as systems do where memory runs out."""
    error = "its worker was killed, twice: give it more memory, or see the system's log"
    row, path = job.row, Path(job.output) / RECORDS / f"{job.row.name}.json"
    record = {"name": row.name, "map": first_file(row.cells), "cells": row.cells}
    record["asked"] = asked(row)
    write_record(path, {**record, "version": __version__, "status": "failed", "error": error})
    return {"name": row.name, "status": "failed", "error": error}


def _into(command: str, folder: Path) -> list[str]:
    """Arguments by which a command writes into a row's folder; some write one file."""
    name = FILES.get(command, "")
    out = "--json" if name.endswith(".json") else "-o"
    return [out, str(folder / name), "--overwrite"]


def _run(args: Any, files: Mapping[str, str]) -> str:
    """Run a command when there is memory for it; returns its last words."""
    jobs = ("SLURM_JOB_ID", "PBS_JOBID", "JOB_ID", "LSB_JOBID")  # each has memory of its own
    share = Share("-".join(["batch", *filter(None, map(os.environ.get, jobs))]))
    size = max((os.path.getsize(path) for path in files), default=0)
    share.take(START.get(args.command, START[""]) + COPIES * size)
    words = _Words(share)
    try:
        with redirect_stdout(words), redirect_stderr(words):
            args.run(args)
    finally:
        if resident_memory() > MOST_IDLE:
            forget_networks()
        share.give_back()
    return words.last


class _Words(TextIOBase):
    """Takes a command's words; where they name its need of memory, waits for as much.

    last : the last line that does not merely say what was written
    """

    def __init__(self, share: Share) -> None:
        self._share, self.last = share, ""

    def write(self, text: str) -> int:
        if text.strip() and not text.startswith("wrote "):
            self.last = text.strip()
        found = NEEDS.search(text)
        if found:
            self._share.take(max(float(found.group(1)) * 1e9, START[""]), tell=lambda line: None)
        return len(text)


def identity(args: Any, options: list[Option]) -> dict[str, Any]:
    """What a row's result depends on: "key" of all of it, "sha256" of the files by their names."""
    files: dict[str, str] = {}
    values: dict[str, Any] = {}
    if hasattr(args, "precision"):  # moves figures, unlike other settings of the process
        precision = args.precision or os.environ.get(PRECISION) or "auto"
        values.update({"precision": precision} if precision != "auto" else {})
    for one in differing([o for o in options if not o.process], args):
        if one.dest not in NOT_OF_ROWS:
            value = getattr(args, one.dest)
            given = value if isinstance(value, list) else [value]
            values[one.dest] = [
                _content(item, files) if isinstance(item, str) and takes_path(one, item) else item
                for item in given
            ]
    said = json.dumps([args.command, values, __version__], sort_keys=True, default=str)
    return {
        "key": hashlib.sha256(said.encode()).hexdigest(),
        "sha256": files,
        "version": __version__,
    }


def _content(value: str, files: dict[str, str]) -> str:
    """Checksum of a file, which is put down in `files`, too, or of all files of a folder; of those
    of a large one that are records and maps."""
    if os.path.isfile(value):
        files[value] = file_sha256(Path(value))
        return files[value]
    if not os.path.isdir(value):
        return value
    places = {name: Path(value) / name for name in sorted(files_of(Path(value)))}
    sizes = {name: place.stat().st_size for name, place in places.items() if place.is_file()}
    if sum(sizes.values()) > LARGE:
        sizes = {name: size for name, size in sizes.items() if name.endswith(".json")
                 or MAP_NAME.fullmatch(places[name].name)}  # fmt: skip
    said = json.dumps([[name, size, file_sha256(places[name])] for name, size in sizes.items()])
    return hashlib.sha256(said.encode()).hexdigest()


def asked(row: Row) -> str:
    """By what a row is known at a glance, when all its files cannot be read: its words, this
    version, and of its files and those of its folders the names, sizes, times and ends."""
    values = [word.partition("=")[2] or word for word in row.arguments[1:]]
    folders = [Path(value) for value in values if os.path.isdir(value)]
    inside = (os.fspath(folder / name) for folder in folders for name in files_of(folder))
    marks = {path: [mark(path), _changed(path)] for path in sorted({*row.files, *inside})}
    said = [row.arguments, __version__, os.environ.get(PRECISION), marks]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return 0


def _stands(record: Mapping[str, Any], folder: Path) -> bool:
    """Whether a row is done, and every file of its results is as it was written."""
    files = record.get("files")
    if record.get("status") != "done" or not isinstance(files, dict):
        return False
    places = {folder / name: kept for name, kept in files.items()}
    try:  # sizes first, which cost nothing
        same = all(place.stat().st_size == size for place, (size, _) in places.items())
        return same and all(file_sha256(place) == found for place, (_, found) in places.items())
    except (OSError, TypeError, ValueError):  # also of a record that is damaged
        return False


def _found(folder: Path, command: str) -> dict[str, Any]:
    """What a row's record says of its results; files: {name: [bytes, SHA-256]} of all of them."""
    path = folder / FIGURES.get(command, "stats.json")
    has_figures = path.suffix == ".json" and path.is_file()
    stats = json.loads(path.read_text("utf-8")) if has_figures else {}
    stats = stats[0] if isinstance(stats, list) else stats
    apart = ("files", KEY, "warnings", "seconds", "map")
    known = dict(stats.get(KEY) or {})  # of all that the command wrote, and has read for it
    names = [FILES[command]] if command in FILES else sorted(known or files_of(folder))
    if has_figures:
        known[path.name] = file_sha256(path)  # there it is of its content
    return {
        "figures": {name: value for name, value in stats.items() if name not in apart},
        "warnings": stats.get("warnings", []),
        "files": {name: [(folder / name).stat().st_size,
                         known.get(name) or file_sha256(folder / name)] for name in names},
    }  # fmt: skip


def read_record(path: Path) -> dict[str, Any]:
    """A row's record; empty where there is none, or what it holds is no record."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and _is_record(record) else {}


def _is_record(record: dict[str, Any]) -> bool:
    kinds: dict[str, Any] = {"error": str, "said": str, "version": str, "seconds": (int, float),
             "figures": dict, "warnings": list, "sha256": dict}  # fmt: skip
    fits = all(record.get(name) is None or isinstance(record[name], kind)
               for name, kind in kinds.items())  # fmt: skip
    if not fits or record.get("status") not in STATES:
        return False
    texts = [*(record.get("warnings") or ()), *(record.get("sha256") or {}).values()]
    return all(isinstance(text, str) for text in texts)


def write_record(path: Path, record: dict[str, Any]) -> None:
    with whole_file(path, overwrite=True) as part:
        write_json(part, record)
