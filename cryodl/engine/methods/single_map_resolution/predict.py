"""The network on a whole map, in one or two looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...maps.normalise import block_mean
from ...maps.whole_input import WholeInput, look_again
from ...tiles import predict_tiled
from ...whole_map_plan import tile_grid
from .answer import CHANNELS, Answer, read_answer

AGREE = 0.6  # intersection over union of two masks below which the map is looked at again
LEAST = 200  # steps of the half grid below which there is no molecule


def predict(
    prepared: WholeInput,
    spec: Mapping[str, Any],
    model: Any,
    *,
    batch_size: int = 1,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Answer, int]:
    """Ask the network; once more with its own mask, where the rough one was wrong.

    Returns the answer and the number of looks.
    """
    looks = 0
    while True:
        looks += 1
        predicted = predict_tiled(
            prepared.data,
            model.predict_on_batch,
            tile_grid(prepared, spec, device),
            channels=CHANNELS,
            batch_size=batch_size,
            progress=progress,
        )
        answer = read_answer(predicted, spec)
        rough = block_mean(prepared.rough.astype(np.float32), 2) > 0.5
        if looks == 2 or answer.inside.sum() < LEAST or _overlap(rough, answer.inside) > AGREE:
            return answer, looks
        prepared = look_again(prepared, answer.inside)


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    either = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / either if either else 1.0
