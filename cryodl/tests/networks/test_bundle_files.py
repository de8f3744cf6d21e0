"""Files of bundles that are none, that lie elsewhere, or that hold what no network has."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cryodl.compute.device import load_parts
from cryodl.errors import BundleError
from cryodl.files.record import KEY
from cryodl.networks.architectures import REMEDY
from cryodl.networks.bundle import load_bundle
from cryodl.networks.openvino_backend import OpenVINONetwork, can_run_openvino
from cryodl.networks.seal import seal_bundle
from cryodl.networks.spec import SHIPPED
from cryodl.networks.weights import read_weights, set_weights
from cryodl.tests.networks.test_bundle_proof import as_earlier, read, relist, write


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A copy of the smallest shipped bundle, to damage."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return Path(shutil.copytree(SHIPPED / "class-dnn", tmp_path / "small"))


def external(file, folder):
    (folder / "other.raw").write_bytes(bytes(400))
    file.create_dataset("a", (10, 10), "f4", external=[(str(folder / "other.raw"), 0, 400)])


def linked(file, folder, soft=False):
    import h5py

    with h5py.File(folder / "other.h5", "w") as other:
        other["b"] = np.ones((10, 10), np.float32)
    file["c"] = np.ones((10, 10), np.float32)
    file["a"] = h5py.SoftLink("/c") if soft else h5py.ExternalLink(str(folder / "other.h5"), "/b")


def virtual(file, folder):
    import h5py

    layout = h5py.VirtualLayout((10, 10), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "b", (10, 10))
    file.create_virtual_dataset("a", layout)


WEIGHTS = {
    "external storage": external,
    "external link": linked,
    "soft link": lambda file, folder: linked(file, folder, True),
    "virtual": virtual,
    "bomb": lambda file, _: file.create_dataset("a", (2**16, 2**16), "f4", chunks=(2**10, 2**10)),
    "text": lambda file, _: file.create_dataset("a", data=[b"text"]),
    "NaN": lambda file, _: file.create_dataset("a", data=np.full(3, np.nan)),
    "group": lambda file, _: file.create_group("a"),
    "nothing": lambda file, _: None,
    "without end": lambda file, _: file.create_group("a/b").__setitem__("a", file["a"]),
}


@pytest.mark.parametrize("fault", [*WEIGHTS, "no HDF5", "empty"])
def test_weights_that_lie_elsewhere_or_nowhere_are_refused(fault, small, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = as_earlier(small)
    if fault in WEIGHTS:
        with h5py.File(path, "w") as file:
            WEIGHTS[fault](file, tmp_path)
    else:
        path.write_bytes(b"" if fault == "empty" else b"\x89HDF\r\n\x1a\n" + bytes(100))
    relist(small, "model.weights.h5")
    with pytest.raises(BundleError, match="model.weights.h5 holds no weights of a network"):
        load_bundle(small).model  # noqa: B018


PLACES = {  # changes of weights.json, and what is said of them
    "no JSON": (lambda t: "{", "weights.json cannot be read as JSON"),
    "nested": (lambda t: "[" * 10**5, "weights.json cannot be read as JSON"),
    "a list": (lambda t: [], r"its content is \[\], expected an object"),
    "no weights": (lambda t: {**t, "weights": {}}, "weights is an object of 0 entries, expected"),
    "no files": (
        lambda t: {**t, "files": {}},
        "file is 'light/network.bin', expected one of",
    ),
    "another file": (lambda t: {**t, "files": {"light/network.bin": "0" * 64}}, "is of another"),
    "not listed": (lambda t: {**t, "files": {"../x.bin": "0" * 64}}, "x.bin is not listed"),
    "no entry": (lambda t: placed(t, None), "its entry is null, expected an object"),
    "no offset": (lambda t: placed(t, offset=None), "offset is null, expected a whole number"),
    "before": (lambda t: placed(t, offset=-4), "offset is -4, expected a whole number"),
    "beyond": (lambda t: placed(t, offset=423500), "expected no more than light/network.bin holds"),
    "a bomb": (lambda t: placed(t, shape=[2**30] * 9, axes=[*range(9)]), "expected no more than"),
    "axes": (lambda t: placed(t, axes=[1]), r"axes is \[1\], expected the numbers 0 to 0"),
    "integers": (lambda t: placed(t, dtype="int8"), "dtype is 'int8', expected 'float16' or"),
    "missing": (lambda t: {**t, "weights": dict([*t["weights"].items()][1:])}, "bias is missing"),
    "another shape": (lambda t: placed(t, shape=[5, 9], axes=[0, 1]), r"is \(5, 9\) where \(45"),
}


def placed(table, entry=(), **changes):
    """The table with another place of its first weight."""
    name, place = next(iter(table["weights"].items()))
    entry = {**place, **changes} if entry == () else entry
    return {**table, "weights": {**table["weights"], name: entry}}


@pytest.mark.parametrize("fault", PLACES)
def test_a_table_that_leads_nowhere_is_refused(fault, small):
    pytest.importorskip("keras")
    change, message = PLACES[fault]
    table = json.loads((small / "weights.json").read_text("utf-8"))
    found = change(table)
    (small / "weights.json").write_text(found if isinstance(found, str) else json.dumps(found))
    relist(small, "weights.json")
    with pytest.raises(BundleError, match=message) as error:
        load_bundle(small).model  # noqa: B018
    assert "\n" not in str(error.value) and REMEDY in str(error.value)


def test_openvino_files_of_another_network_give_keras_no_weights(small):
    pytest.importorskip("keras")
    path = small / "light" / "network.bin"
    path.write_bytes(bytes(path.stat().st_size))
    relist(small, "light/network.bin")
    with pytest.raises(BundleError, match="weights.json is of another light/network.bin"):
        load_bundle(small).model  # noqa: B018


@pytest.mark.parametrize("name", ["class-dnn", "deepres-low", "class-cnn"])
def test_earlier_bundles_give_the_same_weights_and_are_stored_once_by_a_command(name, tmp_path):
    """As kernels in half precision, transposed, and in two networks."""
    pytest.importorskip("keras")
    pytest.importorskip("openvino")
    folder = Path(shutil.copytree(SHIPPED / name, tmp_path / name))
    before = read(folder)["weights_sha256"]
    path = as_earlier(folder)
    held = load_bundle(folder).weights
    seal_bundle(folder)
    assert not path.exists() and before in (folder / "MODEL_CARD.md").read_text("utf-8")
    once = load_bundle(folder)
    assert once.sha256 == before == load_bundle(name).sha256
    assert len(held) == len(once.model.weights)
    for weight in once.model.weights:
        assert np.asarray(weight).tobytes() == held[weight.path].tobytes()


def test_weights_are_given_by_their_paths(small):
    h5py = pytest.importorskip("h5py")
    path = as_earlier(small)
    with h5py.File(path, "a") as file:
        del file.attrs["order"]  # earlier versions went by it
    held, given = read_weights(path), []
    names = sorted(held, reverse=True)
    model = SimpleNamespace(
        weights=[SimpleNamespace(path=name, shape=held[name].shape) for name in names],
        set_weights=given.extend,
    )
    set_weights(model, held, path)
    assert len(given) == 6 and all(a is held[name] for a, name in zip(given, names))
    less = {name: held[name] for name in names[:-1]}
    other = {**held, names[2]: held[names[2]].T}
    for odd, message in (
        ({**held, "more": held[names[0]]}, r"more is \(.*\) where none was due"),
        (less, rf"{names[-1]} is missing where"),
        (other, rf"{names[2]} is \(.*\) where \("),
    ):
        with pytest.raises(BundleError, match=message):
            set_weights(model, odd, path)


@pytest.mark.parametrize("file", ["weights.json", "vector.npz", "light/network.bin"])
def test_files_that_are_none_are_told(file, small):
    """No answer would come from a pipe, and none soon from ten gigabytes."""
    if not can_run_openvino():
        pytest.skip("OpenVINO is not installed")
    path = small / file
    for make, message in (
        (lambda: os.mkfifo(path), "is a pipe, not a file of a bundle"),
        (path.mkdir, "is a folder, not a file of a bundle"),
        (lambda: path.symlink_to("/dev/zero"), "is a device"),
        (lambda: path.symlink_to(path.name), "cannot read .*symbolic links"),
        (lambda: os.truncate(path, 10**10), "holds 10 GB, and no file of a bundle more than 1.07"),
    ):
        path.unlink()
        if "10 GB" in message:
            path.touch()
        make()
        with pytest.raises(BundleError, match=f"{file}.*{message}|{message}") as error:
            load_parts(load_bundle(small), "cpu")
        assert file in str(error.value)
        if path.is_dir():
            path.rmdir()
            path.touch()


def test_a_name_too_long_for_a_file_is_told(small):
    with pytest.raises(BundleError, match="unknown bundle 'aaaa"):
        load_bundle("a" * 5000)
    with pytest.raises(BundleError, match="unknown bundle '~nobody of that name/x'"):
        load_bundle("~nobody of that name/x")
    spec = read(small)
    spec["light"]["a" * 5000 + ".xml"] = spec[KEY]["light/" + "a" * 5000 + ".xml"] = "0" * 64
    write(small, spec)
    with pytest.raises(BundleError, match="cannot read .*: File name too long"):
        load_bundle(small).openvino  # noqa: B018


@pytest.mark.parametrize("damage", [b"\xe2(", b"", b"\0"])
def test_networks_that_openvino_cannot_name_are_told(damage, small):
    """It repeats what it read, also where that is no text, and it may fail at the first batch."""
    if not can_run_openvino():
        pytest.skip("OpenVINO is not installed")
    path = small / "light" / "network.xml"
    held = path.read_bytes()
    network = OpenVINONetwork(path)
    assert network.predict_on_batch(np.ones((2, 105))).shape == (2, 45)
    with pytest.raises(BundleError, match="OpenVINO cannot use .*network.xml"):
        network.predict_on_batch(np.ones((2, 104)))
    path.write_bytes(held.replace(b'type="Const"', b'type="' + damage + b'"', 1))
    with pytest.raises(BundleError, match="OpenVINO cannot use .*network.xml"):
        OpenVINONetwork(path).load()


@pytest.mark.parametrize("depth", [100, 450, 900, 5000])
def test_a_spec_that_is_nested_without_end_is_told(depth, small):
    """Also where Python still reads it, but not what goes through it afterwards."""
    text = (small / "spec.json").read_text("utf-8")
    deep = "[" * depth + "]" * depth
    (small / "spec.json").write_text(text.replace("{", f'{{"deep": {deep},', 1), "utf-8")
    with pytest.raises(BundleError, match="spec.json cannot be read as JSON .*too deeply"):
        load_bundle(small)
