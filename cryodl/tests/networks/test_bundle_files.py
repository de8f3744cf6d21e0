"""Files of bundles that are none, that lie elsewhere, or that hold what no network has."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cryodl.compute.device import load_parts
from cryodl.errors import BundleError
from cryodl.files.record import KEY
from cryodl.networks.bundle import load_bundle
from cryodl.networks.openvino_backend import LightNetwork, can_run_light
from cryodl.networks.spec import SHIPPED
from cryodl.networks.weights import read_weights, set_weights
from cryodl.tests.networks.test_bundle_proof import read, relist, write


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
    path = small / "model.weights.h5"
    if fault in WEIGHTS:
        with h5py.File(path, "w") as file:
            WEIGHTS[fault](file, tmp_path)
    else:
        path.write_bytes(b"" if fault == "empty" else b"\x89HDF\r\n\x1a\n" + bytes(100))
    relist(small, "model.weights.h5")
    with pytest.raises(BundleError, match="model.weights.h5 holds no weights of a network"):
        load_bundle(small).model  # noqa: B018


def test_weights_are_given_by_their_paths(small):
    h5py = pytest.importorskip("h5py")
    path = small / "model.weights.h5"
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


@pytest.mark.parametrize("file", ["model.weights.h5", "vector.npz", "light/network.bin"])
def test_files_that_are_none_are_told(file, small):
    """No answer would come from a pipe, and none soon from ten gigabytes."""
    if not can_run_light():
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
        load_bundle(small).light  # noqa: B018


@pytest.mark.parametrize("damage", [b"\xe2(", b"", b"\0"])
def test_networks_that_openvino_cannot_name_are_told(damage, small):
    """It repeats what it read, also where that is no text, and it may fail at the first batch."""
    if not can_run_light():
        pytest.skip("OpenVINO is not installed")
    path = small / "light" / "network.xml"
    held = path.read_bytes()
    network = LightNetwork(path)
    assert network.predict_on_batch(np.ones((2, 105))).shape == (2, 45)
    with pytest.raises(BundleError, match="OpenVINO cannot use .*network.xml"):
        network.predict_on_batch(np.ones((2, 104)))
    path.write_bytes(held.replace(b'type="Const"', b'type="' + damage + b'"', 1))
    with pytest.raises(BundleError, match="OpenVINO cannot use .*network.xml"):
        LightNetwork(path).load()


@pytest.mark.parametrize("depth", [100, 450, 900, 5000])
def test_a_spec_that_is_nested_without_end_is_told(depth, small):
    """Also where Python still reads it, but not what goes through it afterwards."""
    text = (small / "spec.json").read_text("utf-8")
    deep = "[" * depth + "]" * depth
    (small / "spec.json").write_text(text.replace("{", f'{{"deep": {deep},', 1), "utf-8")
    with pytest.raises(BundleError, match="spec.json cannot be read as JSON .*too deeply"):
        load_bundle(small)
