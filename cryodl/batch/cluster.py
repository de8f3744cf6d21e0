"""Where rows are judged: workers of this machine, jobs of a queue, or a Dask that runs already.

Dask sends pickles, which can do anything where they are read. So whoever takes part shows a
certificate (TLS), made for each batch; only a running scheduler of this very machine is spoken to
without.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

from cryodl.batch.options import QUEUES
from cryodl.compute.parallel import deaf, thread_count
from cryodl.errors import SettingError

HERE = re.compile(r"tcp://(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+")
SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,  # of its worker, after which a row is tried again
    "distributed.scheduler.worker-saturation": 1.0,  # a worker has the row that it judges alone
    # Dask looks at itself a hundred times a second, for tasks of milliseconds; ours take seconds
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
}
# A worker of this machine is begun again when it dies; on a busy machine that takes more than the
# 15 s after which Dask would give it up, and the row that it has by then.
RESTART = {"distributed.deploy.lost-worker-timeout": "1 hour"}


@contextmanager
def cluster_client(
    scheduler: str,
    output: Path,
    *,
    workers: int | None,
    gpus: str | None,
    cores: int,
    memory: str,
    queue: str | None,
    jobqueue: Sequence[str] | None,
) -> Iterator[tuple[Any, int]]:
    """A Dask client whose workers are set up for rows, and how many there will be.

    output : folder that all workers see, which keeps the certificates of jobs
    Others as `run_batch` takes them.
    """
    import dask
    from distributed import Client

    from cryodl.batch.worker import Setup

    _check(scheduler, gpus, jobqueue)
    numbers = tuple(gpus.split(",")) if gpus and scheduler == "local" else ()
    count = workers or len(numbers) or (1 if scheduler in QUEUES else thread_count())
    with dask.config.set({**SETTINGS, **(RESTART if scheduler == "local" else {})}), _quiet():
        if "://" in scheduler:
            with _deaf():
                client = _connected(scheduler)
            with client:
                _set_up(client, Setup(None))
                yield client, len(client.nthreads())
            return
        with _deaf():
            if scheduler == "local":
                made, threads = _local(count), max(1, thread_count() // count)
            else:
                made = _jobs(scheduler, output, gpus, cores, memory, queue, jobqueue)
                threads = cores
        with made as cluster, Client(cluster, set_as_default=False) as client:
            _set_up(client, Setup(threads, numbers))
            if scheduler in QUEUES:  # also in place of jobs whose time is over
                cluster.adapt(minimum_jobs=count, maximum_jobs=count)
            yield client, count


def _check(scheduler: str, gpus: str | None, jobqueue: Sequence[str] | None) -> None:
    """Raise SettingError where settings do not go together, before anything begins."""
    if scheduler != "local" and scheduler not in QUEUES and "://" not in scheduler:
        raise SettingError(
            f"scheduler={scheduler!r} is unknown: choose local, {', '.join(QUEUES)}, or give the "
            "address of a Dask scheduler, such as tls://host:8786"
        )
    if jobqueue and scheduler not in QUEUES:
        raise SettingError(f"jobqueue= is of a queue, not of scheduler={scheduler!r}: leave it out")
    if gpus and scheduler not in ("local", "slurm"):
        raise SettingError(
            f"gpus= is of this machine or SLURM, not of scheduler={scheduler!r}: ask for them by "
            "jobqueue=, or start workers with CUDA_VISIBLE_DEVICES"
        )
    if gpus and not all(number.isdigit() for number in gpus.split(",")):
        raise SettingError(f"gpus={gpus!r} is no list of numbers such as 0,1")


@contextmanager
def _quiet() -> Iterator[None]:
    """What matters of Dask's words is said by ours."""
    log = logging.getLogger("distributed")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def _deaf() -> Iterator[None]:
    """`deaf`, which says why no thread can begin."""
    try:
        with deaf():
            yield
    except RuntimeError as error:
        raise SettingError(f"workers cannot begin ({error}): see what else runs here") from None


def _set_up(client: Any, setup: Any) -> None:
    try:
        client.register_plugin(setup)
    except Exception as error:  # whatever Dask makes of a worker that lacks us
        raise SettingError(
            f"the workers cannot load cryodl ({type(error).__name__}: {error}): install it on them"
        ) from None


def _local(workers: int) -> Any:
    from distributed import LocalCluster
    from distributed.security import Security

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        memory_limit=None,  # rows wait for memory themselves
        host="tls://127.0.0.1",
        security=Security.temporary(),
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    )


def _jobs(
    scheduler: str,
    output: Path,
    gpus: str | None,
    cores: int,
    memory: str,
    queue: str | None,
    jobqueue: Sequence[str] | None,
) -> Any:
    import dask_jobqueue
    from distributed.security import Security

    from cryodl.batch.worker import JOBS

    secret = output / JOBS
    values: dict[str, Any] = {
        "cores": cores,
        "processes": 1,
        "memory": memory,
        "queue": queue,
        "job_name": "cryodl",
        "log_directory": str(secret),
        "local_directory": os.environ.get("TMPDIR", "/tmp"),
        "worker_extra_args": ["--nthreads", "1"],
        "job_script_prologue": [f"export {_variable(k)}={v}" for k, v in SETTINGS.items()],
    }
    values.update(_word(each) for each in jobqueue or ())
    if gpus and scheduler == "slurm":
        values["job_extra_directives"] = [
            *values.get("job_extra_directives", []), f"--gres=gpu:{gpus}"
        ]  # fmt: skip
    made = getattr(dask_jobqueue, QUEUES[scheduler])
    of_cluster = signature(dask_jobqueue.core.JobQueueCluster.__init__).parameters
    apart = {"log_directory", *of_cluster}
    try:  # a job alone first: wrong words shall leave neither a folder nor certificates
        made.job_cls("", "", **{k: v for k, v in values.items() if k not in apart})
        secret.mkdir(mode=0o700, parents=True, exist_ok=True)
        return made(
            protocol="tls://",
            security=Security.temporary(),
            shared_temp_directory=str(secret),
            scheduler_options={"dashboard_address": "127.0.0.1:0"},
            silence_logs="critical",
            **values,
        )
    except (TypeError, ValueError) as error:
        raise SettingError(f"dask-jobqueue refuses its words: {error}") from None


def _variable(setting: str) -> str:
    """The environment variable of a setting of Dask's.

    >>> _variable("distributed.worker.system-monitor")
    'DASK_DISTRIBUTED__WORKER__SYSTEM_MONITOR'
    """
    return "DASK_" + setting.upper().replace(".", "__").replace("-", "_")


def _word(text: str) -> tuple[str, Any]:
    """A word of dask-jobqueue's and its value, which may be JSON.

    >>> _word("walltime=12:00:00"), _word('job_extra_directives=["--exclusive"]')
    (('walltime', '12:00:00'), ('job_extra_directives', ['--exclusive']))
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingError(f"jobqueue={text!r} is no word with a value, such as walltime=12:00:00")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _connected(address: str) -> Any:
    """A client of a running scheduler; over the network only with certificates of its own."""
    from distributed import Client

    if not address.startswith("tls://") and not HERE.fullmatch(address):
        raise SettingError(
            f"scheduler={address!r} is spoken to without certificates, and anyone on the network "
            "could have your machines run anything: start it with TLS (tls://), or on this machine"
        )

    class Closed(Client):
        """Closed where it does not connect. Left to be collected, it is closed by whichever thread
        is at hand; Dask's own, while it starts for the next client, then waits for itself."""

        def start(self, **settings):
            try:
                super().start(**settings)
            except BaseException:
                self.close()
                raise

    try:
        return Closed(address, timeout="20s", set_as_default=False)
    except (OSError, TimeoutError, RuntimeError, ValueError, TypeError) as error:
        raise SettingError(
            f"no Dask scheduler answers at {address} ({' '.join(str(error).split())[:200]}): check "
            "the address, and certificates (DASK_DISTRIBUTED__COMM__TLS__...)"
        ) from None
