"""Bundles prove themselves: their files, every value of their specs, and what they answer."""

import copy
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cryodl.compute.device import load_parts
from cryodl.errors import BundleError, BundleWarning
from cryodl.files.record import KEY, file_sha256, own_sum
from cryodl.methods.cryores import run as single_map
from cryodl.methods.deepres import config as local_resolution
from cryodl.methods.enhance import prepare as postprocess
from cryodl.methods.local_classes import run as local_classes
from cryodl.methods.resolution_class import prepare as resolution_class
from cryodl.networks.bundle import load_bundle
from cryodl.networks.openvino_backend import can_run_openvino
from cryodl.networks.proof import TOLERANCE
from cryodl.networks.spec import SHIPPED, TABLE_FILE, WEIGHTS_FILE, list_bundles
from cryodl.networks.weights import read_table, write_weights

CHOOSE = {
    "local-classes": local_classes.choose_bundle,
    "local-resolution": lambda bundle: local_resolution.choose_bundle(1.0, bundle=bundle),
    "postprocess": lambda bundle: postprocess.choose_bundle(bundle=bundle),
    "resolution-class": lambda bundle: resolution_class.choose_bundle(bundle=bundle),
    "single-map-resolution": single_map.choose_bundle,
}
DELETED = object()
VALUES = (DELETED, None, "text", "a\nb", [], [1, "x"], {}, True, -3, 0, 1e300, 10**30, math.nan,
          math.inf)  # fmt: skip
# Keys that change no result. What follows from them is not computed: words, and records.
WORDS = ("name", "licence", "citation", "labels", "model", "training", "metrics",
         "network.dropout", "light", "sha256")  # fmt: skip
# What these keys may be, though it is not what was written: only the checksum of the spec tells.
POSSIBLE = (
    *[
        (key, DELETED)
        for key in ("trained", "trained.voxel_sizes", "trained.kinds", "trained.widening")
    ],
    ("trained", {}),
    ("trust_one_map", DELETED),  # of networks that learnt from half maps alone
    ("trained.kinds", []),
    ("normalisation.parameters.level", True),
    ("normalisation.parameters.floor", 0),
    ("normalisation.parameters.floor", DELETED),  # there are defaults
    ("normalisation.parameters.window", DELETED),
    ("normalisation.parameters", DELETED),
    ("normalisation.parameters", {}),
    ("network.quarter_blocks", 0),
    ("network.local.quarter_blocks", 0),
)


@pytest.fixture(autouse=True)
def nobody_asked(monkeypatch):
    for name in ("KERAS_BACKEND", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def small(tmp_path):
    """A copy of the smallest shipped bundle, to damage."""
    return Path(shutil.copytree(SHIPPED / "class-dnn", tmp_path / "small"))


def read(folder):
    return json.loads((folder / "spec.json").read_text(encoding="utf-8"))


def write(folder, spec):
    """A spec that was written so: sealed, where it lists files."""
    if isinstance(spec.get(KEY), dict):
        sums = {name: value for name, value in spec[KEY].items() if name != "spec.json"}
        spec = {**spec, KEY: sums}
        spec[KEY] = {**sums, "spec.json": own_sum(spec, "spec.json")}
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")


def relist(folder, *names):
    """List files as they are now."""
    spec = read(folder)
    for name in names:
        spec[KEY][name] = file_sha256(folder / name)
        if name.startswith("light/"):
            spec["light"][name.removeprefix("light/")] = spec[KEY][name]
        if name in (WEIGHTS_FILE, TABLE_FILE):
            spec["weights_sha256"] = spec[KEY][name]
    write(folder, spec)


def as_earlier(folder):
    """Give a bundle its weights as earlier versions held them, in an HDF5 file; its path."""
    held = read_table(lambda name: (folder / name).read_bytes(), TABLE_FILE, folder)
    weights = [SimpleNamespace(path=name) for name in held]
    model = SimpleNamespace(weights=weights, get_weights=lambda: list(held.values()))
    write_weights(folder / WEIGHTS_FILE, model, "float16")
    spec = read(folder)
    del spec[KEY][TABLE_FILE]
    write(folder, spec)
    (folder / TABLE_FILE).unlink()
    relist(folder, WEIGHTS_FILE)
    return folder / WEIGHTS_FILE


def keys_of(spec, above=()):
    """Paths of all entries but those within what is recorded alone."""
    for key, value in spec.items():
        yield (*above, key)
        if isinstance(value, dict) and key not in ("training", "metrics", "light", KEY):
            yield from keys_of(value, (*above, key))


def changed(spec, path, value):
    spec = copy.deepcopy(spec)
    place = spec
    for key in path[:-1]:
        place = place[key]
    if value is DELETED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return spec


@pytest.mark.filterwarnings("ignore::cryodl.errors.BundleWarning")
def bundles_of_every_kind():
    """Shipped bundles, one for each method and set of keys."""
    found = {}
    for name in list_bundles():
        spec = read(SHIPPED / name)
        found.setdefault((spec["method"], *sorted(keys_of(spec))), name)
    return list(found.values())


@pytest.mark.parametrize("name", bundles_of_every_kind())
def test_a_value_that_cannot_be_is_named_whatever_it_is(name, tmp_path):
    """Every key of a shipped spec, every kind of value: one line that names the key, or a key that
    changes no result."""
    shutil.copy(SHIPPED / name / TABLE_FILE, tmp_path)
    spec = read(SHIPPED / name)
    write(tmp_path, spec)
    choose = CHOOSE[spec["method"]]
    if spec.get("model") == "refined":
        choose = postprocess.choose_refining
    assert choose(tmp_path).spec["name"] == name
    for path in keys_of(spec):
        for value in VALUES:
            key = ".".join(path)
            write(tmp_path, changed(spec, path, value))
            try:
                choose(tmp_path)
            except BundleError as error:
                assert "\n" not in str(error) and len(str(error)) < 600
                named = path[-1] in str(error) or (key == KEY and WEIGHTS_FILE in str(error))
                assert named, f"{key} {value}: {error}"
            else:
                possible = (key, value) in POSSIBLE or (key, value) == ("mask_threshold", DELETED)
                unused = "parameters" in key and spec["method"] != "local-resolution"
                assert key.startswith(WORDS) or possible or unused, f"{key} {value!r} passed"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("training", "config", "seed"), math.nan, "training.config.seed is NaN or infinite"),
        (("metrics", "bands"), [{"from": -math.inf}], r"metrics.bands\[0\].from is NaN or inf"),
        (("calibration", "factor"), [1.5, 2.0], "factor is .*, expected as many .*resolution has"),
        (("network", "bins_to"), 2.0, "network.bins_to is 2, expected more than bins_from"),
        (("normalisation", "parameters", "other"), 1, "has 'other', whole_features takes level"),
        (("stride",), 4, "stride is 4, expected 2, as of its network"),
        (("network", "channels"), 21, "network.channels is 21, expected 37, which whole_features"),
    ],
)
def test_values_that_do_not_fit_each_other(place, value, message, tmp_path):
    folder = Path(shutil.copytree(SHIPPED / "deepres-low", tmp_path / "small"))
    write(folder, changed(read(folder), place, value))
    with pytest.raises(BundleError, match=message):
        local_resolution.choose_bundle(1.0, bundle=folder)


def test_a_spec_that_was_changed_by_hand_is_told(small):
    for key, value in (("name", "other"), ("calibration", {"temperature": 0.85, "interval": 0.9})):
        before = read(small)
        (small / "spec.json").write_text(json.dumps({**before, key: value}), encoding="utf-8")
        with pytest.raises(BundleError, match=r"spec.json was changed after it was written"):
            load_bundle(small)
        (small / "spec.json").write_text(json.dumps(before, indent=7), encoding="utf-8")
        assert load_bundle(small).spec["name"] == "class-dnn"  # laid out anew: the same content


@pytest.mark.parametrize("key", ["half", "bins", "hidden"])
def test_sizes_that_the_weights_lack_are_named_before_anything_is_built(key, tmp_path):
    pytest.importorskip("keras")
    name = "class-dnn" if key == "hidden" else "deepres-low"
    folder = Path(shutil.copytree(SHIPPED / name, tmp_path / "small"))
    spec = read(folder)
    spec["network"][key] = [777, 100] if key == "hidden" else 777
    write(folder, spec)
    with pytest.raises(BundleError, match=rf"network.{key}.* is 777, expected a size"):
        load_bundle(folder).model  # noqa: B018


@pytest.mark.parametrize("name", list_bundles())
def test_shipped_bundles_list_all_they_compute_with(name):
    folder = SHIPPED / name
    listed = read(folder)[KEY]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files - {"MODEL_CARD.md", "spec.json"} <= set(listed)
    assert all(file_sha256(folder / file) == listed[file]
               for file in files - {"MODEL_CARD.md", "spec.json"})  # fmt: skip
    assert (folder / "vector.npz").stat().st_size < 25_000


@pytest.mark.parametrize("file", ["light/network.bin", "light/network.xml", "vector.npz"])
def test_no_file_is_used_unchecked(file, small):
    if not can_run_openvino():
        pytest.skip("OpenVINO is not installed")
    raw = bytearray((small / file).read_bytes())
    raw[len(raw) // 2] ^= 1
    (small / file).write_bytes(raw)
    with pytest.raises(BundleError, match=rf"checksum of .*{file} is .* damaged"):
        load_parts(load_bundle(small), "cpu")
    (small / file).unlink()
    with pytest.raises(BundleError, match=rf"{file} is missing, and spec.json lists it"):
        load_parts(load_bundle(small), "cpu")


def test_files_that_are_not_listed_are_named_and_not_used(small):
    spec = read(small)
    del spec["light"]["network.bin"], spec[KEY]["light/network.bin"]
    write(small, spec)
    with pytest.warns(BundleWarning, match=r"light/network.bin is not listed .* not used"):
        bundle = load_bundle(small)
    with pytest.raises(BundleError, match=r"light/network.bin is not listed .* not used"):
        bundle.openvino  # noqa: B018
    spec[KEY]["../other/network.bin"] = "0" * 64
    write(small, spec)
    with pytest.raises(BundleError, match=r"which is no file of the bundle"):
        load_bundle(small)


def test_a_bundle_of_an_earlier_version_loads_with_one_sentence(small):
    as_earlier(small)
    spec = read(small)
    del spec[KEY]
    write(small, spec)
    (small / "vector.npz").unlink()
    with pytest.warns(BundleWarning, match="of an earlier version") as said:
        load_parts(load_bundle(small), "cpu")
    assert len(said) == 1


def vector(folder, **arrays):
    """Another test vector, listed."""
    with np.load(folder / "vector.npz") as held:
        arrays = {**held, **{name.replace("_", "."): value for name, value in arrays.items()}}
    np.savez(folder / "vector.npz", **{k: v for k, v in arrays.items() if v is not None})
    relist(folder, "vector.npz")


@pytest.mark.parametrize("backend", ["OpenVINO", "Keras"])
def test_an_answer_that_is_off_is_told_with_who_gave_it(backend, small, monkeypatch):
    if backend == "OpenVINO" and not can_run_openvino():
        pytest.skip("OpenVINO is not installed")
    if backend == "Keras":
        keras = pytest.importorskip("keras")
        monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
        monkeypatch.delenv("CRYODL_CHOSE_BACKEND", raising=False)
    load_parts(load_bundle(small), "cpu")
    with np.load(small / "vector.npz") as held:
        answer = held["network.answer"]
    for share, fails in ((0.5, False), (2.0, True)):
        off = answer.copy()
        off.flat[3] += share * TOLERANCE
        vector(small, network_answer=off)
        if not fails:
            load_parts(load_bundle(small), "cpu")
            continue
        with pytest.raises(BundleError, match=f"{backend}.* does not answer .* off by 0.002"):
            load_parts(load_bundle(small), "cpu")


def test_a_library_is_asked_once_in_a_process(small):
    asked = []
    bundle = load_bundle(small)
    with np.load(small / "vector.npz") as held:
        answer = held["network.answer"]

    def ask(part, given):
        asked.append(part)
        return answer, "single"

    for _ in range(2):
        bundle.prove(ask, "a library")
        load_bundle(small).prove(ask, "a library")
    assert asked == ["network"]
    with pytest.raises(BundleError, match="another library does not answer"):
        bundle.prove(lambda part, given: (answer + np.nan, "single"), "another library")
    with pytest.raises(BundleError, match="a broken one cannot compute with"):
        bundle.prove(lambda part, given: {}[part], "a broken one")


MALFORMED = {
    "no input": {"network_input": None},
    "no answer": {"network_answer": None},
    "another part": {"trunk_input": np.ones((1, 2), np.int8)},
    "floats": {"network_input": np.ones((1, 105), np.float32)},
    "no numbers": {"network_answer": np.full((1, 45), np.nan, np.float32)},
    "nothing": {"network_input": np.ones((1, 0), np.int8)},
    "other channels": {"network_input": np.ones((1, 104), np.int8)},
    "other answers": {"network_answer": np.ones((1, 44), np.float32)},
}


@pytest.mark.parametrize("fault", [*MALFORMED, "empty", "garbage", "bomb"])
def test_a_malformed_vector_is_named(fault, small):
    if fault in MALFORMED:
        vector(small, **MALFORMED[fault])
    elif fault == "bomb":
        huge = np.zeros((1, 2**26), np.int8)
        np.savez_compressed(small / "vector.npz", **{"network.input": huge})
        relist(small, "vector.npz")
    else:
        (small / "vector.npz").write_bytes(b"" if fault == "empty" else b"PK\x03\x04" + bytes(99))
        relist(small, "vector.npz")
    with pytest.raises(BundleError, match="vector.npz is (no test vector|of a network)") as error:
        load_bundle(small).prove(lambda part, given: pytest.fail("asked"), "a library")
    assert "\n" not in str(error.value)
