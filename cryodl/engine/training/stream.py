"""Training samples made by background processes, mixed into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..workers import Workers

APART = 1000  # handfuls that lie between steps at which runs are resumed, so that none comes twice
Sample = tuple[np.ndarray, np.ndarray]

_make: Callable[[Any, np.random.Generator], list[Sample]] | None = None
_items: Sequence[Any] = ()


def _start_worker(make, items) -> None:
    global _make, _items
    _make, _items = make, items


def _samples(which: int, seed) -> list[Sample]:
    return _make(_items[which], np.random.default_rng(seed))  # type: ignore[misc]


class SampleStream:
    """Samples in a fixed order: the i-th handful depends only on the seed and on i.

    make : called with (item, rng), returns a list of samples, each a pair (x, y) of ndarrays, best
        in half precision; must be picklable (a function of a module, or a partial of one)
    items : what samples are made of, such as the experiments of a set
    seed : int
    workers : int, background processes; 0 makes them in the calling one
    weights : how often each item is drawn, relative; None draws them evenly
    """

    def __init__(self, make, items, seed: int, *, workers: int = 1, weights=None) -> None:
        self.make, self.items, self.seed = make, list(items), seed
        weights = np.ones(len(self.items)) if weights is None else np.asarray(weights, float)
        self._cumulative = np.cumsum(weights) / np.sum(weights)
        self._pool = None
        if workers:
            self._pool = Workers(workers, _start_worker, (self.make, self.items))
        self._ahead = 4 * workers

    def handfuls(self, start: int = 0) -> Iterator[list[Sample]]:
        """What `make` returns, item after item, for ever."""
        if self._pool is None:
            while True:
                which, seed = self._draw(start)
                yield self.make(self.items[which], np.random.default_rng(seed))
                start += 1
        waiting: list = []
        while True:
            while len(waiting) < self._ahead:
                waiting.append(self._pool.submit(_samples, *self._draw(start)))
                start += 1
            yield waiting.pop(0).result()

    def _draw(self, number: int):
        share = np.random.default_rng((self.seed, 0, number)).random()
        which = int(np.searchsorted(self._cumulative, share))
        return min(which, len(self.items) - 1), (self.seed, 1, number)

    def batches(
        self, batch: int, *, buffer: int = 200, reuse: float = 1, start: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches (x, y), float32, of samples mixed in a buffer, for ever.

        batch, buffer : samples
        reuse : how often a sample is shown on average; more where samples take long to make, or
            come in handfuls that are alike, so that few of one handful stand in the buffer
        start : step at which a resumed run goes on
        """
        rng = np.random.default_rng((self.seed, 2, start))
        source = self.handfuls(start * APART)
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

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
