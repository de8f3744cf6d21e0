"""The weights of the network for voxel sizes: one file that proves itself.

It holds, beside the weights, a small input with its answer, and a checksum of all that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping

import numpy as np

from ..arrays import read_arrays
from ..errors import BundleError

SUM, INPUT, ANSWER = "sha256", "vector_input", "vector_answer"
TOLERANCE = 1e-3  # of a probability
SEED = 7

Predict = Callable[[np.ndarray, Mapping[str, np.ndarray]], np.ndarray]


def sealed_weights(weights: Mapping[str, np.ndarray], predict: Predict) -> dict[str, np.ndarray]:
    """Weights with a test vector and the checksum of both.

    predict : features (numbers,) and weights to probabilities (factors,)
    """
    arrays = {name: np.asarray(value) for name, value in weights.items()}
    mean, sd = arrays["mean"], arrays["sd"]
    drawn = (mean + sd * np.random.default_rng(SEED).normal(size=mean.shape)).astype(np.float32)
    arrays |= {INPUT: drawn, ANSWER: predict(drawn, arrays).astype(np.float32)}
    return {**arrays, SUM: np.array(checksum(arrays))}


def proven_weights(
    path: str | os.PathLike[str], predict: Predict
) -> dict[str, np.ndarray]:  # fmt: skip
    """Weights of a file that is as it was written, and with which the vector is answered; float32.

    Raises InputError where it cannot be read, BundleError where it cannot prove itself.
    """
    arrays = read_arrays(path, SUM, INPUT, ANSWER)
    said = str(arrays.pop(SUM))
    found = checksum(arrays)
    if found != said:
        raise BundleError(
            f"checksum of what {path} holds is {found[:12]}..., and it says {said[:12]}...: the"
            " file is damaged, reinstall cryodl or train it again"
        )
    weights = {name: value.astype(np.float32) for name, value in arrays.items()}
    given, expected = weights.pop(INPUT), weights.pop(ANSWER)
    off = float(np.abs(predict(given, weights) - expected).max())
    if not off <= TOLERANCE:
        raise BundleError(
            f"NumPy does not answer the test vector of {path} as it was written: it is off by"
            f" {off:.2g} where {TOLERANCE:g} is allowed; update NumPy, or reinstall cryodl"
        )
    return weights


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays with their names, kinds and shapes."""
    digest = hashlib.sha256()
    for name, value in sorted(arrays.items()):
        digest.update(f"{name} {value.dtype.str} {value.shape} ".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
