"""The readers of bundles, and of weights that lie outside of them, for `fuzz_readers`."""

import json
import warnings

import numpy as np

import cryodl.tests.fuzzing.fuzz_samples as samples
from cryodl.errors import BundleError


def read_bundle(folder):
    """The spec as its method asks for it, the weights, and what OpenVINO computes."""
    from cryodl.errors import BundleWarning
    from cryodl.networks.architectures import reads_and_answers
    from cryodl.networks.bundle import load_bundle
    from cryodl.networks.openvino_backend import openvino_answers
    from cryodl.networks.spec import SPEC_FILE
    from cryodl.networks.weights import check_sizes, set_weights
    from cryodl.tests.fuzzing.fuzz import odd_words

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", BundleWarning)
        bundle = load_bundle(folder / "bundle")
        _choose(bundle)
        network = bundle.spec["network"]
        light = {name: part.load() for name, part in bundle.openvino.items()}
        bundle.prove(openvino_answers(light), "OpenVINO")
        # as bundle.model does, without Keras
        weights = bundle.weights
        check_sizes(network, weights, bundle.path / SPEC_FILE)
        set_weights(samples.TinyNetwork(network), weights, bundle.path)
    assert not [each for each in said if odd_words(str(each.message))]
    assert all(np.isfinite(array).all() for array in weights.values())
    for name, (_, reads, answers) in reads_and_answers(network).items():
        if name in light:
            found = light[name].predict_on_batch(np.ones((2, reads), "f4"))
            assert found.shape == (2, answers) and light[name].output_shape[-1] == answers


def read_voxel_size(folder):
    from cryodl.checks.voxel_size import FACTORS, NUMBERS, predict, proven_weights

    weights = proven_weights(folder / "w.npz")
    assert 0 < weights["threshold"] < 1
    assert abs(predict(np.ones(NUMBERS, "f4"), weights).sum() - 1) < 1e-3
    assert predict(np.ones((3, NUMBERS), "f4"), weights).shape == (3, len(FACTORS))


def seal_voxel_size(folder):
    from cryodl.checks.voxel_size import SUM, checksum

    try:
        with np.load(folder / "w.npz") as held:
            arrays = {name: held[name] for name in held if name != SUM}
        np.savez(folder / "w.npz", **arrays, **{SUM: np.array(checksum(arrays))})
    except Exception:  # whatever NumPy says of no such file
        pass


def _choose(bundle):
    from cryodl.methods.cryores.run import choose_bundle as single_map
    from cryodl.methods.deepres.config import choose_bundle as local_resolution
    from cryodl.methods.enhance.prepare import choose_bundle as postprocess
    from cryodl.methods.local_classes.run import choose_bundle as local_classes
    from cryodl.methods.resolution_class.prepare import choose_bundle as resolution_class

    choices = {
        "local-resolution": lambda b: local_resolution(1.0, "auto", b),
        "local-classes": local_classes,
        "resolution-class": lambda b: resolution_class("cnn", b),
        "postprocess": lambda b: postprocess("tight", b),
        "single-map-resolution": single_map,
    }
    method = bundle.spec["method"]
    if method not in (choices if isinstance(method, str) else ()):
        raise BundleError("a method that there is not")
    spec = choices[method](bundle).spec
    size = spec["voxel_size"]
    assert isinstance(size, (int, float)) and 0 < size < 1e3, size
    for key in ("stride", "overlap"):
        if key in spec:
            assert isinstance(spec[key], int) and 0 <= spec[key] < 1e4, (key, spec[key])


def seal_bundle(folder):
    """Checksums of damaged files, and of a damaged spec, in the spec, as whoever wrote such files
    would have them."""
    from cryodl.files.record import KEY, file_sha256, own_sum, write_json

    folder = folder / "bundle"
    try:
        spec = json.loads((folder / "spec.json").read_text("utf-8"))
        sums = spec[KEY]
        for name in spec["light"]:
            path = folder / "light" / name
            if path.is_file():
                spec["light"][name] = file_sha256(path)
            sums[f"light/{name}"] = spec["light"][name]
        weights = "weights.json" if "weights.json" in sums else "model.weights.h5"
        for name in (weights, "vector.npz"):
            sums[name] = file_sha256(folder / name)
        spec["weights_sha256"] = sums[weights]
        sums["spec.json"] = own_sum(spec, "spec.json")
        write_json(folder / "spec.json", spec, indent=2)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OSError):
        pass  # no such spec
