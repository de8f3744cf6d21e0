"""Learning from experiments from particles: targets lie where the molecule is."""

import json
import shutil

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import InputError
from cryodl.maps.volume import Volume
from cryodl.methods.cryores.samples import PARTICLES, TARGETS, TRAINING, samples
from cryodl.simulation.deposition import deposit
from cryodl.simulation.reconstruction_set import make_reconstructions, open_reconstructions
from cryodl.tests.simulation.test_deposition import AS_IT_IS, VOXEL, source  # noqa: F401
from cryodl.tests.simulation.test_particles import PLAIN
from cryodl.tests.simulation.test_simulated_experiment import molecule  # noqa: F401
from cryodl.training import reconstructions


@pytest.fixture(scope="module")
def made_set(tmp_path_factory, molecule):  # noqa: F811
    folder = tmp_path_factory.mktemp("sets") / "set"
    list(make_reconstructions([molecule], folder, count=2, seed=4, config=PLAIN))
    return folder


@pytest.mark.parametrize(("grid", "voxels"), [
    ("kept", 1.0), ("fourier", 0.5), ("cubic", 0.7), ("binned", 2.0), ("linear", 1.6),
])  # fmt: skip
def test_targets_lie_where_the_molecule_is(source, grid, voxels):  # noqa: F811
    config = {**AS_IT_IS, "grid": grid, "voxels": voxels, "finest_voxel": 0.1}
    made = deposit(source, config, 0)
    size, origin = 2.0, (3.0, 1.0, 2.0)
    half = Volume(np.zeros((30, 31, 29), np.float32), size, origin)
    target = reconstructions.half_grid_truth(made, half, 6.0, 2.2, 15.0)
    assert target.shape == (30, 31, 29, TARGETS)
    inside = made.snr.data > 0
    there = np.argwhere(inside).mean(axis=0) * made.map.voxel_size + made.map.origin[::-1]
    for channel in (1, 2):
        weight = target[..., channel]
        found = [np.average(np.arange(n), weights=weight.sum(axis=tuple({0, 1, 2} - {axis})))
                 for axis, n in enumerate(half.shape)]  # fmt: skip
        assert np.allclose(np.multiply(found, size) + origin[::-1], there, atol=0.4)
    volume = inside.sum() * made.map.voxel_size**3
    assert target[..., 1].sum() * size**3 == pytest.approx(volume, rel=0.15)
    known = target[..., 1] > 0
    truth = np.clip(made.snr.data[inside], 2.2, 15)
    assert np.median(target[known][:, 0]) == pytest.approx(np.median(truth), rel=0.02)
    assert target[..., 0].min() >= 2.2 and np.all(target[..., 3] == 6)


def test_every_sample_is_deposited_anew_and_repeats_by_its_seed(made_set):
    stored = open_reconstructions(made_set)[0]
    config = {**TRAINING, **PARTICLES, "crop": 32, "crops": 4}
    first = samples(stored, np.random.default_rng(1), config)
    again = samples(stored, np.random.default_rng(1), config)
    other = samples(stored, np.random.default_rng(2), config)
    assert len(first) == 4
    for (x, y), (x2, y2) in zip(first, again):
        assert x.shape == (16, 16, 16, TRAINING["network"]["channels"]) and np.isfinite(x).all()
        assert y.shape == (16, 16, 16, TARGETS)
        assert np.array_equal(x, x2) and np.array_equal(y, y2)
    assert not np.array_equal(first[0][0], other[0][0])
    assert first[0][0].std() != first[2][0].std()  # of two depositions


def test_what_was_masked_away_is_not_to_be_told(source):  # noqa: F811
    made = deposit(source, {**AS_IT_IS, "mask": "part", "part_radius": 8.0}, 1)
    half = Volume(np.zeros((32, 32, 32), np.float32), 2.0, (0.0, 0.0, 0.0))
    whole = reconstructions.half_grid_truth(deposit(source, AS_IT_IS, 1), half, 6, 2.2, 15)
    part = reconstructions.half_grid_truth(made, half, 6, 2.2, 15)
    assert 0 < part[..., 1].sum() < 0.8 * whole[..., 1].sum()
    assert 0 < part[..., 2].sum() < 0.8 * whole[..., 2].sum()


def test_long_maps_are_read_in_parts_about_the_molecule(monkeypatch):
    monkeypatch.setattr(reconstructions, "LONGEST", 60.0)
    inside = np.zeros((40, 90, 90), bool)
    inside[20:24, 10:80, 70:74] = True
    part = (slice(0, 40), slice(0, 90), slice(0, 90))
    for seed in range(5):
        short = reconstructions._shortened(part, inside, 1.5, np.random.default_rng(seed))
        assert [s.stop - s.start for s in short] == [40, 40, 40] and inside[short].any()


def test_boxes_that_are_too_long_are_left_out(made_set, tmp_path):
    assert len(reconstructions.training_experiments(made_set)) == 2
    other = shutil.copytree(made_set, tmp_path / "set")
    for number, box in (("00000", 900), ("00001", 900)):
        record = other / number / "experiment.json"
        info = json.loads(record.read_text())
        info["measured"]["box"] = box
        record.write_text(json.dumps(info))
        if number == "00000":
            assert len(reconstructions.training_experiments(other)) == 1
    with pytest.raises(InputError, match="longer than 300"):
        reconstructions.training_experiments(other)


def test_a_training_on_experiments_from_particles(made_set, tmp_path, capsys):
    words = ["train", "single-map-resolution", "--experiments", str(made_set), "--validation",
             str(made_set), "-o", str(tmp_path / "net")]  # fmt: skip
    assert main([*words, "--network", "paper"]) == 2
    assert "a set of kind density" in capsys.readouterr().err
    assert main([*words, "--steps", "2", "--epoch", "1", "--batch-size", "1", "--workers", "0",
                 "--initial", "cryores-single", "--half-precision"]) == 0  # fmt: skip
    spec = json.loads((tmp_path / "net" / "spec.json").read_text())
    assert spec["resolution_limits"] == PARTICLES["limits"]
    assert "deposited anew" in (tmp_path / "net" / "MODEL_CARD.md").read_text()
    import keras

    assert keras.mixed_precision.global_policy().name == "float32"


def test_voxels_may_be_large_at_any_resolution(source):  # noqa: F811
    drawn = [np.random.default_rng(seed) for seed in range(8)]
    sizes = [reconstructions.deposited(source, rng, 1.0, 1.0).map.voxel_size for rng in drawn]
    shares = np.array(sizes) / source.resolution * 2  # of what the resolution needs
    assert shares.max() > 0.7 and np.ptp(shares) > 0.2 and shares.max() < 1.3
