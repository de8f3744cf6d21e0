"""The neural network library and the processor: what depends on which one runs stands here."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from contextlib import contextmanager, nullcontext, suppress
from importlib.util import find_spec

from cryodl.compute.memory import check_network_memory
from cryodl.compute.parallel import thread_count
from cryodl.compute.precision import in_half
from cryodl.errors import SettingError
from cryodl.networks.openvino_backend import (
    WHOLE,
    OpenVINONetwork,
    can_run_openvino,
    openvino_answers,
    parts_of,
)

DEVICES = ("auto", "cpu", "gpu")
BACKENDS = ("tensorflow", "jax", "torch")
# Of NVIDIA's driver, of Linux within Windows, and of AMD's driver.
GPU_SIGNS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
# Beside KERAS_BACKEND, where it was not the user who set that: child processes inherit both.
CHOSEN = "CRYODL_CHOSE_BACKEND"
# What TensorFlow says about itself although TF_CPP_MIN_LOG_LEVEL asks it not to.
BANNER = (b"All log messages before absl::InitializeLog", b"port.cc:", b"cpu_feature_guard.cc:")


def choose_backend() -> str:
    """Name of the Keras backend; set for this process unless the user has set it.

    Called before Keras is imported. Of several installed, TensorFlow comes first: on CPUs it is the
    fastest for these networks.

    Raises
    ------
    SettingError : none is installed, or the one asked for is not
    """
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    asked = os.environ.get("KERAS_BACKEND")
    candidates = (asked,) if asked else BACKENDS
    for name in candidates:
        if find_spec(name):
            os.environ["KERAS_BACKEND"] = name
            if not asked:
                os.environ[CHOSEN] = name
            return name
    if asked:
        raise SettingError(f"KERAS_BACKEND {asked!r} is not installed: install or unset it")
    raise SettingError(
        "this needs Keras and a library for it, which are not installed: pip install "
        "'scipion-em-cryodl[cpu]' or '[gpu]'"
    )


def prepare_device(device: str = "auto") -> str:
    """Import Keras so that it computes on `device`; return "cpu" or "gpu", what it will be.

    Parameters
    ----------
    device : "auto" takes a GPU where the backend sees one

    Raises
    ------
    SettingError : an unknown device, or a GPU asked for where the backend sees none
    """
    if device not in DEVICES:
        raise SettingError(f"device {device!r} is unknown: choose one of {', '.join(DEVICES)}")
    backend = choose_backend()
    # Libraries that start now are told by their environment, which also spares them the search.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if device == "cpu" and backend not in sys.modules:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        if backend == "jax":
            os.environ["JAX_PLATFORMS"] = "cpu"
    found = _gpu_is_there(backend)
    if device == "gpu" and not found:
        raise SettingError(
            f"device 'gpu' was asked for but {backend} sees none: check the driver and that the "
            "GPU build is installed, or choose cpu"
        )
    return "gpu" if found and device != "cpu" else "cpu"


def choose_gpus(gpus: str | None) -> None:
    """Show this process only some GPUs; before the backend is imported.

    gpus : numbers with commas, such as "0,2", counted among those the process may see already, as
        a queue gives them out; None or "" leaves all

    Raises
    ------
    SettingError : not numbers, or beyond those that may be seen
    """
    if not gpus:
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    try:
        numbers = [int(part) for part in str(gpus).split(",")]
        if min(numbers) < 0:
            raise IndexError
        chosen = [visible[n] for n in numbers] if visible != [""] else [str(n) for n in numbers]
    except ValueError:
        raise SettingError(f"gpus {gpus!r} is not a list of numbers such as 0,1") from None
    except IndexError:
        raise SettingError(f"gpus {gpus!r}: {_what_is_visible(visible)}; count from 0") from None
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)


def _what_is_visible(visible: list[str]) -> str:
    if visible == [""]:
        return "these are no numbers of GPUs"
    return f"only {len(visible)} can be seen (CUDA_VISIBLE_DEVICES={','.join(visible)})"


def load_network(bundle, device: str = "auto"):
    """A bundle's network, ready to answer, and "cpu" or "gpu", where it will.

    bundle : Bundle, of a network that is not made of parts;  device : as `prepare_device` takes it

    Where no GPU is to be used, or nothing that could, this is a OpenVINONetwork, which spares the
    import of Keras; but where the user's KERAS_BACKEND names a library, that one computes.
    """
    parts, device = load_parts(bundle, device)
    return parts[WHOLE], device


_kept: dict | None = None  # networks by all that they are loaded for, where they are kept


def keep_networks() -> None:
    """Have this process, which judges many maps, load each network once."""
    global _kept
    _kept = _kept or {}


def forget_networks() -> None:
    """Give back the networks that are kept, with what they hold of the largest map they read."""
    if _kept:
        _kept.clear()
        gc.collect()


def load_parts(bundle, device: str = "auto"):
    """As `load_network`, of all the networks that a bundle's is made of, by name."""
    if _kept is None:
        return _load_parts(bundle, device)
    name = str(bundle.path), bundle.sha256, device, in_half(), thread_count()
    if name not in _kept:
        _kept[name] = _load_parts(bundle, device)
    return _kept[name]


def _load_parts(bundle, device):
    openvino_will_do = _openvino_will_do(device) and bool(bundle.openvino)
    check_network_memory(keras=not openvino_will_do)
    if openvino_will_do:
        parts = {name: part.load() for name, part in bundle.openvino.items()}
        bundle.prove(openvino_answers(parts), "OpenVINO")
        return parts, "cpu"
    device = prepare_device(device)
    with device_scope(device):
        model = bundle.model
        model.trainable = False  # else PyTorch keeps what gradients would need
        return parts_of(model), device


def precision_on(device: str) -> str:
    """The precision in which networks compute, "single" or "half".

    device : "cpu" or "gpu", as `load_network` gave it
    """
    return "half" if device == "cpu" and in_half() and _openvino_will_do(device) else "single"


def _openvino_will_do(device: str) -> bool:
    asked = os.environ.get("KERAS_BACKEND")
    if not can_run_openvino() or (asked and os.environ.get(CHOSEN) != asked):
        return False
    for_gpus = _gpu_may_be_there() and any(find_spec(name) for name in BACKENDS)
    return device == "cpu" or (device == "auto" and not for_gpus)


def _gpu_may_be_there() -> bool:
    """Without the library that would know, which takes seconds to import."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(os.path.exists(path) for path in GPU_SIGNS)


def device_scope(device: str):
    """Context in which Keras computes on "cpu" or "gpu", as `prepare_device` returned it."""
    if device == "cpu" and "keras" not in sys.modules:  # something else computes
        return nullcontext()
    import keras

    return keras.device("cpu:0" if device == "cpu" else "gpu:0")


def _gpu_is_there(backend: str) -> bool:
    with _without_banner():
        import keras  # noqa: F401  (it sets its backend up)
    if backend == "tensorflow":
        import tensorflow

        return bool(tensorflow.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import torch

    return torch.cuda.is_available()


@contextmanager
def _without_banner():
    """Drop the lines that TensorFlow writes to stderr whenever it is imported; let all others
    through."""
    try:
        sys.stderr.flush()
        before = os.dup(2)
        temporary = tempfile.TemporaryFile()
    except (AttributeError, OSError):  # no stderr to keep clean, or nowhere to keep what it gets
        yield
        return
    with temporary as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            caught.seek(0)
            for line in caught.read().splitlines(keepends=True):
                if not any(mark in line for mark in BANNER):
                    with suppress(OSError):  # its reader has gone
                        os.write(2, line)


def predict_one(network, *sample):
    """A network's prediction for one sample, ndarray, without its batch axis.

    sample : ndarrays, one for each input

    Called directly: tracing takes longer than a map, at every new size of it.
    """
    if isinstance(network, OpenVINONetwork):
        return network.predict_on_batch(sample[0][None])[0]
    from keras import ops

    given = [array[None] for array in sample]
    prediction = network(given if len(given) > 1 else given[0], training=False)
    return ops.convert_to_numpy(ops.stop_gradient(prediction))[0]
