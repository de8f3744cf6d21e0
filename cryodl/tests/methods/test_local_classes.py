"""Local classes: classes from bins, labels, training samples, whole maps and the command."""

import json

import numpy as np
import pytest

import cryodl
from cryodl.cli.main import main
from cryodl.errors import BundleError, InputError
from cryodl.maps.mrc import read_map, write_map
from cryodl.maps.volume import Volume
from cryodl.methods import cost as whole_map_plan
from cryodl.methods.local_classes import export as finish
from cryodl.methods.local_classes.run import calibrated, class_counts, run_local_classes
from cryodl.methods.local_classes.samples import (
    TRAINING,
    Pair,
    block_label,
    load_item,
    make_samples,
    read_pairs,
)
from cryodl.networks import build
from cryodl.networks.backbone import receptive_radius, resolution_bins
from cryodl.networks.bundle import save_bundle
from cryodl.networks.classifiers import class_shares
from cryodl.networks.configs import LOCAL_CLASSES, PAPER_UNET

TINY = {**LOCAL_CLASSES, "half": 4, "quarter": 4, "quarter_blocks": 1}


@pytest.fixture(scope="module")
def volume():
    rng = np.random.default_rng(0)
    z, y, x = np.indices((40, 44, 48))
    ball = (z - 20) ** 2 + (y - 22) ** 2 + (x - 24) ** 2 < 13**2
    data = rng.normal(0, 0.05, ball.shape) + ball * rng.normal(1, 0.4, ball.shape)
    return Volume(data.astype(np.float32), 1.0, (3.0, 4.0, 5.0))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle with random weights: everything but the answers is as shipped."""
    import keras

    keras.utils.set_random_seed(2)
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    spec = {
        "name": "tiny", "method": "local-classes", "network": TINY, "voxel_size": 1.0,
        "labels": "monogenic", "normalisation": {"name": "whole_features", "parameters": {}},
        "stride": 2, "overlap": receptive_radius(TINY), "calibration": {"temperature": 1.0},
        "training": {}, "metrics": {}, "licence": "GPL-3.0-or-later", "citation": "Avramov2019",
    }  # fmt: skip
    return save_bundle(folder, build(TINY), spec)


# Networks


def test_bins_are_summed_into_classes():
    shares = class_shares(LOCAL_CLASSES)
    assert shares.shape == (40, 10)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    centres = np.array(resolution_bins(LOCAL_CLASSES))
    for centre, row in zip(centres, shares):
        likeliest = row.argmax()
        if row[likeliest] == 1:
            assert likeliest == np.digitize(centre, LOCAL_CLASSES["edges"])
    assert shares[:, 0].sum() == 0  # a grid of 1 Å tells nothing below 2 Å


def test_answer_is_probabilities_and_an_expected_resolution():
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 8, 37)).astype(np.float32)
    answer = np.asarray(build(TINY).predict_on_batch(x))
    assert answer.shape == (1, 8, 8, 8, 11)
    np.testing.assert_allclose(answer[..., :10].sum(-1), 1, rtol=1e-4)
    assert np.all((answer[..., 10] > 2) & (answer[..., 10] < 15.1))


def test_published_unet_is_as_published():
    model = build({**PAPER_UNET, "filters": [n // 16 for n in PAPER_UNET["filters"]]})
    assert PAPER_UNET["filters"] == [64, 128, 256, 512, 1024] and PAPER_UNET["cube"] == 16
    assert model.input_shape == (None, 16, 16, 16, 1)
    assert model.output_shape == (None, 16, 16, 16, 10)
    assert model.get_layer("dropout_0").rate == 0.5
    assert model.get_layer("right_3").kernel_size == (2, 2, 2)
    assert model.get_layer("left_4b").kernel_size == (3, 3, 3)
    assert model.get_layer("classes").activation.__name__ == "softmax"
    # at full width: counted layer by layer, not made
    widths, before, count = PAPER_UNET["filters"], 1, 0
    for width in widths:
        count += 27 * before * width + width + 27 * width * width + width
        before = width
    for width in reversed(widths[:-1]):
        count += 8 * before * width + width
        count += 27 * 2 * width * width + width + 27 * width * width + width
        before = width
    count += widths[0] * 10 + 10
    assert count == 90_293_258
    counted = sum(int(np.prod(w.shape)) for w in model.weights)
    assert counted == pytest.approx(count / 256, rel=0.01)


# Labels and samples


def test_labels_of_blocks_are_means_of_what_is_known():
    resolution = np.zeros((4, 4, 4), np.float32)
    resolution[:2, :2, :2] = 4
    resolution[2:, 2:, 2:] = 40
    resolution[0, 0, 0] = 0
    label = block_label(resolution, LOCAL_CLASSES)
    assert label.shape == (2, 2, 2, 2)
    assert label[0, 0, 0] == pytest.approx([4, 7 / 8])
    assert label[1, 1, 1] == pytest.approx([15, 1])  # the network's last bin
    assert label[0, 1, 0, 1] == 0


def pair_of(volume, folder, *, voxel_size=1.0, shape=None):
    """Files of a map and of a local resolution in ResMap's convention, 100 outside."""
    resolution = np.full(volume.shape, 100, np.float32)
    resolution[12:28, 12:30, 12:34] = 3.0
    resolution[12:28, 12:30, 24:34] = 6.0
    write_map(folder / "map.mrc", Volume(volume.data, voxel_size))
    write_map(folder / "locres.mrc", Volume(resolution[:shape], 1.0))
    table = folder / "pairs.tsv"
    table.write_text("map\tresolution\nmap.mrc\tlocres.mrc\n", encoding="utf-8")
    return table


def test_samples_hold_the_labels_at_their_place(volume, tmp_path):
    (pair,) = read_pairs(pair_of(volume, tmp_path))
    config = {**TRAINING, "crop": 24, "crops": 3}
    samples = make_samples(config, pair, np.random.default_rng(1))
    assert len(samples) == 3
    for x, y in samples:
        assert x.shape == (12, 12, 12, 37) and y.shape == (12, 12, 12, 2)
        known = y[..., 1] == 1
        assert known.any() and set(np.unique(y[known][:, 0])) <= {3.0, 6.0}
    data, resolution = load_item(pair, config, np.random.default_rng(0))
    np.testing.assert_array_equal(data, volume.data)
    assert resolution[0, 0, 0] == 0 and resolution[20, 20, 30] == 6


def test_pairs_are_brought_to_the_network_grid(volume, tmp_path):
    (pair,) = read_pairs(pair_of(volume, tmp_path, voxel_size=1.5))
    data, resolution = load_item(pair, TRAINING, np.random.default_rng(0))
    assert data.shape == resolution.shape
    assert data.shape[0] == pytest.approx(60, abs=2)
    known = resolution[resolution > 0]
    assert np.all((known > 2.9) & (known < 6.1))  # nothing of the background is mixed in
    assert known.size == pytest.approx(16 * 18 * 22 * 1.5**3, rel=0.2)


@pytest.mark.parametrize(
    "text, word",
    [
        ("map\tlabel\na\tb\n", "needs map and resolution"),
        ("map\tresolution\n", "holds no pair"),
        ("map\tresolution\nnone.mrc\tnone.mrc\n", "none.mrc"),
    ],
)
def test_tables_that_are_none(text, word, tmp_path):
    table = tmp_path / "pairs.tsv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=word):
        read_pairs(table)


def test_maps_without_a_known_resolution_end_with_a_sentence(volume, tmp_path, monkeypatch):
    """Held out, or to be trained on: neither a traceback nor a search without end."""
    from cryodl.methods.local_classes import samples as local_classes
    from cryodl.training.stream import SampleStream

    pairs = read_pairs(pair_of(volume, tmp_path))
    monkeypatch.setattr(local_classes, "make_samples", lambda *_, **__: [])
    with pytest.raises(InputError, match="known nowhere in the 1 map held out"):
        local_classes.validation_samples(TRAINING, pairs, 0)
    nothing = SampleStream(local_classes.make_samples, pairs * 2, 0, workers=0)
    with pytest.raises(InputError, match="20 samples drawn of 2 maps"):
        next(nothing.batches(2))


def test_pairs_of_other_sizes_are_refused(volume, tmp_path):
    (pair,) = read_pairs(pair_of(volume, tmp_path, shape=20))
    with pytest.raises(InputError, match="give the local resolution of this map"):
        load_item(pair, TRAINING, np.random.default_rng(0))
    assert isinstance(pair, Pair)


def stored(folder, volume):
    """An experiment of two half maps on disk."""
    from cryodl.simulation.experiment_set import StoredExperiment

    folder.mkdir()
    rng = np.random.default_rng(5)
    experiment = StoredExperiment(folder, {"voxel_size": 1.0, "config": {}})
    for name in ("half1", "half2"):
        experiment.add(name, volume.data + rng.normal(0, 0.3, volume.shape))
    experiment.add("mask", volume.data > 0.3)
    return experiment


def test_labels_are_those_of_the_estimator(volume, tmp_path):
    from cryodl.methods.local_classes.samples import add_labels

    experiments = [stored(tmp_path / name, volume) for name in ("a", "b", "c")]
    done = list(add_labels(experiments, "monogenic", 2))
    assert len(done) == 2 and sum(e.has("monogenic") for e in experiments) == 2
    label, inside = done[0].load("monogenic"), done[0].load("mask") > 0
    assert np.all(label[~inside] == 0) and np.all(label[inside] >= 1.99)
    assert not list(add_labels(experiments, "monogenic", 2))  # as many as asked for are there


def test_figures_and_temperature():
    edges = LOCAL_CLASSES["edges"]
    truth = np.array([2.5, 3.5, 9.5, 12.0])
    sure = np.eye(10)[[1, 3, 8, 9]]  # right, one off, right, right
    figures = finish.figures([(truth, sure)], edges)
    assert figures["exact"] == 0.75 and figures["within_one"] == 1.0
    # half of very sure answers wrong: they ought to be softened
    many = np.repeat(truth[:2], 700)
    sure = 0.95 * np.eye(10)[np.repeat([1, 3], 700)] + 0.005
    assert finish.best_temperature([(many, sure)], edges) > 1.5


# Whole maps


def test_classes_lie_on_the_map_and_agree_with_the_probabilities(bundle, volume):
    result = run_local_classes(volume, bundle, probabilities=True)
    classes, inside = result.volumes["classes"], result.volumes["mask"].data > 0
    assert classes.shape == volume.shape and classes.origin == volume.origin
    assert np.all(classes.data[~inside] == 0)
    assert np.all((classes.data[inside] >= 1) & (classes.data[inside] <= 10))
    shares = np.stack([result.volumes[f"class_{i}"].data[inside] for i in range(1, 11)])
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-3)
    np.testing.assert_array_equal(shares.argmax(axis=0) + 1, classes.data[inside])
    assert sum(result.stats["classes"]) == inside.sum() == result.stats["voxels"]
    short = run_local_classes(volume, bundle)
    np.testing.assert_array_equal(short.volumes["classes"].data, classes.data)
    assert set(short.volumes) == {"classes", "resolution", "mask"}


def test_scale_does_not_matter_and_a_mask_is_kept(bundle, volume):
    inside = np.zeros(volume.shape, bool)
    inside[15:25, 15:25, 15:25] = True
    first = run_local_classes(volume, bundle, mask=inside)
    second = run_local_classes(volume.with_data(volume.data * 1e-5 + 7e-5), bundle, mask=inside)
    assert first.stats["voxels"] == 1000
    np.testing.assert_allclose(
        first.volumes["resolution"].data, second.volumes["resolution"].data, atol=0.02
    )


def test_tiles_answer_as_the_whole(bundle, volume, monkeypatch):
    whole = run_local_classes(volume, bundle).volumes["resolution"].data
    for kind in ("cpu", "gpu"):
        monkeypatch.setitem(whole_map_plan.TILE_MEMORY, kind, 1.0)
    tiles, said = [], []
    tiled = run_local_classes(
        volume, bundle, progress=lambda stage, done, all: tiles.append(all), notify=said.append
    )
    assert tiles[-1] > 1
    assert any(f"in {tiles[-1]} tiles; about " in line and "GB" in line for line in said)
    np.testing.assert_allclose(tiled.volumes["resolution"].data, whole, atol=1e-3)


def test_temperature_changes_probabilities_not_the_class():
    answer = np.array([[0.7, 0.2, 0.1, 4.0]])
    soft = calibrated(answer.copy(), {"temperature": 2.0})
    assert soft[0, :3].sum() == pytest.approx(1) and soft[0, 0] < 0.7 and soft[0, 3] == 4
    assert soft[0, :3].argmax() == 0
    assert class_counts(np.array([1, 1, 10.0])) == [2, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_command_writes_classes_and_pictures(bundle, volume, tmp_path, capsys):
    write_map(tmp_path / "map.mrc", volume)
    out = tmp_path / "out"
    command = ["localres", tmp_path / "map.mrc", "--method", "unet-resmap", "--bundle",
               bundle.path, "-o", out, "--device", "cpu", "--probabilities"]  # fmt: skip
    assert main(command) == 0
    classes = read_map(out / "classes.mrc")
    assert classes.shape == volume.shape and set(np.unique(classes.data)) <= set(range(11))
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats["method"] == "local-classes" and len(stats["classes"]) == 10
    for name in ("resolution.mrc", "class_10.mrc", "classes.png", "class_histogram.png",
                 "slices.png", "view.cxc"):  # fmt: skip
        assert (out / name).stat().st_size > 0
    script = (out / "classes.cxc").read_text(encoding="utf-8")
    assert "classes.mrc" in script and "map.mrc" in script
    key = next(line for line in script.splitlines() if line.startswith("key "))
    assert key.count("#") == 10 and "colorTreatment distinct" in key
    assert main(command) == 2 and "--overwrite" in capsys.readouterr().err


def test_another_method_s_bundle_is_refused(volume, tmp_path, capsys):
    with pytest.raises(BundleError, match="is for local-resolution"):
        run_local_classes(volume, "deepres-low")
    write_map(tmp_path / "map.mrc", volume)
    given = ["localres", tmp_path / "map.mrc", "--half1", "a.mrc", "--method", "unet-resmap"]
    assert main([*given, "-o", tmp_path / "out"]) == 2
    assert "takes one map" in capsys.readouterr().err


def test_training_from_pairs_writes_a_bundle_that_predicts(volume, tmp_path, monkeypatch):
    for name, number in (("crop", 32), ("validation", 4)):  # 48 crops of one map are alike
        monkeypatch.setitem(TRAINING, name, number)
    pair_of(volume, tmp_path)
    table = tmp_path / "pairs.tsv"
    table.write_text("map\tresolution\n" + 2 * "map.mrc\tlocres.mrc\n", encoding="utf-8")
    out = tmp_path / "own"
    lines: list = []
    bundle = cryodl.train_local_classes(
        out, pairs=table, initial="deepres-low", steps=2, epoch=1, batch_size=1, workers=0,
        log=lines.append,
    )  # fmt: skip
    assert bundle.path == out and lines[-1].startswith(f"wrote {out}: ")
    spec = json.loads((out / "spec.json").read_text(encoding="utf-8"))
    assert spec["labels"] == "the user's" and 0 <= spec["metrics"]["exact"] <= 1
    result = run_local_classes(volume, out)
    assert 2 < result.stats["median"] < 15
