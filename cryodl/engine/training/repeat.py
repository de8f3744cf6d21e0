"""Samples made once and shown many times: for networks that learn faster than samples are made."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..arrays import read_arrays
from ..errors import InputError
from ..files import check_is_file
from ..folder import whole_file
from .stream import SampleStream


def collect_samples(
    stream: SampleStream, count: int, seconds: float | None = None, start: int = 0
) -> tuple[np.ndarray, np.ndarray, int]:
    """So many samples of a stream, or those of so many seconds; (x, y), float32, and the number of
    the handful that comes next.

    start : handful to begin with
    """
    began, samples = time.monotonic(), []
    for handful in stream.handfuls(start):
        start += 1
        samples += handful
        late = seconds is not None and time.monotonic() - began > seconds
        if len(samples) >= count or (late and samples):
            break
    x, y = zip(*samples)
    return np.stack(x).astype(np.float32), np.stack(y).astype(np.float32), start


def kept_samples(
    path: Path | None, stream: SampleStream, count: int, seconds: float | None, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `collect_samples`, with a file in which samples are kept.

    What it holds comes first; more are made where time is given, or where it holds none. They go on
    in the stream where those of the file ended.
    width : numbers of a sample, which those in the file must have
    """
    held, start = None, 0
    _check_place(path)
    if path is not None and path.is_file():
        held = _read(path, width)
        if seconds is None or len(held[1]) >= count:
            return held
        count -= len(held[1])
        start = _handfuls(path, len(held[1]))
    x, y, start = collect_samples(stream, count, seconds, start)
    if held is not None:
        if held[1].shape[1:] != y.shape[1:]:
            raise InputError(
                f"samples in {path} have labels of {held[1].shape[1:]} numbers, and those made now"
                f" of {y.shape[1:]}: give another name, and they will be made"
            )
        x, y = np.concatenate([held[0], x]), np.concatenate([held[1], y])
    if path is not None:
        with whole_file(path, overwrite=True) as part, open(part, "wb") as file:
            np.savez(file, x=x, y=y, handfuls=start)
    return x, y


def kept_arrays(
    path: Path | None, make: Callable[[], tuple[np.ndarray, np.ndarray]], width: int
) -> tuple[np.ndarray, np.ndarray]:
    """What `make` returns, (x, y), kept in a file: taken from it where it exists."""
    _check_place(path)
    if path is not None and path.is_file():
        return _read(path, width)
    x, y = make()
    if path is not None:
        with whole_file(path, overwrite=True) as part, open(part, "wb") as file:
            np.savez(file, x=x, y=y)
    return x, y


def _check_place(path: Path | None) -> None:
    """Raise InputError, before samples are made for hours, where no file can be kept."""
    if path is not None and os.path.lexists(path):
        check_is_file(path, "file of samples")


def _read(path: Path, width: int) -> tuple[np.ndarray, np.ndarray]:
    kept = read_arrays(path, "x", "y")
    x, y = kept["x"], kept["y"]
    fits = x.ndim == 2 and y.ndim in (1, 2) and x.shape[:1] == y.shape[:1] and len(x)
    if not fits or not all(each.dtype.kind == "f" and np.isfinite(each).all() for each in (x, y)):
        raise InputError(f"'{path}' is damaged: its arrays do not fit each other; make it again")
    if x.shape[1] != width:
        raise InputError(
            f"samples in {path} have {x.shape[1]} numbers and this version reads {width}: give "
            "another name, and they will be made"
        )
    return x, y


def _handfuls(path: Path, count: int) -> int:
    """After how many handfuls a file of so many samples ended.

    An older file does not say it: there were not more of them than samples.
    """
    stored = read_arrays(path).get("handfuls", np.array(count))
    if stored.size != 1 or stored.dtype.kind not in "iu" or not 0 <= int(stored.item()) < 2**40:
        raise InputError(f"'{path}' is damaged: it does not say where it ended; make it again")
    return int(stored.item())


def repeated_batches(
    x: np.ndarray, y: np.ndarray, batch: int, seed: int, start: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches drawn from samples for ever.

    start : step at which a resumed run goes on
    """
    rng = np.random.default_rng((seed, start))
    while True:
        picks = rng.integers(len(x), size=min(batch, len(x)))
        yield x[picks], y[picks]
