"""Training of whole-map classifiers: samples and their labels, what is taken over, the command."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import BundleError, InputError
from cryodl.methods.resolution_class import export as finish
from cryodl.methods.resolution_class import published as classifiers
from cryodl.methods.resolution_class import samples as training
from cryodl.methods.resolution_class.estimate import Classifier
from cryodl.methods.resolution_class.prepare import WIDER, Molecule, features_and_weight
from cryodl.networks import build
from cryodl.networks.bundle import load_bundle
from cryodl.networks.classifiers import build_trunk, evidence_size
from cryodl.networks.configs import CLASS_CNN, CLASS_DNN
from cryodl.resolution_maps import statistics as bins
from cryodl.simulation.experiment_set import StoredExperiment
from cryodl.simulation.structure import Structure, pack_structures
from cryodl.training import stream as repeat
from cryodl.training.losses import start_from
from cryodl.training.structures import hold_out, molecule_of


def ball(seed=1, count=300, size=20.0):
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-size / 2, size / 2, (count, 3)).astype(np.float32)
    elements = rng.choice([6, 7, 8], count).astype(np.uint8)
    return Structure(positions, elements, np.zeros(count, np.int16), f"made{seed}")


class Even(StoredExperiment):
    """An experiment whose half maps differ by nothing, so that filters can be seen."""

    def load(self, name):
        return np.random.default_rng(0).normal(size=(32, 32, 32)).astype(np.float32)


def experiment(**drawn):
    drawn = {"low_passed": 1, "over_filtered": 0, "low_pass": 0.9, "over_filter": 1.5, **drawn}
    info = {"config": {"resolution": 6.0, **drawn}, "measured": {"fall_off": 100.0}}
    return Even(Path(), info)


def maps_of(given, count=40):
    rng = np.random.default_rng(3)
    return [training.experiment_maps(given, training.TRAINING, rng)[0] for _ in range(count)]


def test_experiments_are_labelled_by_their_fsc_or_a_coarser_filter():
    assert {resolution for _, resolution in maps_of(experiment())} == {6.0}
    labels = {round(r, 3) for _, r in maps_of(experiment(over_filtered=1))}
    assert labels == {6.0, 8.1}  # sharpened anew from the half maps, and as deposited
    assert {r for _, r in maps_of(experiment(over_filtered=1, low_passed=0))} == {6.0}


def test_half_maps_are_sharpened_and_filtered_at_random():
    given = experiment()
    spreads = {round(float(data.std()), 4) for data, _ in maps_of(given)}
    assert len(spreads) > 10  # one of them is the map as deposited


def test_a_coarser_grid_holds_no_finer_frequencies():
    data = np.random.default_rng(0).normal(size=(32, 32, 40)).astype(np.float32)
    gain = np.ones(4 * 40)
    np.testing.assert_allclose(training.filtered(data, gain), data, atol=1e-4)
    coarse = np.abs(np.fft.fftn(training.filtered(data, gain, 2.0)))
    for axis, n in enumerate(data.shape):
        beyond = np.flatnonzero(np.abs(np.fft.fftfreq(n)) > 0.26)
        assert coarse.take(beyond, axis).max() < 1e-2
    assert coarse[3, 3, 3] > 1


def test_clean_maps_have_the_range_and_the_number_asked_for():
    rng = np.random.default_rng(0)
    config = {**training.TRAINING, "box": 32, "at_once": 6}
    made = [pair for seed in range(3) for pair in training.clean_maps(ball(seed), config, rng)]
    assert len(made) == 18
    resolutions = np.array([r for _, r in made])
    assert config["best"] <= resolutions.min() < 4 and 12 < resolutions.max() <= config["worst"]


def test_evidence_is_the_trunk_s_mean_over_the_molecule():
    rng = np.random.default_rng(0)
    inside = np.zeros((24, 24, 32), bool)
    inside[8:16, 8:16, 8:20] = True
    around = rng.normal(size=[n + 2 * WIDER for n in inside.shape]).astype(np.float32)
    density = around[(slice(WIDER, -WIDER),) * 3]
    molecule = Molecule(density, inside, 1.0, around)
    found = training.mean_evidence("cryores-single", molecule)
    assert found.shape == (evidence_size(CLASS_CNN),)
    local = found[64:104]
    assert local.sum() == pytest.approx(1, abs=1e-3) and np.all(local >= 0)
    part = (slice(0, 16), slice(None), slice(4, None))
    features, weight = (values[:8, :, 2:] for values in features_and_weight(molecule))
    trunk = training.backbone_of("cryores-single")
    evidence = np.asarray(trunk.predict_on_batch(features[None]))[0]
    mean = (evidence * weight[..., None]).sum((0, 1, 2)) / weight.sum()
    found = training.mean_evidence("cryores-single", molecule, part)
    np.testing.assert_allclose(found, mean, atol=1e-4)
    with pytest.raises(BundleError, match="lacks others"):
        training.backbone_of("deepres-low")
    trunk, single = build_trunk(CLASS_CNN), load_bundle("cryores-single").model
    start_from(trunk, single)
    theirs = {w.path: np.asarray(w) for w in single.weights}
    for weight in trunk.weights:
        np.testing.assert_array_equal(np.asarray(weight), theirs[weight.path])


def test_a_folded_network_answers_as_the_one_that_was_trained():
    import keras

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(50, 238)) * rng.uniform(0.1, 9, 238) + 3).astype(np.float32)
    x[:, 7] = 2.0  # one that never changes
    mean, spread = training.standard_of(x)
    model = training.trained_part("cnn")
    before = model.predict_on_batch((x - mean) / spread)
    training.fold(model, (mean, spread))
    np.testing.assert_allclose(model.predict_on_batch(x), before, atol=1e-3)


def test_parts_of_samples_fit_the_networks():
    x = np.zeros((2, CLASS_DNN["inputs"] + evidence_size(CLASS_CNN)))
    assert training.part_of(x, "dnn").shape[1] == build(CLASS_DNN).input_shape[1]
    assert training.part_of(x, "cnn").shape[1] == training.trained_part("cnn").input_shape[1]


def test_samples_are_kept_and_added_to(tmp_path):
    stream = SimpleNamespace(
        chunks=lambda start=0: ([(np.full(3, i), np.ones(2))] for i in range(start, 50))
    )
    file = tmp_path / "samples.npz"
    assert len(repeat.kept_samples(file, stream, 4, None, 3)[1]) == 4
    assert len(repeat.kept_samples(file, stream, 9, None, 3)[1]) == 4  # no time to make more
    assert len(repeat.kept_samples(file, stream, 9, 60.0, 3)[1]) == 9
    x, y = repeat.kept_samples(file, stream, 9, 60.0, 3)
    assert x.shape == (9, 3) and y.shape == (9, 2)
    assert x[:, 0].tolist() == list(range(9))  # each once
    np.savez(file, x=x, y=y, handfuls=9)  # as an earlier version counts them
    assert repeat.kept_samples(file, stream, 10, 60.0, 3)[0][:, 0].tolist() == list(range(10))
    np.savez(file, x=x, y=y, chunks=9)
    with pytest.raises(InputError, match="have 3 numbers and this version reads 4"):
        repeat.kept_samples(file, stream, 9, None, 4)
    batches = repeat.repeated_batches(x, y, 4, seed=1)
    assert next(batches)[0].shape == (4, 3)


def test_molecules_that_are_held_out_are_trained_on_nowhere():
    """Experiment i of a set is made on one of fewer structures, so each comes several times."""
    made = [SimpleNamespace(info={"structure": f"s{i % 7}"}, number=i) for i in range(40)]
    labelled = [SimpleNamespace(experiment=experiment) for experiment in made]
    for items in (made, labelled):
        trained, held = hold_out(items, every=3)
        assert len(trained) + len(held) == 40
        names = [{molecule_of(item) for item in part} for part in (trained, held)]
        assert not names[0] & names[1] and names[1] == {"s2", "s5"}
    few = [SimpleNamespace(name=name) for name in "abcd"]  # fewer than one in ten
    trained, held = hold_out(few)
    assert (trained, held) == (few[:3], few[3:])
    own = [SimpleNamespace(map=i) for i in range(4)]  # a user's pairs, each a molecule of its own
    assert hold_out(own, every=2) == (own[::2], own[1::2])
    with pytest.raises(InputError, match="one molecule cannot be both"):
        hold_out(made[:1] + made[7:8])


def test_temperature_is_what_makes_answers_as_sure_as_they_are_right():
    edges = bins.bin_edges(CLASS_CNN)
    rng = np.random.default_rng(0)
    places = np.arange(len(edges) - 1)
    said = rng.integers(10, 35, 400)
    truth = np.sqrt(edges[:-1] * edges[1:])[np.clip(said + rng.normal(0, 1.7, 400).round(), 0, 44)
                                            .astype(int)]  # fmt: skip
    too_sure = np.exp(-((places - said[:, None]) ** 2) / 2)
    too_sure /= too_sure.sum(axis=1, keepdims=True)
    temperature = finish.best_temperature(truth, too_sure, edges)
    assert 2 < temperature < 4
    before = finish.figures(truth, too_sure, edges, 1.0)["coverage"]
    after = finish.figures(truth, too_sure, edges, temperature)["coverage"]
    assert before < 0.75 and 0.85 < after < 0.97


def test_published_boxes_are_scaled_from_0_to_1():
    rng = np.random.default_rng(0)
    samples = classifiers.make_samples(24, ball(), rng)
    assert [y for _, y in samples] == [0, 1, 2]
    for x, _ in samples:
        assert x.shape == (24, 24, 24, 1) and x.min() == 0 and x.max() == 1


def test_command_trains_both_on_one_collection(tmp_path, monkeypatch):
    from cryodl.methods.resolution_class import train as command

    pack_structures([ball(seed) for seed in range(3)], tmp_path / "models.npz")
    pack_structures([ball(seed) for seed in (7, 8)], tmp_path / "others.npz")
    monkeypatch.setattr(command, "CALIBRATING", 2)
    for key, value in (("validation", 2), ("samples", 3), ("box", 32), ("at_once", 1)):
        monkeypatch.setitem(training.TRAINING, key, value)
    shared = ["train", "resolution-class", "--structures", tmp_path / "models.npz",
              "--validation", tmp_path / "others.npz", "--samples", tmp_path / "s.npz",
              "--steps", "2", "--epoch", "1", "--workers", "0"]  # fmt: skip
    for network in ("cnn", "dnn"):
        out = tmp_path / network
        assert main([*shared, "--network", network, "-o", out]) == 0
        spec = json.loads((out / "spec.json").read_text(encoding="utf-8"))
        assert spec["method"] == "resolution-class" and spec["metrics"]["clean"]["maps"] == 1
        assert sum(f.stat().st_size for f in out.iterdir()) < 8e6
        Classifier(bundle=out, device="cpu")
