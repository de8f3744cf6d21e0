"""A bundle's test vector: a small input of every part of its network, and the answer to it.

It is written with the bundle, and every library that is to compute with the bundle answers it
first. So a file that was mixed up, a library that computes otherwise, and a processor that rounds
too much are found before a map is judged.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import DAMAGED, read_packed
from ..errors import BundleError, is_shortage
from .architectures import reads_and_answers

VECTOR_FILE = "vector.npz"
TOLERANCE = 1e-3  # Å, or share of the answer where it is above 1
ON_GPU = 3e-2  # many of them multiply with ten bits (TF32)
SEED = 7
DRAWN = 8  # steps along axes that are given, then repeated
SCALE = 16  # inputs are whole numbers, divided by this
LARGEST = 2**24  # bytes, unpacked

# Part and input (1, ...) to answer (1, ...), and whether a GPU has given it.
Answer = Callable[[str, np.ndarray], tuple[np.ndarray, bool]]


def write_vector(
    path: Path, shapes: Mapping[str, tuple[int | None, ...]], answer: Answer, free: int
) -> None:
    """Draw an input for every part of a network and write it with its answer.

    shapes : of the inputs (batch, ..., channels) by part, None where a size is free
    free : steps along axes that are free: two of the coarsest grid

    Raises BundleError where an answer is no number.
    """
    rng, arrays = np.random.default_rng(SEED), {}
    for part, shape in shapes.items():
        given = [free if n is None else n for n in shape[1:-1]]
        channels = int(shape[-1] or free)
        small = [*(min(n, DRAWN) for n in given), channels]
        drawn = np.clip(rng.normal(0, SCALE, small), -127, 127).astype(np.int8)
        whole = drawn[np.ix_(*(np.arange(n) % m for n, m in zip([*given, channels], small)))][None]
        found = np.asarray(answer(part, _input(whole))[0], np.float32)
        if not np.isfinite(found).all():
            raise BundleError(f"the {part} that was trained answers with NaN: train it again")
        arrays[f"{part}.input"], arrays[f"{part}.answer"] = whole, thinned(found)
    np.savez_compressed(path, **arrays)


def read_vector(held: bytes, network: Mapping[str, Any], origin: Any) -> dict[str, tuple]:
    """Inputs and answers by part, ndarrays float32, of a vector's file.

    held : the file's bytes;  network : config of the spec;  origin : for messages

    Raises BundleError where it is empty, malformed, or of another network.
    """
    try:
        arrays = read_packed(io.BytesIO(held), LARGEST)
    except DAMAGED as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise _malformed(origin, what if held else "it is empty") from None
    parts = sorted({name.rpartition(".")[0] for name in arrays})
    expected = reads_and_answers(network)
    if not parts or (expected and parts != sorted(expected)):
        raise _malformed(
            origin,
            f"it is of {' and '.join(parts) or 'no network'},"
            f" expected {' and '.join(expected) or 'one'}",
        )
    found = {}
    for part in parts:
        names = f"{part}.input", f"{part}.answer"
        for name, dtype in zip(names, (np.int8, np.float32)):
            array = arrays.get(name)
            if array is None:
                raise _malformed(origin, f"it lacks {name}")
            if array.dtype != dtype or array.ndim < 2 or array.shape[0] != 1 or not array.size:
                raise _malformed(origin, f"{name} is {array.dtype} of shape {array.shape}")
        given, answer = (arrays[name] for name in names)
        if not np.isfinite(answer).all():
            raise _malformed(origin, f"{part}.answer holds numbers that are none")
        if expected:
            key, reads, answers = expected[part]
            if (given.shape[-1], answer.shape[-1]) != (reads, answers):
                raise BundleError(
                    f"{origin} is of a network that reads {given.shape[-1]} channels and answers "
                    f"with {answer.shape[-1]}, and by network.{key} of its spec that is {reads} and"
                    f" {answers}: copy or train the bundle again"
                )
        found[part] = _input(given), answer
    return found


def check_answers(vector: Mapping[str, tuple], answer: Answer, origin: Any, backend: str) -> None:
    """Raise BundleError where a library answers otherwise than the vector says.

    vector : as from `read_vector`;  origin : the bundle, for the message
    """
    for part, (given, expected) in vector.items():
        try:
            answered, on_gpu = answer(part, given)
            found = thinned(np.asarray(answered, np.float32))
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            if is_shortage(error):
                raise
            raise BundleError(
                f"{backend} cannot compute with bundle {origin} ({error}): update {backend}, or"
                " copy the bundle again"
            ) from None
        tolerance = ON_GPU if on_gpu else TOLERANCE
        if found.shape != expected.shape:
            off = f"{found.shape} numbers where {expected.shape} were due"
        else:
            most = float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max())
            if most <= tolerance:  # False for NaN
                continue
            off = f"it is off by {most:.2g} where {tolerance:g} is allowed"
        raise BundleError(
            f"{backend} does not answer the test vector of bundle {origin} as it was written:"
            f" {off}: update {backend}, choose another library with KERAS_BACKEND, or copy the"
            " bundle again"
        )


def thinned(answer: np.ndarray) -> np.ndarray:
    """Every second step of an answer over space, (1, z, y, x, channels); others whole."""
    return answer[:, ::2, ::2, ::2] if answer.ndim == 5 else answer


def _input(whole: np.ndarray) -> np.ndarray:
    return whole.astype(np.float32) / SCALE


def _malformed(origin: Any, what: str) -> BundleError:
    return BundleError(f"{origin} is no test vector ({what}): copy or train the bundle again")
