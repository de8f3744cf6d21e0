"""Background processes that end with the one that began them, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

_at_work = threading.Lock()  # of a worker: free while it works, held while it answers or waits


class Workers:
    """Processes that work for this one.

    count : of processes
    start : called in each as it begins, with what is `given`
    """

    def __init__(
        self, count: int, start: Callable[..., None] | None = None, given: Sequence[Any] = ()
    ) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit the library
        self._told, self._tell = context.Pipe(duplex=False)  # its end says: stop
        self._pool = ProcessPoolExecutor(count, context, _begin, (self._told, start, *given))

    def submit(self, work: Callable[..., Any], *given: Any) -> Future:
        return self._pool.submit(_do, work, *given)

    def map(
        self, work: Callable[..., Any], items: Iterable[Any], chunksize: int = 1
    ) -> Iterator[Any]:
        return self._pool.map(partial(_do, work), items, chunksize=chunksize)

    def close(self) -> None:
        """End them, also in the middle of their work."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._tell.close()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _begin(told: Connection, start: Callable[..., None] | None, *given: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that has begun this one
    _at_work.acquire()
    threading.Thread(target=_end_when_told, args=(told,), daemon=True).start()
    if start is not None:
        start(*given)


def _do(work: Callable[..., Any], *given: Any) -> Any:
    _at_work.release()
    try:
        return work(*given)
    finally:
        _at_work.acquire()


def _end_when_told(told: Connection) -> None:
    """End this process when its parent says so, or is gone: killed, it cannot say anything, and
    its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this runs in a worker
    wait([told, parent.sentinel])
    # whoever reads half an answer waits for the other half
    while not _at_work.acquire(timeout=0.1) and parent.is_alive():
        pass
    os._exit(1)
