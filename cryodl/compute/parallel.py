"""Processor cores: how many a run may use, whether their threads may start, worker processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from cryodl.errors import SettingError, counted

VARIABLE = "CRYODL_THREADS"  # an environment variable, so that worker processes keep to it too

PIDS = Path("/sys/fs/cgroup/pids.max")
LEAST_MOST = 64  # threads that may be asked for on any machine
MANY = 4096  # threads; nobody meets a limit beyond


def thread_count() -> int:
    """Threads for transforms and networks."""
    asked = os.environ.get(VARIABLE, "")
    if asked.isdigit() and int(asked):
        return int(asked)
    try:
        return len(os.sched_getaffinity(0))  # fewer than the machine has, in a queue's cgroup
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def limit_threads(count: int | None) -> None:
    """Keep to `count` threads from now on, None to all cores; before Keras is imported.

    Raises
    ------
    SettingError : not a positive number
    """
    if count is None:
        return
    if count < 1:
        raise SettingError(f"{count} threads: give 1 or more")
    os.environ[VARIABLE] = str(count)
    # TensorFlow reads the first two, every library on OpenMP the third.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(count)


def check_threads(cores: int | None = None) -> None:
    """Raise SettingError where the system does not let this process have the threads that its
    libraries will start; some end the process then, others wait for ever.

    cores : that will be used; None takes `thread_count`

    Where there is a limit as many are started for a moment, since no number tells: it counts all
    processes of a user, or of a container.
    """
    cores = max(1, cores or thread_count())
    here = os.cpu_count() or 1
    most = max(LEAST_MOST, 4 * here)
    if cores > most:
        raise SettingError(
            f"{cores} threads are asked for, and this machine has"
            f" {counted(here, 'processor core')}: give {most} or fewer (--threads, {VARIABLE})"
        )
    needed = 3 * cores + 5  # for transforms, matrices and networks
    if _most_threads() > MANY + needed:
        return
    share_arenas(1)
    over, started, before = threading.Event(), [], threading.stack_size(2**18)
    try:
        for _ in range(needed):
            thread = threading.Thread(target=over.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        raise SettingError(
            f"not enough threads: this process may start {len(started)} more, and needs {needed} on"
            f" {counted(cores, 'processor core')}: raise the limit (ulimit -u, or the"
            " queue's), or use fewer cores with --threads"
        ) from None
    finally:
        over.set()
        for thread in started:
            thread.join()
        threading.stack_size(before)
        share_arenas(0)


def share_arenas(count: int) -> None:
    """Have all threads allocate from so many regions of memory, 0 for as many as the system likes;
    without it every thread reserves 64 MB of address space. Only where glibc allocates, and unless
    the user has said how many (MALLOC_ARENA_MAX)."""
    if os.environ.get("MALLOC_ARENA_MAX") or not sys.platform.startswith("linux"):
        return
    _set_malloc(-8, count)  # M_ARENA_MAX of <malloc.h>


def keep_freed_memory() -> None:
    """Have arrays that go make room for the next, as the system's default is.

    Dask has its workers give each back at once (``MALLOC_TRIM_THRESHOLD_``), by which a small map
    takes two thirds longer.
    """
    if sys.platform.startswith("linux"):
        _set_malloc(-1, 2**26)  # M_TRIM_THRESHOLD
        _set_malloc(-3, 2**25)  # M_MMAP_THRESHOLD


def _set_malloc(option: int, value: int) -> None:
    import ctypes

    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(option, value)


def _most_threads() -> float:
    """Processes and threads that the user, or the container, may have in all."""
    most = float("inf")
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        most = limit if limit != resource.RLIM_INFINITY else most
    except (ImportError, AttributeError):  # not on Windows
        pass
    try:
        return min(most, int(PIDS.read_text(encoding="ascii")))
    except (OSError, ValueError):  # none, or "max"
        return most


_at_work = threading.Lock()  # of a worker: free while it works, held while it answers or waits


@contextmanager
def deaf() -> Iterator[None]:
    """Begin threads and processes that never hear Ctrl-C: it is for the one that begins them, and
    would end workers while they begin, and commands of a queue."""
    resource_tracker.ensure_running()  # beside the first process it would let Ctrl-C in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
        with deaf():  # the first begins the processes
            return self._pool.submit(_do, work, *given)

    def map(
        self, work: Callable[..., Any], items: Iterable[Any], chunksize: int = 1
    ) -> Iterator[Any]:
        with deaf():
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a library may let it in again
    _at_work.acquire()
    threading.Thread(target=_end_with_parent, args=(told,), daemon=True).start()
    if start is not None:
        start(*given)


def _do(work: Callable[..., Any], *given: Any) -> Any:
    _at_work.release()
    try:
        return work(*given)
    finally:
        _at_work.acquire()


def _end_with_parent(told: Connection) -> None:
    """End this process when its parent says so, or is gone: killed, it cannot say anything, and
    its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this runs in a worker
    wait([told, parent.sentinel])
    # whoever reads half an answer waits for the other half
    while not _at_work.acquire(timeout=0.1) and parent.is_alive():
        pass
    os._exit(1)
