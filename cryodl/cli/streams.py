"""Standard output and error whose failure stops no computation: results matter, words do not."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cryodl.errors import BundleWarning

# Control codes, but for those of our lines and bars, and the colours of Keras' bars.
CODES = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]|\x1b(?!\[(?:0|1|32|37)m)")


class Lenient:
    """A stream that drops what cannot be written, as when its reader has gone or a disk is full.

    It spells out control codes, as of a file's name, which a terminal would obey.

    failed : the first error, or None
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failed: OSError | None = None
        if hasattr(stream, "reconfigure"):  # a terminal without "Å" shall not end a run
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        self._try(self._stream.write, CODES.sub(lambda code: f"\\x{ord(code[0]):02x}", text))
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
