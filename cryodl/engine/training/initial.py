"""Begin a training with the weights of another network."""

from __future__ import annotations

import numpy as np
from keras import ops

from ..errors import BundleError


def start_from(model, source, *, partly: bool = False) -> int:
    """Copy the weights of another network where path and shape agree; where its kernel reads
    fewer channels the others start at nothing.

    partly : some weights of the model may stay as they are

    Returns how many were taken. Raises BundleError where the source lacks what the model needs.
    """
    found = {weight.path: weight for weight in source.weights}
    taken, missing = 0, []
    for weight in model.weights:
        missing.append(weight.path)
        other = found.get(weight.path)
        if other is None:
            continue
        value = ops.convert_to_numpy(other)
        if value.shape != tuple(weight.shape):
            same = value.shape[:-2] + value.shape[-1:] == (*weight.shape[:-2], weight.shape[-1])
            if not same or value.shape[-2] > weight.shape[-2]:
                continue
            more = weight.shape[-2] - value.shape[-2]
            value = np.pad(value, [(0, 0)] * (value.ndim - 2) + [(0, more), (0, 0)])
        weight.assign(value)
        taken += 1
        missing.pop()
    if not taken or (missing and not partly):
        raise BundleError(
            f"the network to start from lacks {missing[0]} as it is here: give one of the same "
            "kind, or none"
        )
    return taken
