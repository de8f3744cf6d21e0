"""The weights file of a bundle.

It is plain HDF5, one dataset for each of `model.weights`, under the weight's path; it does not
depend on Keras's own layout nor on the backend it was written with. HDF5 can also point to other
files, promise more than it holds, or unpack to any size; nothing of that is read. Nor is text in
it, whose damage the library of HDF5 does not survive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.errors import BundleError
from cryodl.networks.architectures import sizes, wrong

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
