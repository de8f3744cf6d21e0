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
    found = {weight.path: ops.convert_to_numpy(weight) for weight in source.weights}
    missing = []
    for weight in model.weights:
        value = _fitting(found.get(weight.path), tuple(weight.shape))
        if value is None:
            missing.append(weight.path)
        else:
            weight.assign(value)
    taken = len(model.weights) - len(missing)
    if not taken or (missing and not partly):
        raise BundleError(
            f"the network to start from lacks {missing[0]} as it is here: give one of the same "
            "kind, or none"
        )
    return taken


def _fitting(value, shape):
    """A weight in the shape asked for, channels that it lacks at 0 and those beyond left out; None
    where it does not fit."""
    if value is None or value.shape == shape:
        return value
    if value.shape[:-2] + value.shape[-1:] != (*shape[:-2], shape[-1]):
        return None
    more = max(0, shape[-2] - value.shape[-2])
    return np.pad(value[..., : shape[-2], :], [(0, 0)] * (value.ndim - 2) + [(0, more), (0, 0)])
