"""Whole-map classes: what is said with a distribution, what must not matter, command and tables."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from cryodl.cli.classify import sentence
from cryodl.cli.main import main
from cryodl.errors import BundleError, InputError, OutputError, SettingError
from cryodl.features.local_spectrum import LENGTH, spectral_descriptor
from cryodl.maps.mrc import write_map
from cryodl.maps.normalise import local_normalise
from cryodl.maps.volume import Volume
from cryodl.methods.resolution_class import evaluate as tables
from cryodl.methods.resolution_class.estimate import answer_of
from cryodl.methods.resolution_class.prepare import (
    MARGIN,
    cut_to_molecule,
    features_and_weight,
    find_molecule,
    without_padding,
)
from cryodl.networks import build
from cryodl.networks.bundle import save_bundle
from cryodl.networks.configs import CLASS_CNN, CLASS_DNN, PAPER_CNN, PAPER_DNN, SINGLE_MAP
from cryodl.resolution_maps import statistics as bins
from cryodl.simulation.model_map import turned, uniform_maps
from cryodl.simulation.structure import Structure

EDGES = bins.bin_edges(CLASS_CNN)
TINY_MAP = {**SINGLE_MAP, "half": 4, "quarter": 4, "quarter_blocks": 1}
TINY = {**CLASS_CNN, "local": TINY_MAP, "hidden": [8]}


def molecule(count=400, size=24.0, seed=1):
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-size / 2, size / 2, (count, 3)).astype(np.float32)
    chains = np.zeros(count, np.int16)
    return Structure(positions, rng.choice([6, 7, 8], count).astype(np.uint8), chains, "made")


@pytest.fixture(scope="module")
def volume():
    """A map at 4 Å with little noise, in a box with solvent around the molecule."""
    rng = np.random.default_rng(3)
    return Volume(uniform_maps(molecule(), [4.0], 48, rng, noise=0.02)[0], 1.0)


# Bins


def test_five_and_ten_angstrom_lie_between_bins():
    assert np.isclose(EDGES, 5).any() and np.isclose(EDGES, 10).any()
    assert EDGES[0] < 2 and EDGES[-1] > 20
    np.testing.assert_allclose(np.diff(np.log(EDGES)), np.log(2) / 12, rtol=1e-6)


@pytest.mark.parametrize("resolution, number", [(2.5, 0), (4.99, 0), (5, 1), (7.5, 1), (10, 2)])
def test_class_of(resolution, number):
    assert bins.class_of(resolution) == number
    near = np.zeros(len(EDGES) - 1)
    near[np.searchsorted(EDGES, resolution * 1.0001) - 1] = 1
    assert bins.class_probabilities(near, EDGES).argmax() == number


def test_numbers_from_a_distribution():
    even = np.full(len(EDGES) - 1, 1 / (len(EDGES) - 1))
    shares = bins.class_probabilities(even, EDGES)
    assert shares.sum() == pytest.approx(1)
    octaves = np.log2(EDGES[-1] / EDGES[0])
    assert shares[1] == pytest.approx(1 / octaves)  # 5 to 10 Å is one octave
    assert float(bins.quantile(even, EDGES, 0.5)) == pytest.approx(np.sqrt(EDGES[0] * EDGES[-1]))
    below = bins.probability_below(even, EDGES, float(bins.quantile(even, EDGES, 0.3)))
    assert below == pytest.approx(0.3, abs=1e-6)
    answer = answer_of(even, EDGES)
    assert bins.probability_below(even, EDGES, answer.interval[0]) == pytest.approx(0.05, abs=1e-6)
    assert answer.judge(answer.interval[0] * 0.9) == "worse"
    assert answer.judge(answer.interval[1] * 1.1) == "better"
    assert answer.judge(answer.resolution) == "agrees"


def test_many_distributions_at_once_are_as_one():
    rng = np.random.default_rng(0)
    many = rng.dirichlet(np.ones(len(EDGES) - 1), (2, 3))
    together = bins.quantile(many, EDGES, 0.25)
    assert together.shape == (2, 3)
    assert together[1, 2] == pytest.approx(float(bins.quantile(many[1, 2], EDGES, 0.25)))


def test_a_temperature_softens_and_one_leaves_as_is():
    sharp = np.array([0.9, 0.08, 0.02])
    np.testing.assert_allclose(bins.soften(sharp, 1.0), sharp)
    assert bins.soften(sharp, 2.0).max() < 0.8
    np.testing.assert_array_equal(np.argsort(bins.soften(sharp, 3.0)), np.argsort(sharp))


# What the networks read


def test_box_padding_and_scale_do_not_change_what_is_read(volume):
    first = find_molecule(volume, 1.0)
    padded = np.pad(volume.data, [(5, 30), (11, 2), (0, 17)])
    moved = find_molecule(Volume(padded * 1e5 + 3, 1.0), 1.0)
    assert moved.inside.shape == first.inside.shape
    assert np.mean(moved.inside != first.inside) < 0.002
    assert np.abs(moved.normalised - first.normalised).max() < 0.15
    both = [np.einsum("zyxc,zyx->c", *features_and_weight(found)) for found in (first, moved)]
    both = [mean / first.inside.sum() for mean in both]
    np.testing.assert_allclose(*both, atol=0.01)


def test_padding_of_one_value_is_taken_off():
    data = np.random.default_rng(0).normal(size=(10, 12, 14)).astype(np.float32)
    padded = np.pad(data, [(3, 0), (1, 2), (0, 5)], constant_values=0.5)
    np.testing.assert_array_equal(padded[without_padding(padded)], data)
    assert data[without_padding(data)].shape == data.shape
    flat = np.zeros((4, 4, 4), np.float32)
    assert flat[without_padding(flat)].shape == flat.shape


def test_molecule_has_its_margin_also_at_the_border():
    data = np.zeros((40, 40, 40), np.float32)
    inside = np.zeros(data.shape, bool)
    inside[:20, 10:30, 25:] = True
    data[inside] = np.random.default_rng(0).normal(size=inside.sum())
    found = cut_to_molecule(data, inside, 1.0)
    assert found.inside.sum() == inside.sum()
    for axis in range(3):
        held = np.flatnonzero(found.inside.any(axis=tuple({0, 1, 2} - {axis})))
        assert held[0] >= MARGIN and found.inside.shape[axis] - 1 - held[-1] >= MARGIN
    assert all(n % 4 == 0 for n in found.inside.shape)
    features, weight = features_and_weight(found)
    assert features.shape[:3] == weight.shape == tuple(n // 2 for n in found.inside.shape)
    assert weight.sum() * 8 == pytest.approx(inside.sum())


def test_description_is_the_same_in_every_orientation(volume):
    def of(data):
        data = np.ascontiguousarray(data)
        found = find_molecule(Volume(data, 1.0), 1.0)
        return spectral_descriptor(found.normalised, found.inside)

    first = of(volume.data)
    assert first.shape == (LENGTH,) and np.all(np.abs(first) < 1.6)
    np.testing.assert_allclose(of(volume.data.transpose(2, 0, 1)), first, atol=0.02)
    np.testing.assert_allclose(of(volume.data[::-1]), first, atol=0.05)


def test_description_tells_resolutions():
    rng = np.random.default_rng(4)
    found = []
    for data in uniform_maps(molecule(), [3.0, 6.0], 48, rng):
        found.append(spectral_descriptor(local_normalise(data), data > data.std()))
    # at 0.25 cycles per voxel the 3 Å map has power and the 6 Å map hardly any
    place = round(np.log(0.25 / 0.03) / np.log(0.49 / 0.03) * 52)
    assert found[0][place] > found[1][place] + 0.3


# Simulated maps


def test_uniform_maps_hold_nothing_beyond_their_resolution():
    coarse, fine = uniform_maps(molecule(), [8.0, 3.0], 40, np.random.default_rng(0))
    radius = np.linalg.norm(
        np.stack(np.meshgrid(*(np.fft.fftfreq(40),) * 3, indexing="ij")), axis=0
    )
    power = [np.abs(np.fft.fftn(data)) ** 2 for data in (coarse, fine)]
    beyond = radius > 1 / 8 + 0.025
    assert power[0][beyond].sum() < 1e-6 * power[0].sum()
    assert power[1][beyond].sum() > 1e-2 * power[1].sum()


def test_noise_is_in_units_of_the_map():
    quiet, noisy = (
        uniform_maps(molecule(), [6.0], 40, np.random.default_rng(0), noise=level)[0]
        for level in (0.0, 0.5)
    )
    assert (noisy - quiet).std() == pytest.approx(0.5 * quiet.std(), rel=0.02)


def test_turning_keeps_distances_and_the_hand():
    structure = molecule(50, 20.0)
    moved = turned(structure, 64.0, np.random.default_rng(5))
    assert len(moved) == 50

    def volume_of(p):
        return np.linalg.det(p[1:4] - p[0])

    assert volume_of(moved.positions) == pytest.approx(volume_of(structure.positions), rel=1e-3)
    assert np.all(turned(molecule(400, 90.0), 40.0, np.random.default_rng(1)).positions < 40)


# Networks


def test_published_networks_have_the_published_sizes():
    # 64³ densities into 1000 neurons, 100 and 3: the 262 million weights are counted, not made
    box, (first, second) = PAPER_DNN["box"], PAPER_DNN["hidden"]
    assert (box, first, second) == (64, 1000, 100)
    small = build({**PAPER_DNN, "box": 4})
    assert [w.shape for w in small.weights][2:] == [(1000, 100), (100,), (100, 3), (3,)]
    cnn = build(PAPER_CNN)
    kernels = [tuple(w.shape) for w in cnn.weights if len(w.shape) > 1]
    assert kernels == [
        (7, 7, 7, 1, 32), (5, 5, 5, 32, 64), (5, 5, 5, 64, 128), (8 * 8 * 8 * 128, 1024), (1024, 3),
    ]  # fmt: skip
    assert cnn.count_params() == 68_404_163
    assert cnn.get_layer("dropout").rate == 0.4
    names = [cnn.get_layer(f"conv_{i}").activation.__name__ for i in (1, 2, 3)]
    assert names == ["elu", "elu", "relu"]


@pytest.mark.parametrize("config", [CLASS_CNN, CLASS_DNN])
def test_own_networks_are_small(config):
    assert build(config).count_params() * 2 < 8e6  # bytes, in half precision


def test_pooling_sees_the_molecule_alone_whatever_the_size():
    model = build(TINY)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 12, 14, 16, 38)).astype(np.float32)
    x[..., 37] = 0
    x[:, 4:8, 5:9, 6:10, 37] = 1
    told = rng.normal(size=(1, TINY["inputs"])).astype(np.float32)
    first = np.asarray(model.predict_on_batch([x, told]))
    assert first.shape == (1, TINY["bins"]) and first.sum() == pytest.approx(1, rel=1e-4)
    half = x.copy()
    half[..., 37] *= 0.5
    np.testing.assert_allclose(model.predict_on_batch([half, told]), first, rtol=1e-4)
    moved = x.copy()
    moved[..., 37] = np.roll(x[..., 37], 4, axis=2)
    assert np.abs(model.predict_on_batch([moved, told]) - first).max() > 1e-4


# Bundles, command, tables


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle with random weights: everything but the answers is as shipped."""
    import keras

    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    spec = {
        "name": "tiny", "method": "resolution-class", "network": TINY, "voxel_size": 1.0,
        "normalisation": {"name": "whole_features", "parameters": {}}, "stride": 2, "overlap": 8,
        "calibration": {"temperature": 1.0, "interval": 0.9}, "training": {}, "metrics": {},
        "licence": "GPL-3.0-or-later", "citation": "Avramov2019",
    }  # fmt: skip
    return save_bundle(folder, build(TINY), spec)


def test_tiles_answer_as_the_whole(bundle, volume, monkeypatch):
    from cryodl.methods.resolution_class import estimate as run
    from cryodl.methods.resolution_class.estimate import Classifier

    classifier = Classifier(bundle=bundle)
    found = find_molecule(volume, 1.0)
    whole = classifier.distribution(found)
    features, weight = features_and_weight(found)
    told = spectral_descriptor(found.normalised, found.inside)
    both = np.concatenate([features, weight[..., None]], -1)[None]
    direct = bundle.model.predict_on_batch([both, told[None]])
    np.testing.assert_allclose(whole, np.asarray(direct)[0], atol=1e-5)
    monkeypatch.setitem(run.TILE_MEMORY, "cpu", 1100.0 * 26**3)
    monkeypatch.setitem(run.TILE_MEMORY, "gpu", 1100.0 * 26**3)
    done = []
    tiled = classifier.distribution(found, lambda part, all: done.append(all))
    assert done[-1] > 1
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_command_writes_what_it_says(bundle, volume, tmp_path, capsys):
    write_map(tmp_path / "a.mrc", volume)
    write_map(tmp_path / "b.mrc", Volume(volume.data[:40], 1.0))
    command = ["classify", tmp_path / "a.mrc", tmp_path / "b.mrc", "--claimed", "4", "--device",
               "cpu", "--bundle", bundle.path, "--json", (out := tmp_path / "f")]  # fmt: skip
    assert main(command) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert "0 Å or better" in sentence({**found[0], "resolution": 4.0, "interval": [4.0, 4.0]})
    assert [entry["map"] for entry in found] == [*map(str, command[1:3])]
    said = capsys.readouterr().out
    assert said.index(sentence(found[0])) < said.index("classify: 50 %"), "told as it comes"
    for entry in found:
        assert sentence(entry) in said
        assert entry["class"] in bins.CLASSES
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        low, high = entry["interval"]
        assert low < entry["resolution"] < high
        assert entry["agrees"] == (low <= 4 <= high)
    assert [main(command), main([*command, "--overwrite"])] == [2, 0]  # the file is there


def test_a_bad_map_of_many_has_its_line(bundle, volume, tmp_path, capsys):
    bad, good, out = (tmp_path / name for name in ("bad.mrc", "good.mrc", "found.json"))
    write_map(good, volume)
    bad.write_bytes(good.read_bytes()[:5000])
    assert main(["classify", bad, good, "--bundle", bundle.path, "--json", out]) == 3
    (first, second), said = json.loads(out.read_text("utf-8")), capsys.readouterr()
    assert sentence(second) in said.out and "is truncated" in first["error"]
    assert said.err == f"cryodl: {first['error']}\n"
    assert main(["classify", bad, bad, "--bundle", bundle.path]) == 2


def test_table_prints_the_measures(bundle, volume, tmp_path, capsys):
    write_map(tmp_path / "a.mrc", volume)
    table = tmp_path / "maps.tsv"
    table.write_text("file\tresolution_A\na.mrc\t4.0\na.mrc\t~7\nnone.mrc\t-\n", encoding="utf-8")
    assert main(["classify", "--table", table, "--bundle", bundle.path, "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "sensitivity" in said and "published high" in said and "agreement_percent" in said


@pytest.mark.parametrize(
    "arguments, word",
    [
        ([], "no map is given"),
        (["no.mrc"], "no.mrc"),
        (["a.mrc", "--claimed", "0.1"], "--claimed=0.1 is"),
        (["a.mrc", "b.mrc", "--mask", "m.mrc"], "one mask"),
        (["a.mrc", "--bundle", "deepres-low"], "local-resolution"),
        (["a.mrc", "--table", "t.tsv"], "leave MAP"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments, word, tmp_path, monkeypatch, capsys, bundle):
    monkeypatch.chdir(tmp_path)
    given = [*arguments] if "--bundle" in arguments else [*arguments, "--bundle", str(bundle.path)]
    assert main(["classify", *given]) == 2
    assert word in (said := capsys.readouterr().err) and said.count("\n") == 1


def test_python_mistakes():
    from cryodl import classify_maps

    with pytest.raises(SettingError, match="model='rnn'"):
        classify_maps("a.mrc", "rnn")
    with pytest.raises(SettingError, match="claimed=320"):
        classify_maps(["a.mrc", "b.mrc"], claimed=[3.2, 320])
    with pytest.raises(SettingError, match="2 claims are given for 1"):
        classify_maps("a.mrc", claimed=[3, 4])
    with pytest.raises(OutputError, match="is a folder"):
        classify_maps("a.mrc", json_file="/")
    assert issubclass(BundleError, Exception) and issubclass(InputError, Exception)


def test_measures_are_those_of_the_paper():
    # Tables 3 and 5: the published DNN on thirty real maps (rows predicted, columns published)
    matrix = np.array([[10, 4, 2], [0, 5, 5], [0, 1, 3]])
    rows = {row["class"]: row for row in tables.measures(matrix)}
    assert rows["high"]["sensitivity"] == 100 and rows["high"]["specificity"] == 70
    assert rows["high"]["PPV"] == 62.5 and rows["high"]["NPV"] == 100
    assert (rows["medium"]["sensitivity"], rows["medium"]["specificity"]) == (50, 75)
    assert (rows["medium"]["PPV"], rows["medium"]["NPV"]) == (50, 75)
    assert (rows["low"]["sensitivity"], rows["low"]["specificity"]) == (30, 95)
    assert (rows["low"]["PPV"], rows["low"]["NPV"]) == (75, 73.08)
    assert tables.agreement(matrix) == 60
    assert tables.agreement(np.zeros((3, 3), int)) is None


def test_confusion_counts_predicted_by_published():
    matrix = tables.confusion([0, 0, 1, 2], [0, 1, 1, 1])
    np.testing.assert_array_equal(matrix, [[1, 0, 0], [1, 1, 1], [0, 0, 0]])
    found = [{"map": "a.mrc", "class": "medium", "claimed": 3.0, "resolution": 6.0,
              "interval": [5, 7]}]  # fmt: skip
    made = tables.class_tables(found)
    assert made["agreement"][0]["agreement_percent"] == 0
    assert made["confusion"][1]["published high"] == 1


# Evaluation


def test_boundaries_are_found_where_a_classifier_has_them(monkeypatch):
    from cryodl.methods.resolution_class import evaluate as evaluation

    def one_off(resolution):  # a sharp answer, 4 % too coarse
        near = np.exp(-((np.log(EDGES[:-1] * 1.03 / resolution / 1.04) / 0.02) ** 2) / 2)
        return SimpleNamespace(distribution=near / near.sum(), edges=EDGES)

    monkeypatch.setattr(evaluation, "simulated", lambda structure, resolution, seed: resolution)
    for row in evaluation.boundaries([None, None], one_off):
        assert row["structures"] == 2
        assert row["found_median"] == pytest.approx(row["boundary"] / 1.04, abs=0.15)


def test_summary_leaves_out_what_lies_at_a_border():
    from cryodl.methods.resolution_class import evaluate as evaluation

    rows = [
        {"resolution": 5.2, "class": "medium", "predicted": "high", "estimate": 4.9,
         "covered": True},
        {"resolution": 7.5, "class": "medium", "predicted": "medium", "estimate": 7.1,
         "covered": False},
    ]  # fmt: skip
    every, away = evaluation.summarise(rows)
    assert every["right_percent"] == 50 and away["right_percent"] == 100 and away["number"] == 1
    assert every["median_error"] == pytest.approx(0.35)
