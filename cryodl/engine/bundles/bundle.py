"""Save and load a bundle.

The weights file is plain HDF5, one dataset for each of `model.weights`, under the weight's path and
in the network's order; it does not depend on Keras's own layout nor on the backend it was written
with.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BundleError, OutputError
from ..folder import whole_folder
from ..light import LightNetwork, can_write_light, parts_of, read_light, write_light
from ..record import file_sha256, sealed
from .card import CARD_FILE
from .registry import SHIPPED, find_bundle
from .spec import (
    FORMAT,
    LIGHT,
    SPEC_FILE,
    WEIGHTS_FILE,
    check_spec,
    read_spec,
    thaw,
    write_spec,
)


class Bundle:
    """A trained network and all it needs to be used.

    Attributes
    ----------
    path : the folder
    spec : read-only mapping, the contents of spec.json
    model : keras.Model, built at the first use
    light : the parts of the same network for OpenVINO, by name; empty where the bundle holds none
    """

    def __init__(self, path: Path, spec: Mapping[str, Any], build: Callable | None = None) -> None:
        self.path = path
        self.spec = spec
        self._build = build

    def __repr__(self) -> str:
        return f"Bundle({self.spec['name']!r}, {str(self.path)!r})"

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights file, checked when the bundle was loaded."""
        return self.spec["weights_sha256"]

    @cached_property
    def light(self) -> dict[str, LightNetwork]:
        """LightNetwork by name. BundleError where a file is missing or damaged."""
        for name, checksum in self.spec.get(LIGHT, {}).items():
            path = self.path / LIGHT / name
            if not path.is_file() or file_sha256(path) != checksum:
                raise BundleError(f"{path} is missing or damaged: {_remedy(self.path)}")
        return read_light(self.path / LIGHT) if LIGHT in self.spec else {}

    @cached_property
    def model(self) -> Any:
        """The network with its weights. BundleError where they do not fit each other."""
        from .. import networks

        build = self._build or networks.build
        try:
            model = build(thaw(self.spec["network"]))
        except (KeyError, ValueError) as error:
            raise BundleError(
                f"this cryodl cannot build the network of bundle {self.path} ({error}): "
                "update cryodl"
            ) from None
        _read_weights(self.path / WEIGHTS_FILE, model)
        return model


def load_bundle(name_or_path: str | Path, *, build: Callable[[dict], Any] | None = None) -> Bundle:
    """Find a bundle by a shipped name or a folder and check it; the network is built later.

    Parameters
    ----------
    name_or_path : "deepres-low", or a folder
    build : network config -> keras.Model, where the network is not one of cryodl's own

    Raises
    ------
    BundleError : unknown bundle, missing file, wrong checksum, unknown format version, bad JSON
    """
    path = find_bundle(name_or_path)
    spec = read_spec(path)
    weights = path / WEIGHTS_FILE
    if not weights.is_file():
        raise BundleError(f"bundle {path} has no {WEIGHTS_FILE}: {_remedy(path)}")
    found = file_sha256(weights)
    if found != spec.get("weights_sha256"):
        raise BundleError(
            f"checksum of {weights} is {found[:12]}..., its spec says "
            f"{str(spec.get('weights_sha256'))[:12]}...: the file is damaged, {_remedy(path)}"
        )
    return Bundle(path, spec, build)


def check_replaced(path: Path) -> None:
    """Raise OutputError where what would be replaced by a bundle is anything but one, or empty."""
    held = path.is_dir() and any(path.iterdir())
    if (path.exists() and not path.is_dir()) or (held and not _holds_bundle(path)):
        raise OutputError(f"{path} is no bundle and will not be replaced by one: give another name")


def _holds_bundle(path: Path) -> bool:
    """Whether a folder holds a bundle's spec; other programs have files of that name, too."""
    try:
        return bool(read_spec(path))
    except BundleError:
        return False


def save_bundle(
    path: str | Path,
    model: Any,
    spec: Mapping[str, Any],
    *,
    dtype: str = "float16",
    overwrite: bool = False,
    light: bool = False,
    card: Callable[[Mapping[str, Any]], str] | None = None,
) -> Bundle:
    """Write a bundle; the folder appears complete or not at all.

    What else a folder holds that is overwritten stays, as in `whole_folder`.

    Parameters
    ----------
    path : folder to make
    model : keras.Model whose layers have names of their own
    spec : entries of spec.REQUIRED and the method's own; format and checksum are added
    dtype : of the stored kernels; vectors (biases, batch statistics) stay float32
    overwrite : replace a folder that exists
    light : put the network in OpenVINO's format beside it, where OpenVINO and TensorFlow are here
    card : of the spec, the text of the model card

    Raises
    ------
    BundleError : entries missing from `spec`
    OutputError : the folder exists or cannot be written
    """
    path = Path(path)
    if path.exists() and not (overwrite and path.is_dir()):
        raise OutputError(f"bundle {path} exists: give another name, or a folder to overwrite")
    check_replaced(path)
    spec = {**thaw(spec), "format": FORMAT}
    check_spec(spec)
    with whole_folder(path, overwrite=overwrite) as work:
        _write_weights(work / WEIGHTS_FILE, model, dtype)
        spec["weights_sha256"] = file_sha256(work / WEIGHTS_FILE)
        spec.pop(LIGHT, None)
        if light and can_write_light():
            # of the weights as they were stored, so that both give the same answers
            folder = work / LIGHT
            try:
                write_light(folder, parts_of(Bundle(work, spec).model))
                spec[LIGHT] = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
            except Exception as error:  # of either library; hours of training must not be lost
                shutil.rmtree(folder, ignore_errors=True)
                warnings.warn(f"{path.name} goes without OpenVINO's format: {error}", stacklevel=2)
        if card is not None:
            text = card(spec)
            (work / CARD_FILE).write_text(text, encoding="utf-8", errors="backslashreplace")
        write_spec(work, sealed(spec, SPEC_FILE, work))
    return load_bundle(path.resolve())


def _write_weights(path: Path, model: Any, dtype: str) -> None:
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
        file.attrs["order"] = order


def _read_weights(path: Path, model: Any) -> None:
    import h5py

    with h5py.File(path, "r") as file:
        order = [str(name) for name in file.attrs["order"]]
        arrays = [np.asarray(file[name], np.float32) for name in order]
    wanted = [(weight.path, tuple(weight.shape)) for weight in model.weights]
    stored = [(name, array.shape) for name, array in zip(order, arrays)]
    if stored != wanted:
        odd = next((pair for pair in zip(stored, wanted) if pair[0] != pair[1]), None)
        what = f"{odd[0]} where {odd[1]} was due" if odd else f"{len(stored)} of {len(wanted)}"
        raise BundleError(f"weights in {path} do not fit the network of its spec: {what}")
    model.set_weights(arrays)


def _remedy(path: Path) -> str:
    if path.parent == SHIPPED:
        return "reinstall with 'pip install --force-reinstall scipion-em-cryodl'"
    return "copy or train the bundle again"
