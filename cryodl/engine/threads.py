"""How many processor cores a run may use: all that its process has, or as many as asked for."""

from __future__ import annotations

import os

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
