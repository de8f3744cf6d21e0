"""Training samples made by background processes in a fixed order, mixed into batches, kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.compute.parallel import Workers
from cryodl.errors import InputError
from cryodl.files.folder import whole_file
from cryodl.files.reading import check_is_file, read_arrays

APART = 1000  # chunks that lie between steps at which runs are resumed, so that none comes twice
Sample = tuple[np.ndarray, np.ndarray]

_make: Callable[[int], Any] | None = None  # of a background process


def _start_worker(make: Callable[[int], Any]) -> None:
    global _make
    _make = make


def _chunk(number: int) -> Any:
    return _make(number)  # type: ignore[misc]


class Stream:
    """Chunks of samples in a fixed order: chunk i depends on i alone.

    make : called with the number of a chunk; must be picklable (a partial of a module's function)
    workers : background processes; 0 makes chunks in the calling one

    Used as a context, at whose end the background processes end.
    """

    def __init__(self, make: Callable[[int], Any], *, workers: int = 1) -> None:
        self.make = make
        self._pool = Workers(workers, _start_worker, (make,)) if workers else None
        self._ahead = 4 * workers

    def chunks(self, start: int = 0) -> Iterator[Any]:
        """What `make` returns for start, start + 1 and so on, for ever."""
        if self._pool is None:
            while True:
                yield self.make(start)
                start += 1
        waiting: list = []
        while True:
            while len(waiting) < self._ahead:
                waiting.append(self._pool.submit(_chunk, start))
                start += 1
            yield waiting.pop(0).result()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def __enter__(self):
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@dataclass(frozen=True)
class _Maker:
    """Chunk i of a SampleStream: of an item that is drawn, with a generator of its own."""

    make: Callable[[Any, np.random.Generator], list[Sample]]
    items: Sequence[Any]
    seed: int
    cumulative: np.ndarray

    def __call__(self, number: int) -> list[Sample]:
        share = np.random.default_rng((self.seed, 0, number)).random()
        which = min(int(np.searchsorted(self.cumulative, share)), len(self.items) - 1)
        return self.make(self.items[which], np.random.default_rng((self.seed, 1, number)))


class SampleStream(Stream):
    """Samples of items that are drawn at random; the i-th chunk depends only on the seed and on i.

    make : called with (item, rng), returns a list of samples, each a pair (x, y) of ndarrays, best
        in half precision; must be picklable (a function of a module, or a partial of one)
    items : what samples are made of, such as the experiments of a set
    seed : int
    workers : int, background processes; 0 makes them in the calling one
    weights : how often each item is drawn, relative; None draws them evenly
    """

    def __init__(self, make, items, seed: int, *, workers: int = 1, weights=None) -> None:
        self.items, self.seed = list(items), seed
        weights = np.ones(len(self.items)) if weights is None else np.asarray(weights, float)
        cumulative = np.cumsum(weights) / np.sum(weights)
        super().__init__(_Maker(make, self.items, seed, cumulative), workers=workers)

    def batches(
        self, batch: int, *, buffer: int = 200, reuse: float = 1, start: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches (x, y), float32, of samples mixed in a buffer, for ever.

        batch, buffer : samples
        reuse : how often a sample is shown on average; more where samples take long to make, or
            come in chunks that are alike, so that few of one chunk stand in the buffer
        start : step at which a resumed run goes on
        """
        rng = np.random.default_rng((self.seed, 2, start))
        source = self.chunks(start * APART)
        held: list[Sample] = []
        while True:
            # Fill slowly, so that training begins at once; later as many come as go.
            wanted = min(buffer, len(held) + batch) if held else 2 * batch
            tries = 0
            while len(held) < max(wanted, batch):
                held += next(source)
                tries += 1
                if not held and tries > 10 * len(self.items):
                    raise InputError(
                        f"nothing can be learnt from the {tries - 1} samples drawn of "
                        f"{len(self.items)} maps: what is to be learnt is known nowhere in them"
                    )
            picks = rng.choice(len(held), batch, replace=False)
            chosen = [held[i] for i in picks]
            for i in sorted(picks, reverse=True):
                if reuse == 1 or rng.random() < 1 / reuse:
                    held[i] = held[-1]
                    held.pop()
            x, y = zip(*chosen)
            yield np.stack(x).astype(np.float32), np.stack(y).astype(np.float32)


def collect_samples(
    stream: SampleStream, count: int, seconds: float | None = None, start: int = 0
) -> tuple[np.ndarray, np.ndarray, int]:
    """So many samples of a stream, or those of so many seconds; (x, y), float32, and the number of
    the chunk that comes next.

    start : chunk to begin with
    """
    began, samples = time.monotonic(), []
    for chunk in stream.chunks(start):
        start += 1
        samples += chunk
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
        start = _chunks_of(path, len(held[1]))
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
            np.savez(file, x=x, y=y, chunks=start)
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


def _chunks_of(path: Path, count: int) -> int:
    """How many chunks a file of so many samples holds.

    Older files call them handfuls, the oldest do not say: there are not more than samples.
    """
    held = read_arrays(path)
    stored = held.get("chunks", held.get("handfuls", np.array(count)))
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
