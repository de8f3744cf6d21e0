"""Standard output and error whose failure stops no computation: results matter, words do not."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryodl.errors import BundleWarning
from cryodl.files.record import SUMS, sealed, write_json


class Lenient:
    """A stream that drops what cannot be written, as when its reader has gone or a disk is full.

    failed : the first error, or None
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failed: OSError | None = None
        if hasattr(stream, "reconfigure"):  # a terminal without "Å" shall not end a run
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        self._try(self._stream.write, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, act: Any, *given: str) -> None:
        try:
            act(*given)
        except OSError as error:
            self.failed = self.failed or error
            with suppress(OSError, ValueError):  # what is buffered, and what libraries write, too
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lenient_streams() -> Iterator[Lenient]:
    """Have standard output and error fail silently in a block; yields the former."""
    _fill_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err = [
        Lenient(stream or open(os.devnull, "w", encoding="utf-8")) for stream in before
    ]
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def _fill_closed() -> None:
    """Open what a shell closed by `>&-`; else the next file opened would take its number, and with
    it what libraries print."""
    number = 0
    while number <= 2:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Have our own warnings written as one sentence, without the place in the code."""
    before = warnings.showwarning

    def show(message: Any, category: Any, *place: Any, **more: Any) -> None:
        if issubclass(category, BundleWarning):
            print(f"warning: {message}", file=sys.stderr, flush=True)
        else:
            before(message, category, *place, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def write_tables(folder: Path, tables: Iterable[tuple[str, list[dict]]], prefix: str = "") -> None:
    """Print tables, each as soon as it comes, and write them: NAME.md each, and tables.json.

    tables : (name, rows);  prefix : of the files' names
    """
    written = {}
    for name, rows in tables:
        text = markdown(rows)
        print(f"\n{name}\n\n{text}", flush=True)
        path = folder / f"{prefix}{name}.md"
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        written[name] = rows
    write_json(folder / f"{prefix}tables.json", written, indent=1)
    record = f"{prefix}{SUMS}"
    write_json(folder / record, sealed({}, record, folder), indent=1)


@contextmanager
def picture(name: str) -> Iterator[None]:
    """Turn whatever goes wrong in the drawing of a file into a warning; hours of computing must
    not be lost by it."""
    try:
        yield
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"warning: {name} could not be made ({reason})", flush=True)


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
