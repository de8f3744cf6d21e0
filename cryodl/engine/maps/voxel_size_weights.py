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
from .scale import NUMBERS

FACTORS = np.exp(np.linspace(-0.42, 0.42, 29))  # header's voxel size over the true one
MOST_LAYERS = 16
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

    Raises InputError where it cannot be read, BundleError where it holds no such network or cannot
    prove itself.
    """
    arrays = read_arrays(path, SUM, INPUT, ANSWER)
    said = str(arrays.pop(SUM))
    found = checksum(arrays)
    if found != said:
        raise BundleError(
            f"checksum of what {path} holds is {found[:12]}..., and it says {said[:12]}...: the"
            " file is damaged, reinstall cryodl or train it again"
        )
    for name in (name for name, value in arrays.items() if value.dtype.kind not in "biuf"):
        raise _misfit(path, name, "numbers")
    with np.errstate(all="ignore"):  # what comes of it is looked at
        weights = {name: value.astype(np.float32) for name, value in arrays.items()}
        given, expected = weights.pop(INPUT), weights.pop(ANSWER)
        _check_network(path, weights)
        if given.shape != (NUMBERS,) or expected.shape != FACTORS.shape:
            raise _misfit(path, INPUT, f"{NUMBERS} numbers, and {ANSWER} {len(FACTORS)}")
        off = float(np.abs(predict(given, weights) - expected).max())
    if not off <= TOLERANCE:
        raise BundleError(
            f"NumPy does not answer the test vector of {path} as it was written: it is off by"
            f" {off:.2g} where {TOLERANCE:g} is allowed; update NumPy, or reinstall cryodl"
        )
    return weights


def _check_network(path: str | os.PathLike[str], weights: Mapping[str, np.ndarray]) -> None:
    """Raise BundleError unless these are weights of layers that fit NUMBERS, FACTORS and each
    other."""
    shapes: dict[str, tuple] = {"mean": (NUMBERS,), "sd": (NUMBERS,), "threshold": (), "layers": ()}
    _check_shapes(path, weights, shapes)
    if weights["layers"] not in range(1, MOST_LAYERS + 1):
        raise _misfit(path, "layers", f"a whole number from 1 to {MOST_LAYERS}")
    if not 0 < weights["threshold"] < 1:
        raise _misfit(path, "threshold", "a probability")
    if not (weights["sd"] > 0).all():
        raise _misfit(path, "sd", "numbers above 0")
    reads, last = NUMBERS, int(weights["layers"]) - 1
    for layer in range(last + 1):
        width = np.size(weights.get(f"bias{layer}", ())) if layer < last else len(FACTORS)
        _check_shapes(path, weights, {f"bias{layer}": (width,), f"kernel{layer}": (reads, width)})
        reads = width


def _check_shapes(
    path: str | os.PathLike[str], weights: Mapping[str, np.ndarray], shapes: Mapping[str, tuple]
) -> None:
    for name, shape in shapes.items():
        if name not in weights:
            raise BundleError(f"{path} lacks {name}: reinstall cryodl or train it again")
        if weights[name].shape != shape:
            raise _misfit(path, name, f"an array of shape {shape}")
        if not np.isfinite(weights[name]).all():
            raise _misfit(path, name, "finite numbers")


def _misfit(path: str | os.PathLike[str], name: str, words: str) -> BundleError:
    return BundleError(
        f"{path} holds no network for voxel sizes: {name[:60]!r} is not {words}, as it must be;"
        " reinstall cryodl or train it again"
    )


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays with their names, kinds and shapes."""
    digest = hashlib.sha256()
    for name, value in sorted(arrays.items()):
        digest.update(f"{name} {value.dtype.str} {value.shape} ".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
