"""How many processor cores a run may use: all that its process has, or as many as asked for."""

from __future__ import annotations

import os
import threading

from .errors import SettingError

VARIABLE = "CRYODL_THREADS"  # an environment variable, so that worker processes keep to it too


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

    As many are started for a moment, since no number tells: limits count all processes of a user.
    """
    cores = max(1, cores or thread_count())
    needed = 3 * cores + 5  # for transforms, matrices and networks
    over, started, before = threading.Event(), [], threading.stack_size(2**18)
    try:
        for _ in range(needed):
            thread = threading.Thread(target=over.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        raise SettingError(
            f"not enough threads: this process may start {len(started)} more, and needs {needed} on"
            f" {cores} processor core{'s' * (cores > 1)}: raise the limit (ulimit -u, or the"
            " queue's), or use fewer cores with --threads"
        ) from None
    finally:
        over.set()
        for thread in started:
            thread.join()
        threading.stack_size(before)
