"""Networks in OpenVINO's format: for processors, and without Keras.

Importing Keras and TensorFlow takes longer than judging a small map; OpenVINO loads in half a
second, and computes as fast. What it reads is made from the same network and the same weights (a
.xml and a .bin file for each part), so the answers are the same but for rounding, which tests hold
the shipped ones to.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from cryodl.compute.parallel import thread_count
from cryodl.compute.precision import in_half
from cryodl.errors import BundleError, is_shortage

WHOLE = "network"  # name of the part where a network is not cut into parts
NAME, TELEMETRY = "openvino", "openvino_telemetry"
# What OpenVINO raises of files that are none; UnicodeDecodeError where it repeats what they hold.
BROKEN = (RuntimeError, ValueError, TypeError, KeyError, IndexError, OverflowError)


def import_openvino() -> Any:
    """OpenVINO without its telemetry.

    Merely imported it would tell a server so, from a process that it forks, and that fork ends the
    threads in which scipy's transforms may just be computed. It has a stand-in of its own for where
    the telemetry is not installed.
    """
    if NAME not in sys.modules and TELEMETRY not in sys.modules:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # as if it were not installed
        try:
            return importlib.import_module(NAME)
        finally:
            del sys.modules[TELEMETRY]
    return importlib.import_module(NAME)


def can_run_openvino() -> bool:
    """Whether networks in this format can be run here."""
    return find_spec(NAME) is not None


def can_write_openvino() -> bool:
    """Whether networks can be brought to this format here."""
    import keras

    return can_run_openvino() and keras.backend.backend() == "tensorflow"


def parts_of(model: Any) -> dict[str, Any]:
    """The networks that a keras.Model is made of, by name; or itself, as WHOLE."""
    import keras

    nested = {layer.name: layer for layer in model.layers if isinstance(layer, keras.Model)}
    return nested or {WHOLE: model}


class OpenVINONetwork:
    """What stands for a keras.Model where nothing but its answers is wanted.

    path : of the .xml file; beside it lies a .bin file
    read : gives a file's bytes, or an error where they are not what they should be

    Raises
    ------
    BundleError : at the first use, where the files hold no network
    """

    def __init__(self, path: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> None:
        self.path = path
        self._read = read

    @cached_property
    def _compiled(self) -> Any:
        openvino = import_openvino()
        hints = {
            # some processors would choose half precision by themselves
            "INFERENCE_PRECISION_HINT": "bf16" if in_half() else "f32",
            "INFERENCE_NUM_THREADS": thread_count(),
            # runs side by side do not know of each other, and would take the same cores
            "ENABLE_CPU_PINNING": False,
        }
        # bytes, so that what computes is what was checked
        held = [self._read(path) for path in (self.path, self.path.with_suffix(".bin"))]
        with self._told():
            core = openvino.Core()
            return core.compile_model(core.read_model(*held), "CPU", hints)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever OpenVINO says against the files, as one line, which may come at any size of
        input."""
        try:
            yield
        except BROKEN as error:
            if is_shortage(error):
                raise
            raise BundleError(
                f"OpenVINO cannot use {self.path} ({_last_line(error)}): update OpenVINO, or copy"
                " or train the bundle again"
            ) from None

    def load(self) -> OpenVINONetwork:
        """Read and compile now, not at the first batch."""
        _ = self._compiled
        return self

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """As of a keras.Model; None where a size is free."""
        with self._told():
            sizes = self._compiled.output(0).get_partial_shape()
            return tuple(size.get_length() if size.is_static else None for size in sizes)

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        """Answers to a batch, ndarrays, shape (batch, ...)."""
        with self._told():
            return self._compiled(np.ascontiguousarray(x, np.float32))[0]


def read_openvino(folder: Path) -> dict[str, OpenVINONetwork]:
    """The networks in a folder, by name."""
    return {path.stem: OpenVINONetwork(path) for path in sorted(folder.glob("*.xml"))}


def openvino_answers(parts: Mapping[str, OpenVINONetwork]) -> Callable:
    """What asks these networks: part, input (batch, ...) to answer, and its precision."""
    precision = "half" if in_half() else "single"
    return lambda part, given: (parts[part].predict_on_batch(given), precision)


def _last_line(error: Exception) -> str:
    """What went wrong; the lines before it say where in OpenVINO."""
    if isinstance(error, UnicodeError):
        return "it holds what is no text"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "it does not say why"


def write_openvino(folder: Path, parts: Mapping[str, Any]) -> None:
    """Write networks in this format, each of one input and one output.

    folder : to write into;  parts : keras.Models of the TensorFlow backend, by name

    Kernels are written in half precision where that holds every one of their numbers.
    """
    openvino = import_openvino()
    folder.mkdir(exist_ok=True)
    for name, network in parts.items():
        with tempfile.TemporaryDirectory(dir=folder) as saved:  # where there is room for them
            network.export(saved, format="tf_saved_model", verbose=False)
            graph = openvino.Core().read_model(saved)
        save_graph(graph, folder / f"{name}.xml")


def save_graph(graph: Any, path: Path) -> None:
    """Write an openvino.Model as .xml and .bin, kernels in half precision where that is exact; they
    are single again before anything is computed with them."""
    openvino = import_openvino()
    ops = importlib.import_module(f"{NAME}.opset13")
    for node in graph.get_ops():
        single = node.get_type_name() == "Constant" and node.get_element_type().to_string() == "f32"
        if not single or len(node.shape) < 2:
            continue
        with np.errstate(over="ignore"):
            half = node.data.astype(np.float16)
        if np.array_equal(half, node.data):
            kept = ops.constant(half)
            kept.set_friendly_name(node.get_friendly_name())
            exact = ops.convert(kept, "f32")
            for target in node.output(0).get_target_inputs():
                target.replace_source_output(exact.output(0))
    openvino.save_model(graph, path, compress_to_fp16=False)


def constants(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Numbers that a network holds, as (offset in its .bin file, bytes; numbers as they lie there).

    path : of the .xml file
    """
    held = path.with_suffix(".bin").read_bytes()
    for data in ElementTree.parse(path).iterfind("layers/layer[@type='Const']/data"):
        dtype = {"f16": "<f2", "f32": "<f4"}.get(data.get("element_type", ""))
        if dtype:
            offset, size = int(data.get("offset", 0)), int(data.get("size", 0))
            yield offset, np.frombuffer(held, dtype, size // np.dtype(dtype).itemsize, offset)
