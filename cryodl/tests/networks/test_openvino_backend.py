"""Networks in OpenVINO's format: the same answers, and no Keras."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.compute import device
from cryodl.errors import BundleError, SettingError
from cryodl.networks.bundle import load_bundle, save_bundle
from cryodl.networks.openvino_backend import (
    OpenVINONetwork,
    can_run_openvino,
    parts_of,
    read_openvino,
)
from cryodl.networks.spec import list_bundles
from cryodl.tests.cli.test_cli_localres import ball, write
from cryodl.tests.networks.test_bundles import SPEC as BUNDLE

if not can_run_openvino():
    pytest.skip("OpenVINO is not installed", allow_module_level=True)
keras = pytest.importorskip("keras")
SPEC = {
    **BUNDLE,
    "network": {
        "architecture": "unet3d", "channels": 21, "half": 4, "quarter": 8, "quarter_blocks": 1,
        "stride": 2, "bins": 6, "bins_from": 2.0, "bins_to": 12.0,
    },
    "normalisation": {"name": "local_features", "parameters": {}},
}  # fmt: skip


def sample(shape, seed=0):
    """An input as `shape` (None: any size) says, two samples of it."""
    free = iter((8, 12, 16))
    sizes = [next(free) if n is None else n for n in shape[1:]]
    return np.random.default_rng(seed).normal(size=(2, *sizes)).astype(np.float32)


@pytest.mark.parametrize("name", list_bundles())
def test_shipped_networks_give_the_same_answers(name):
    bundle = load_bundle(name)
    parts = parts_of(bundle.model)
    assert parts.keys() == bundle.openvino.keys()
    for part, network in parts.items():
        x = sample(network.input_shape)
        expected = np.asarray(network.predict_on_batch(x))
        assert expected.std() > 1e-3
        answer = bundle.openvino[part].predict_on_batch(x)
        np.testing.assert_allclose(answer, expected, rtol=1e-3, atol=1e-3)
        assert bundle.openvino[part].output_shape[1:] == network.output_shape[1:]


def test_openvino_tells_no_one_that_it_is_used(tmp_path):
    """Its telemetry keeps an identity in the user's folder, and sends from a forked process."""
    bundle = load_bundle("deepres-low").path / "light"
    code = (
        "import os, sys; os.fork = None\n"
        "from pathlib import Path; from cryodl.networks.openvino_backend import read_openvino\n"
        f"network = read_openvino(Path({str(bundle)!r}))['network'].load()\n"
        "assert 'openvino_telemetry' not in sys.modules, 'telemetry'\n"
    )
    home = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=home, check=True, timeout=120)
    assert not (tmp_path / "intel").exists()


@pytest.fixture(autouse=True)
def nobody_asked(monkeypatch):
    """Neither the caller's environment nor what another test chose decides who computes."""
    for name in ("KERAS_BACKEND", device.CHOSEN, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(device, "GPU_SIGNS", ())


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A bundle with random weights, which half precision rounds."""
    from cryodl import networks

    if keras.backend.backend() != "tensorflow":
        pytest.skip("written with the TensorFlow backend alone")
    keras.utils.set_random_seed(4)
    folder = tmp_path_factory.mktemp("saved") / "small"
    return save_bundle(folder, networks.build(SPEC["network"]), SPEC, light=True).path


@pytest.fixture
def small(saved, tmp_path):
    return load_bundle(shutil.copytree(saved, tmp_path / "small"))


def test_what_is_saved_answers_as_the_weights_that_were_stored(small):
    x = sample((None, None, None, None, 21))
    expected = small.model.predict_on_batch(x)
    (network,) = small.openvino.values()
    np.testing.assert_allclose(network.predict_on_batch(x), expected, rtol=1e-5, atol=1e-5)
    assert sorted(path.suffix for path in small.path.rglob("*.*")) == [
        ".bin", ".json", ".json", ".npz", ".xml",
    ]  # fmt: skip
    # kernels in half precision, as they were stored
    parameters = small.model.count_params()
    assert (small.path / "light" / "network.bin").stat().st_size < 2.5 * parameters
    # a bundle that is written anew does not keep the old network's
    again = save_bundle(small.path, small.model, small.spec, overwrite=True)
    assert not again.openvino and not (again.path / "light").exists()


@pytest.mark.parametrize("damage", ["damaged", "missing"])
def test_a_damaged_file_has_its_sentence(small, damage):
    path = small.path / "light" / "network.bin"
    path.write_bytes(path.read_bytes()[:-1]) if damage == "damaged" else path.unlink()
    with pytest.raises(BundleError, match=f"network.bin .*{damage}.* copy or train"):
        device.load_network(load_bundle(small.path), "cpu")


def test_who_computes(small, monkeypatch, tmp_path):
    for asked in ("auto", "cpu"):
        network, found = device.load_network(small, asked)
        assert isinstance(network, OpenVINONetwork) and found == "cpu"
    monkeypatch.setattr(device, "GPU_SIGNS", (str(tmp_path),))  # perhaps a GPU: Keras knows
    assert device.load_network(small, "auto")[0] is small.model
    assert isinstance(device.load_network(small, "cpu")[0], OpenVINONetwork)
    monkeypatch.setattr(device, "BACKENDS", ())  # but nothing that could use it
    assert isinstance(device.load_network(small, "auto")[0], OpenVINONetwork)
    monkeypatch.undo()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert device.load_network(small, "cpu")[0] is small.model
    monkeypatch.setenv(device.CHOSEN, "tensorflow")  # chosen by a parent process, not by a person
    assert isinstance(device.load_network(small, "auto")[0], OpenVINONetwork)
    with pytest.raises(SettingError, match="choose one of auto, cpu, gpu"):
        device.load_network(small, "tpu")


def test_an_export_that_fails_costs_no_bundle(small, monkeypatch):
    from cryodl.networks import bundle

    def fails(folder, parts):
        folder.mkdir()
        (folder / "network.xml").touch()
        raise RuntimeError("no frontend")

    monkeypatch.setattr(bundle, "write_openvino", fails)
    with pytest.warns(UserWarning, match="other goes without OpenVINO's format: no frontend"):
        other = save_bundle(small.path.with_name("other"), small.model, small.spec, light=True)
    assert not other.openvino and [path.name for path in other.path.iterdir()].count("light") == 0
    assert device.load_network(other, "cpu")[0] is other.model


def test_read_by_name(small):
    assert list(read_openvino(small.path / "light")) == ["network"]


COMMANDS = [
    ["localres", "{map}", "-o", "{out}/deepres"],
    ["mask", "{map}", "-o", "{out}/mask.mrc"],
    ["classify", "{map}", "--json", "{out}/class.json"],
]
SAYS_WHO = """
import sys
from cryodl.cli.main import main
code = main(sys.argv[1:])
assert "openvino" in sys.modules
assert not {"keras", "tensorflow", "jax", "torch"} & set(sys.modules)
sys.exit(code)
"""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_commands_run_without_keras(command, tmp_path, monkeypatch, capsys):
    """And say what the same network says through Keras, which this process has imported."""
    write(tmp_path / "map.mrc", ball())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    light, with_keras = (
        [word.format(map=tmp_path / "map.mrc", out=tmp_path / name) for word in command]
        for name in ("light", "keras")
    )
    for name in ("light", "keras"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SAYS_WHO, *light], capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    monkeypatch.setattr(OpenVINONetwork, "load", lambda self: pytest.fail("OpenVINO computes"))
    assert main(with_keras) == 0, capsys.readouterr().err
    assert told(tmp_path / "light") == pytest.approx(told(tmp_path / "keras"), rel=1e-4)


def told(folder):
    """The number that a command's output comes down to."""
    from cryodl.maps.mrc import read_map

    for path in folder.glob("**/*.json"):
        found = json.loads(path.read_text())
        return found["median"] if isinstance(found, dict) else found[0]["resolution"]
    return float(read_map(folder / "mask.mrc").data.sum())
