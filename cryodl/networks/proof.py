"""The files that a bundle computes with: listed with their checksums, and checked before use."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from cryodl.errors import BundleError, InputError, is_shortage
from cryodl.files.reading import DAMAGED, check_is_file, read_packed
from cryodl.files.record import KEY, file_sha256, own_sum
from cryodl.networks.architectures import reads_and_answers
from cryodl.networks.spec import OPENVINO, SHIPPED, SPEC_FILE, TABLE_FILE, weights_file

MOST = 2**30  # bytes of a file; larger ones would be hashed for long, to learn that they are none
COMPUTE = (".h5", ".xml", ".bin", ".npz")  # endings of files that something may be computed with


def listed_files(spec: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 by the path from a bundle's folder; of earlier bundles those that there are."""
    return {**_once(spec), **spec.get(KEY, {})}


def check_listed(folder: Path, spec: Mapping[str, Any], name: str) -> Path:
    """The path of a file that a bundle lists, after its checksum was compared.

    name : path from the bundle's folder

    Raises
    ------
    BundleError : not listed, missing, or not as it was listed
    """
    path, expected = _expected(folder, spec, name)
    try:
        found = file_sha256(path)
    except OSError as error:
        raise _unreadable(path, folder, error) from None
    _compare(path, folder, found, expected)
    return path


def read_listed(folder: Path, spec: Mapping[str, Any], name: str) -> bytes:
    """The bytes of a file, checked as `check_listed` does: what is used is what was checked."""
    path, expected = _expected(folder, spec, name)
    try:
        held = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, folder, error) from None
    _compare(path, folder, hashlib.sha256(held).hexdigest(), expected)
    return held


def not_listed(folder: Path, spec: Mapping[str, Any]) -> list[str]:
    """Files that look as if something were computed with them, but that the spec does not list."""
    listed = listed_files(spec)
    near = [*folder.glob("*"), *(folder / OPENVINO).glob("*")]
    computed = [path for path in near if path.suffix in COMPUTE or path.name == TABLE_FILE]
    names = [path.relative_to(folder).as_posix() for path in computed]
    return sorted(name for name in names if name not in listed)


def check_lists(folder: Path, spec: Mapping[str, Any]) -> None:
    """Raise BundleError where a spec lists a file with two checksums, or one out of its folder, or
    is itself not as it was written, which bundles of earlier versions do not tell."""
    sums = spec.get(KEY, {})
    for name, value in {**_once(spec), **sums}.items():
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\0" in name:
            raise BundleError(
                f"{folder / SPEC_FILE} lists {name[:60]!r}, which is no file of the bundle:"
                f" {remedy(folder)}"
            )
        if KEY in spec and _once(spec).get(name, value) != sums.get(name):
            entry = OPENVINO if name.startswith(OPENVINO) else "weights_sha256"
            raise BundleError(
                f"{folder / SPEC_FILE}: checksum of {name} is not the same in all its entries"
                f" ({entry}, {KEY}): {remedy(folder)}"
            )
    expected = spec.get(KEY, {}).get(SPEC_FILE)
    if expected is not None and own_sum(spec, SPEC_FILE) != expected:
        raise BundleError(
            f"{folder / SPEC_FILE} was changed after it was written, its own checksum says:"
            f" {remedy(folder)}"
        )


def remedy(folder: Path) -> str:
    """What to do about a damaged bundle."""
    if folder.parent == SHIPPED:
        return "reinstall with 'pip install --force-reinstall scipion-em-cryodl'"
    return "copy or train the bundle again"


def _once(spec: Mapping[str, Any]) -> dict[str, str]:
    """What the entries say that bundles have had from the first version on."""
    openvino = {f"{OPENVINO}/{name}": value for name, value in spec.get(OPENVINO, {}).items()}
    return {weights_file(spec): spec["weights_sha256"], **openvino}


def _expected(folder: Path, spec: Mapping[str, Any], name: str) -> tuple[Path, str]:
    path, expected = folder / name, listed_files(spec).get(name)
    if expected is None:
        raise BundleError(
            f"{path} is not listed with its checksum in {SPEC_FILE}, so it is not used:"
            f" {remedy(folder)}"
        )
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        said = f"{path} is missing, and {SPEC_FILE} lists it"
        raise BundleError(f"{said}: {remedy(folder)}") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, folder, error) from None
    try:
        check_is_file(path, "file of a bundle")
    except InputError as error:
        raise BundleError(f"{error}: {remedy(folder)}") from None
    if size > MOST:
        raise BundleError(
            f"{path} holds {size / 1e9:.3g} GB, and no file of a bundle more than"
            f" {MOST / 1e9:.3g} GB: {remedy(folder)}"
        )
    return path, expected


def _compare(path: Path, folder: Path, found: str, expected: str) -> None:
    if found != expected:
        raise BundleError(
            f"checksum of {path} is {found[:12]}..., {SPEC_FILE} says {expected[:12]}...:"
            f" the file is damaged, {remedy(folder)}"
        )


def _unreadable(path: Path, folder: Path, error: OSError | ValueError) -> BundleError:
    reason = getattr(error, "strerror", None) or error
    return BundleError(f"cannot read {str(path)[:300]}: {reason}: {remedy(folder)}")


VECTOR_FILE = "vector.npz"
TOLERANCE = 1e-3  # Å, or share of the answer where it is above 1
# many GPUs multiply with ten bits (TF32), and half precision has seven
TOLERANCES = {"single": TOLERANCE, "gpu": 3e-2, "half": 0.2}
SEED = 7
DRAWN = 8  # steps along axes that are given, then repeated
SCALE = 16  # inputs are whole numbers, divided by this
LARGEST = 2**24  # bytes, unpacked

# Part and input (1, ...) to answer (1, ...), and its precision, of TOLERANCES.
Answer = Callable[[str, np.ndarray], tuple[np.ndarray, str]]


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
            answered, precision = answer(part, given)
            found = thinned(np.asarray(answered, np.float32))
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            if is_shortage(error):
                raise
            raise BundleError(
                f"{backend} cannot compute with bundle {origin} ({error}): update {backend}, or"
                " copy the bundle again"
            ) from None
        tolerance = TOLERANCES[precision]
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
