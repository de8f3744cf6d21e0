"""Bundles: what is saved comes back, and every fault has its sentence."""

import json
import os
from functools import partial

import numpy as np
import pytest

from cryodl.errors import BundleError, OutputError
from cryodl.files.record import sealed
from cryodl.networks import bundle as bundles
from cryodl.networks.bundle import load_bundle
from cryodl.networks.spec import list_bundles

SPEC = {
    "name": "tiny",
    "method": "local-resolution",
    "network": {"architecture": "tiny", "filters": 3},
    "voxel_size": 1.0,
    "normalisation": {"name": "local", "parameters": {}},
    "training": {"seed": 1},
    "metrics": {},
    "licence": "CC-BY-4.0",
    "citation": "none",
}


def tiny(config):
    keras = pytest.importorskip("keras")
    density = keras.Input((None, None, None, 1))
    x = keras.layers.Conv3D(config["filters"], 3, padding="same", name="first")(density)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(density, keras.layers.Conv3D(2, 1, name="last")(x))


save_bundle = partial(bundles.save_bundle, build=tiny)


def tiny_with_weights():
    model = tiny(SPEC["network"])
    rng = np.random.default_rng(3)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.weights])
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundles") / "tiny"
    model = tiny_with_weights()
    save_bundle(path, model, SPEC)
    return path, model


@pytest.fixture
def copy(saved, tmp_path):
    """A bundle to damage."""
    import shutil

    return shutil.copytree(saved[0], tmp_path / "copy")


def test_weights_come_back(saved):
    path, model = saved
    bundle = load_bundle(path, build=tiny)
    for back, weight in zip(bundle.model.weights, model.weights):
        exact = 0 if len(weight.shape) < 2 else 1e-3  # vectors float32, kernels float16
        np.testing.assert_allclose(np.asarray(back), np.asarray(weight), rtol=exact)
    assert bundle.model is bundle.model
    x = np.random.default_rng(0).normal(size=(1, 4, 6, 8, 1)).astype(np.float32)
    np.testing.assert_allclose(
        bundle.model.predict_on_batch(x), model.predict_on_batch(x), rtol=1e-2, atol=1e-2
    )


def test_float32_is_exact_and_what_half_cannot_hold_stays_single(tmp_path):
    model = tiny_with_weights()
    exact = load_bundle(save_bundle(tmp_path / "a", model, SPEC, dtype="float32").path, build=tiny)
    for back, weight in zip(exact.model.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(back, weight)
    model.set_weights([np.full(w.shape, 1e6) for w in model.weights])
    large = load_bundle(save_bundle(tmp_path / "b", model, SPEC).path, build=tiny)
    assert all((w == 1e6).all() for w in large.model.get_weights())


def test_spec_is_kept_and_read_only(saved):
    bundle = load_bundle(saved[0])
    for key, value in SPEC.items():
        assert bundle.spec[key] == value
    assert len(bundle.sha256) == 64
    with pytest.raises(TypeError):
        bundle.spec["name"] = "other"
    with pytest.raises(TypeError):
        bundle.spec["network"]["filters"] = 4


def test_shipped_bundles_load():
    for name in list_bundles():
        assert load_bundle(name).spec["name"] == name


def test_existing_folder_is_kept_unless_asked(copy):
    before = (copy / "spec.json").read_bytes()
    with pytest.raises(OutputError, match="exists"):
        save_bundle(copy, tiny_with_weights(), SPEC)
    assert (copy / "spec.json").read_bytes() == before
    save_bundle(copy, tiny_with_weights(), {**SPEC, "name": "newer"}, overwrite=True)
    assert load_bundle(copy).spec["name"] == "newer"
    assert [p.name for p in copy.parent.iterdir()] == ["copy"]


def test_only_bundles_are_replaced_by_bundles(tmp_path):
    from cryodl.errors import OutputError

    thesis = tmp_path / "work" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("mine")
    with pytest.raises(OutputError, match="is no bundle and will not be replaced"):
        save_bundle(thesis.parent, tiny_with_weights(), SPEC, overwrite=True)
    assert thesis.read_text() == "mine"
    (tmp_path / "empty").mkdir()
    save_bundle(tmp_path / "empty", tiny_with_weights(), SPEC, overwrite=True)


def test_failure_while_saving_leaves_nothing(tmp_path):
    class Broken:
        @property
        def weights(self):
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        save_bundle(tmp_path / "x", Broken(), SPEC)
    with pytest.raises(BundleError, match="lacks licence"):
        save_bundle(tmp_path / "x", Broken(), {k: v for k, v in SPEC.items() if k != "licence"})
    assert list(tmp_path.iterdir()) == []


def test_unknown_bundle_lists_the_known():
    with pytest.raises(BundleError, match="unknown bundle 'nonesuch'") as error:
        load_bundle("nonesuch")
    for name in list_bundles():
        assert name in str(error.value)


def edit(path, **changes):
    """A spec that was written so."""
    spec = {**json.loads((path / "spec.json").read_text()), **changes}
    (path / "spec.json").write_text(json.dumps(sealed(spec, "spec.json", path)))


def flip(path):
    raw = bytearray((path / "model.weights.h5").read_bytes())
    raw[len(raw) // 2] ^= 1
    (path / "model.weights.h5").write_bytes(bytes(raw))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "spec.json").unlink(), "has no spec.json"),
        (lambda p: (p / "spec.json").write_text("{"), "cannot be read as JSON"),
        (lambda p: (p / "spec.json").write_text("[1]"), "must hold a JSON object"),
        (lambda p: edit(p, format=99), "format version 99"),
        (lambda p: (p / "model.weights.h5").unlink(), "model.weights.h5 is missing"),
        (flip, "checksum"),
        (lambda p: edit(p, weights_sha256="0" * 64), "checksum"),
    ],
)
def test_each_fault_has_its_sentence(copy, damage, message):
    damage(copy)
    with pytest.raises(BundleError, match=message) as error:
        load_bundle(copy)
    assert "\n" not in str(error.value)


def test_weights_of_another_network_are_refused(copy):
    edit(copy, network={"architecture": "tiny", "filters": 4})
    with pytest.raises(BundleError, match="do not fit"):
        load_bundle(copy, build=tiny).model  # noqa: B018


def test_a_bundle_replaces_nothing_but_a_bundle_as_it_was_written(copy, tmp_path):
    files = {"thesis.txt": "mine", "raw/movie.mrc": "mine", "light/notes.txt": "mine"}
    for name, text in files.items():
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(text)
    (copy / "spec.json").write_text((copy / "spec.json").read_text() + "\n\n")  # the same content
    save_bundle(copy, tiny_with_weights(), {**SPEC, "name": "newer"}, overwrite=True)
    assert load_bundle(copy).spec["name"] == "newer"
    assert os.listdir(copy.parent) == ["copy"]
    assert all((copy / name).read_text() == text for name, text in files.items())

    (copy / "model.weights.h5").write_bytes(b"changed")
    save_bundle(copy, tiny_with_weights(), SPEC, overwrite=True)
    assert (copy.parent / "copy.kept" / "model.weights.h5").read_bytes() == b"changed"
    assert load_bundle(copy).spec["name"] == "tiny"


def test_a_spec_of_another_program_is_no_bundle(tmp_path):
    from cryodl.cli.main import main

    folder = tmp_path / "study"
    (folder / "raw").mkdir(parents=True)
    files = {"spec.json": '{"openapi": "3.0"}', "thesis.txt": "mine", "raw/movie.mrc": "mine"}
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(OutputError, match="is no bundle and will not be replaced"):
        save_bundle(folder, tiny_with_weights(), SPEC, overwrite=True)
    words = ["train", "local-resolution", "--structures", str(tmp_path), "-o", str(folder)]
    assert main([*words, "--overwrite"]) == 2
    assert all((folder / name).read_text() == text for name, text in files.items())
