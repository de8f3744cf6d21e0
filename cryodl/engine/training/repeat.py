"""Samples made once and shown many times: for networks that learn faster than samples are made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .stream import SampleStream


def collect_samples(
    stream: SampleStream, count: int, seconds: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` samples of a stream, or those of so many seconds; (x, y), float32."""
    began, samples = time.monotonic(), []
    for handful in stream.handfuls():
        samples += handful
        late = seconds is not None and time.monotonic() - began > seconds
        if len(samples) >= count or (late and samples):
            break
    x, y = zip(*samples)
    return np.stack(x).astype(np.float32), np.stack(y).astype(np.float32)


def kept_samples(
    path: Path | None, stream: SampleStream, count: int, seconds: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """As `collect_samples`, kept in a file: taken from it where it exists, else written."""
    if path is not None and path.is_file():
        with np.load(path) as kept:
            return kept["x"], kept["y"]
    x, y = collect_samples(stream, count, seconds)
    if path is not None:
        np.savez(path, x=x, y=y)
    return x, y


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
