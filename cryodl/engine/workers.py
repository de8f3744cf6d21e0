"""Background processes that end with the one that began them, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any


class Workers:
    """Processes that work for this one.

    count : of processes
    start : called in each as it begins, with what is `given`
    """

    def __init__(
        self, count: int, start: Callable[..., None] | None = None, given: Sequence[Any] = ()
    ) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit the library
        self._pool = ProcessPoolExecutor(count, context, _begin, (start, *given))

    def submit(self, work: Callable[..., Any], *given: Any) -> Future:
        return self._pool.submit(work, *given)

    def map(
        self, work: Callable[..., Any], items: Iterable[Any], chunksize: int = 1
    ) -> Iterator[Any]:
        return self._pool.map(work, items, chunksize=chunksize)

    def close(self) -> None:
        """End them at once, in the middle of their work."""
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _begin(start: Callable[..., None] | None, *given: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that has begun this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if start is not None:
        start(*given)


def _end_with_parent() -> None:
    """A killed process cannot tell its workers, which would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
