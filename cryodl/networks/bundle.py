"""Save and load a bundle."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from cryodl.errors import BundleError, BundleWarning, OutputError
from cryodl.files.folder import whole_folder
from cryodl.files.record import KEY, file_sha256, sealed
from cryodl.networks.architectures import reads_and_answers
from cryodl.networks.openvino_backend import (
    OpenVINONetwork,
    can_write_openvino,
    constants,
    openvino_answers,
    parts_of,
    read_openvino,
    write_openvino,
)
from cryodl.networks.proof import (
    VECTOR_FILE,
    Answer,
    check_answers,
    check_listed,
    check_lists,
    listed_files,
    not_listed,
    read_listed,
    read_vector,
    write_vector,
)
from cryodl.networks.spec import (
    CARD_FILE,
    FORMAT,
    OPENVINO,
    SPEC_FILE,
    TABLE_FILE,
    WEIGHTS_FILE,
    check_spec,
    find_bundle,
    read_spec,
    thaw,
    weights_file,
    write_spec,
)
from cryodl.networks.weights import (
    check_sizes,
    find_weight,
    read_table,
    read_weights,
    set_weights,
    write_table,
    write_weights,
)

_proven: set[tuple] = set()  # what has answered its test vector in this process


class Bundle:
    """A trained network and all it needs to be used.

    Attributes
    ----------
    path : the folder
    spec : read-only mapping, the contents of spec.json
    model : keras.Model, built at the first use
    openvino : the parts of the same network for OpenVINO, by name; empty where it holds none
    """

    def __init__(self, path: Path, spec: Mapping[str, Any], build: Callable | None = None) -> None:
        self.path = path
        self.spec = spec
        self._build = build

    def __repr__(self) -> str:
        return f"Bundle({self.spec['name']!r}, {str(self.path)!r})"

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights' file, or of the table that names their files with their SHA-256;
        checked when the bundle was loaded."""
        return self.spec["weights_sha256"]

    @cached_property
    def openvino(self) -> dict[str, OpenVINONetwork]:
        """OpenVINONetwork by name, each checked when it is loaded.

        BundleError where their files do not belong to the spec's network.
        """
        names = [name for name in self.spec.get(OPENVINO, {}) if name.endswith(".xml")]
        found = {PurePosixPath(name).stem: self._openvino_network(name) for name in names}
        expected = reads_and_answers(self.spec["network"])
        if found and expected and found.keys() != expected.keys():
            raise BundleError(
                f"{self.path / SPEC_FILE}: {OPENVINO} lists {' and '.join(sorted(names))}, expected"
                f" {' and '.join(f'{part}.xml' for part in expected)}: copy or train the bundle"
                " again"
            )
        return found

    def _openvino_network(self, name: str) -> OpenVINONetwork:
        for file in (name, str(PurePosixPath(name).with_suffix(".bin"))):
            check_listed(self.path, self.spec, f"{OPENVINO}/{file}")
        return OpenVINONetwork(
            self.path / OPENVINO / name,
            lambda path: read_listed(
                self.path, self.spec, path.relative_to(self.path).as_posix()
            ),
        )  # fmt: skip

    @cached_property
    def model(self) -> Any:
        """The network with its weights, which has answered its test vector.

        BundleError where they do not fit each other.
        """
        from cryodl import networks

        weights = self.weights
        if self._build is None:
            check_sizes(self.spec["network"], weights, self.path / SPEC_FILE)
        build = self._build or networks.build
        try:
            model = build(thaw(self.spec["network"]))
        except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise BundleError(
                f"this cryodl cannot build the network of bundle {self.path} ({error}): "
                "update cryodl"
            ) from None
        set_weights(model, weights, self.path / weights_file(self.spec))
        self.prove(keras_answers(model), _backend())
        return model

    @property
    def weights(self) -> dict[str, Any]:
        """Weights as they are stored, ndarrays float32, by their paths in the network."""
        if weights_file(self.spec) == TABLE_FILE:
            return read_table(
                lambda name: read_listed(self.path, self.spec, name), TABLE_FILE, self.path
            )  # fmt: skip
        return read_weights(check_listed(self.path, self.spec, WEIGHTS_FILE))

    def prove(self, answer: Answer, backend: str) -> None:
        """Raise BundleError unless a library answers the bundle's test vector as it was written.

        answer : asks the library;  backend : its name, for the message

        Asked once of every library in a process; of bundles that hold a vector.
        """
        listed = listed_files(self.spec)
        asked = (str(self.path), backend, *sorted(listed.items()))
        if VECTOR_FILE not in listed or asked in _proven:
            return
        held = read_listed(self.path, self.spec, VECTOR_FILE)
        vector = read_vector(held, self.spec["network"], self.path / VECTOR_FILE)
        check_answers(vector, answer, self.path, backend)
        _proven.add(asked)


def keras_answers(model: Any) -> Answer:
    """Asks the parts of a keras.Model."""
    parts = parts_of(model)

    def answer(part, given):
        from keras import ops

        found = ops.stop_gradient(parts[part](given, training=False))
        where = str(getattr(found, "device", "")).lower()
        on_gpu = "gpu" in where or "cuda" in where
        return ops.convert_to_numpy(found), "gpu" if on_gpu else "single"

    return answer


def load_bundle(name_or_path: str | Path, *, build: Callable[[dict], Any] | None = None) -> Bundle:
    """Find a bundle by a shipped name or a folder and check it; the network is built later.

    Parameters
    ----------
    name_or_path : "deepres-low", or a folder
    build : network config -> keras.Model, where the network is not one of cryodl's own

    Raises
    ------
    BundleError : unknown bundle, missing file, wrong checksum, unknown format version, bad JSON, or
        an entry of the spec that is missing or wrong

    Warns in one sentence of a bundle that cannot prove itself: one of an earlier version, which
    lists not all its files or holds no test vector; and of files that are not listed.
    """
    path = find_bundle(name_or_path)
    spec = read_spec(path)
    check_lists(path, spec)
    check_listed(path, spec, weights_file(spec))
    if KEY not in spec or VECTOR_FILE not in listed_files(spec):
        _warn(
            f"bundle {path} is of an earlier version, and cannot prove that it answers as it was"
            " trained: train it again if you can"
        )
    for name in not_listed(path, spec):
        _warn(f"{path / name} is not listed in the bundle's {SPEC_FILE}, so it is not used")
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
    build: Callable[[dict], Any] | None = None,
) -> Bundle:
    """Write a bundle with its test vector; the folder appears complete or not at all.

    What else a folder holds that is overwritten stays, as in `whole_folder`.

    Parameters
    ----------
    path : folder to make
    model : keras.Model whose layers have names of their own
    spec : entries of spec.REQUIRED and the method's own; format and checksums are added
    dtype : of the stored kernels; vectors (biases, batch statistics) stay float32
    overwrite : replace a folder that exists
    light : write the network in OpenVINO's format, where OpenVINO and TensorFlow are here, and let
        Keras read its weights from there
    card : of the spec, the text of the model card
    build : network config -> keras.Model, where the network is not one of cryodl's own

    Raises
    ------
    BundleError : entries missing from `spec` or wrong; a network that answers with no numbers
    OutputError : the folder exists or cannot be written
    """
    path = Path(path)
    if path.exists() and not (overwrite and path.is_dir()):
        raise OutputError(f"bundle {path} exists: give another name, or a folder to overwrite")
    check_replaced(path)
    spec = {**thaw(spec), "format": FORMAT}
    for key in (OPENVINO, KEY):  # of a bundle whose spec was taken over
        spec.pop(key, None)
    check_spec(spec)
    with whole_folder(path, overwrite=overwrite) as work:
        write_weights(work / WEIGHTS_FILE, model, dtype)
        spec["weights_sha256"] = file_sha256(work / WEIGHTS_FILE)
        # of the weights as they were stored, so that all give the same answers
        stored = write_proof(Bundle(work, spec, build), work / VECTOR_FILE)
        if light and can_write_openvino():
            folder = work / OPENVINO
            try:
                write_openvino(folder, parts_of(stored))
                _check_openvino(folder, work / VECTOR_FILE, spec)
                spec[OPENVINO] = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
            except Exception as error:  # of either library; hours of training must not be lost
                shutil.rmtree(folder, ignore_errors=True)
                _warn(f"{path.name} goes without OpenVINO's format: {error}")
            else:
                store_once(work, spec)
        if card is not None:
            text = card(spec)
            (work / CARD_FILE).write_text(text, encoding="utf-8", errors="backslashreplace")
        write_spec(work, sealed(spec, SPEC_FILE, work))
    return load_bundle(path.resolve(), build=build)


def store_once(folder: Path, spec: dict[str, Any]) -> None:
    """Put a table in the place of the HDF5 file, where OpenVINO's files hold every weight.

    folder : of a bundle that is being written;  spec : its own, whose checksums are set
    """
    networks = sorted((folder / OPENVINO).glob("*.xml"))
    files = [f"{OPENVINO}/{path.stem}.bin" for path in networks]
    held = [(file, *each) for path, file in zip(networks, files) for each in constants(path)]
    try:
        weights = read_weights(folder / WEIGHTS_FILE)
        places = {name: find_weight(name, values, held) for name, values in weights.items()}
    except ValueError:  # some exports change weights: norms that are multiplied into kernels
        return
    used = {place["file"] for place in places.values()}
    sums = {file: file_sha256(folder / file) for file in files if file in used}
    write_table(folder / TABLE_FILE, places, sums)
    (folder / WEIGHTS_FILE).unlink()
    spec["weights_sha256"] = file_sha256(folder / TABLE_FILE)


def write_proof(bundle: Bundle, vector: Path) -> Any:
    """The stored network; its test vector is written as a processor answers it: GPUs may round."""
    import keras

    with keras.device("cpu:0"):
        model = bundle.model
        shapes = {name: part.input_shape for name, part in parts_of(model).items()}
        free = 2 * bundle.spec["network"].get("stride", 2)
        write_vector(vector, shapes, keras_answers(model), free)
    return model


def _check_openvino(folder: Path, vector: Path, spec: Mapping[str, Any]) -> None:
    found = read_vector(vector.read_bytes(), spec["network"], vector)
    check_answers(found, openvino_answers(read_openvino(folder)), folder, "OpenVINO")


def _backend() -> str:
    import keras

    return f"Keras on {keras.backend.backend()}"


def _warn(sentence: str) -> None:
    warnings.warn(sentence, BundleWarning, stacklevel=3)
