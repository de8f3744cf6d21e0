"""The weights of a bundle: a table of where they lie in OpenVINO's files, or a file of their own.

A bundle with networks for OpenVINO holds its weights once, in their .bin files; `weights.json` says
where each lies, in what order of axes, and which files it means, so that Keras reads the same
numbers, whatever its backend and without OpenVINO. Other bundles, and those of earlier versions,
hold them as plain HDF5, one dataset for each of `model.weights`, under the weight's path. HDF5 can
also point to other files, promise more than it holds, or unpack to any size; nothing of that is
read. Nor is text in it, whose damage the library of HDF5 does not survive.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import BundleError
from cryodl.networks.architectures import (
    CHECKSUMS,
    OBJECT,
    TEXT,
    Table,
    check_values,
    one_of,
    sizes,
    whole,
    whole_numbers,
    wrong,
)

ORDER = "order"  # attribute of the file: paths of the weights; what earlier versions read them by
LONGEST = 300  # letters of a path
MOST = 10_000  # groups and weights
DAMAGED = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError,
           UnicodeError)  # fmt: skip


def write_weights(path: Path, model: Any, dtype: str) -> None:
    """Write a network's weights; dtype : of kernels, where it can hold them."""
    import h5py

    order = []
    with h5py.File(path, "w") as file:
        for weight, given in zip(model.weights, model.get_weights()):
            values = np.asarray(given, np.float32)
            with np.errstate(over="ignore"):
                small = values.astype(dtype)
            # Half precision is enough for kernels, unless a number leaves its range.
            keep = values.ndim < 2 or not np.isfinite(small).all()
            file.create_dataset(weight.path, data=values if keep else small)
            order.append(weight.path)
        file.attrs[ORDER] = order


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Weights, float32, by their paths.

    Raises BundleError where the file is no such file, or points out of itself.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            left = path.stat().st_size
            found = {}
            for name, dataset in _own_datasets(file):
                left -= dataset.size * dataset.dtype.itemsize
                if left < 0:
                    raise ValueError(f"{name} and those before it promise more than the file holds")
                found[name] = np.asarray(dataset, np.float32)
                if not np.isfinite(found[name]).all():
                    raise ValueError(f"{name} holds numbers that are none")
        if not found:
            raise ValueError("it is empty")
        return found
    except DAMAGED as error:
        raise BundleError(
            f"{path} holds no weights of a network ({error}): copy or train the bundle again"
        ) from None


# Of weights.json, and of each of its weights.
TABLE: Table = {"files": CHECKSUMS, "weights": OBJECT}
PLACE: Table = {
    "file": TEXT,
    "offset": whole(0, 2**30),
    "dtype": one_of("float16", "float32"),
    "shape": whole_numbers(1, 2**30),
    "axes": whole_numbers(0, 31),
}
Constant = tuple[str, int, np.ndarray]  # file, offset in bytes, numbers as they lie there


def find_weight(name: str, values: np.ndarray, constants: Sequence[Constant]) -> dict[str, Any]:
    """Where a weight lies among constants, in the words of weights.json.

    name : its path;  values : float32;  constants : of the files that may hold it

    Raises ValueError where it lies nowhere, bit for bit, in any order of its axes.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.int32)
    for file, offset, held in constants:
        if values.ndim and held.size == values.size:
            found = held.astype(np.float32).view(np.int32)
            for order in permutations(range(values.ndim)):
                if np.array_equal(found, bits.transpose(order).ravel()):
                    return {
                        "file": file, "offset": offset, "dtype": held.dtype.name,
                        "shape": [values.shape[axis] for axis in order],
                        "axes": np.argsort(order).tolist(),
                    }  # fmt: skip
    raise ValueError(f"{name} lies in none of the files")


def write_table(path: Path, places: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Write weights.json, a weight a line.

    places : by the weights' paths, as from `find_weight`
    files : SHA-256 of the files that they name
    """
    lines = [f"  {json.dumps(name)}: {json.dumps(place)}" for name, place in places.items()]
    rows = ",\n".join(lines)
    path.write_text(
        f'{{\n "files": {json.dumps(files)},\n "weights": {{\n{rows}\n }}\n}}\n', encoding="utf-8"
    )


def read_table(read: Callable[[str], bytes], name: str, folder: Path) -> dict[str, np.ndarray]:
    """Weights, float32, by their paths, from where weights.json says they lie.

    read : gives the bytes of a file of the bundle, checked
    name : of the table;  folder : of the bundle, for messages

    Raises BundleError where it is malformed, or means other files than there are.
    """
    origin = folder / name
    try:
        table = json.loads(read(name))
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{origin} cannot be read as JSON ({error}): copy or train the bundle again"
        ) from None
    if not isinstance(table, Mapping):
        raise wrong(origin, "its content", table, "an object")
    check_values(table, TABLE, origin)
    held = {file: read(file) for file in table["files"]}
    for file, data in held.items():
        if hashlib.sha256(data).hexdigest() != table["files"][file]:
            raise BundleError(
                f"{origin} is of another {file} than there is: copy or train the bundle again"
            )
    if not table["weights"]:
        raise wrong(origin, "weights", table["weights"], "one or more")
    return {
        weight: _read_place(place, held, f"{origin}: {weight[:LONGEST]}")
        for weight, place in table["weights"].items()
    }


def _read_place(place: Any, held: Mapping[str, bytes], origin: str) -> np.ndarray:
    if not isinstance(place, Mapping):
        raise wrong(origin, "its entry", place, "an object")
    check_values(place, PLACE, origin)
    file, shape, axes = (place[key] for key in ("file", "shape", "axes"))
    if file not in held:
        raise wrong(origin, "file", file, f"one of files ({', '.join(held)})")
    if sorted(axes) != list(range(len(shape))):
        raise wrong(origin, "axes", axes, f"the numbers 0 to {len(shape) - 1}, as of shape")
    dtype, count = np.dtype(place["dtype"]).newbyteorder("<"), math.prod(shape)
    if place["offset"] + count * dtype.itemsize > len(held[file]):
        raise wrong(origin, "shape", shape, f"no more than {file} holds from offset on")
    found = np.frombuffer(held[file], dtype, count, place["offset"]).astype(np.float32)
    if not np.isfinite(found).all():
        raise BundleError(f"{origin} holds numbers that are none: copy or train the bundle again")
    return found.reshape(shape).transpose(axes)


def set_weights(model: Any, weights: Mapping[str, np.ndarray], path: Path) -> None:
    """Give a keras.Model its weights, each by its path; BundleError where they do not fit.

    path : of their file, for the message
    """
    wanted = {weight.path: tuple(weight.shape) for weight in model.weights}
    for name in [*wanted, *weights]:
        held = weights[name].shape if name in weights else "missing"
        if held != wanted.get(name):
            due = wanted.get(name, "none")
            raise BundleError(
                f"weights in {path} do not fit the network of its spec: {name} is {held} where"
                f" {due} was due: copy or train the bundle again"
            )
    model.set_weights([weights[name] for name in wanted])


def check_sizes(network: Mapping[str, Any], weights: Mapping[str, np.ndarray], origin: Any) -> None:
    """Raise BundleError where a network's config asks for sizes that no weight has, before a
    network of that size is built.

    origin : of the config, for the message
    """
    held = {length for array in weights.values() for length in array.shape}
    for key, size in sizes(network).items():
        if size not in held:
            raise wrong(origin, f"network.{key}", size, "a size that its weights have")


def _own_datasets(file: Any) -> Iterator[tuple[str, Any]]:
    """Datasets that lie in this file, as they are, by their paths."""
    import h5py

    waiting, count = [("", file)], 0
    while waiting:
        above, group = waiting.pop()
        for part in group:
            name, count = f"{above}{part}", count + 1
            if len(name) > LONGEST or count > MOST:  # groups can hold themselves
                raise ValueError(f"{name[:60]} lies deeper, or holds more, than a network does")
            if not isinstance(group.get(part, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link to something else")
            place = group[part]
            if isinstance(place, h5py.Group):
                waiting.append((f"{name}/", place))
            else:
                _check_plain(name, place)
                yield name, place


def _check_plain(name: str, place: Any) -> None:
    import h5py

    if not isinstance(place, h5py.Dataset):
        raise ValueError(f"{name} is no dataset")
    if place.external or place.is_virtual:
        raise ValueError(f"{name} lies in another file")
    if place.chunks is not None or place.dtype.kind != "f":
        raise ValueError(f"{name} is no plain array of numbers")
    if place.size and place.id.get_storage_size() < place.size * place.dtype.itemsize:
        raise ValueError(f"{name} promises more than the file holds")
