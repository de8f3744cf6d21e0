"""Training of a single map's resolution: inputs, targets, turned crops, the start, the loss."""

import json

import numpy as np
import pytest

from cryodl.simulation.experiment_set import open_experiment_set

keras = pytest.importorskip("keras")

NETWORK = {
    "architecture": "single_map", "channels": 37, "half": 4, "quarter": 4, "quarter_blocks": 1,
    "stride": 2, "bins": 8, "bins_from": 2.2, "bins_to": 15.0,
    "ratios": 6, "ratios_from": 0.6, "ratios_to": 2.4,
}  # fmt: skip


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A lopsided molecule of blobs in noise, stored as a set of one."""
    from scipy.ndimage import gaussian_filter

    folder = tmp_path_factory.mktemp("set") / "00000"
    folder.mkdir()
    record = {"structure": "blobs", "config": {"resolution": 5.0}, "measured": {}}
    (folder / "experiment.json").write_text(json.dumps(record))
    stored = open_experiment_set(folder.parent)[0]
    rng = np.random.default_rng(0)
    atoms = np.zeros((48, 52, 56))
    atoms[tuple(rng.integers(12, (30, 26, 40), (300, 3)).T)] = 1
    model = gaussian_filter(atoms, 1.2)
    near = gaussian_filter(atoms, 2.0) > 0.002
    halves = [model + 0.02 * rng.normal(size=model.shape) for _ in range(2)]
    maps = {"half1": halves[0], "half2": halves[1], "map": sum(halves), "model": model}
    for name, data in maps.items():
        stored.add(name, data / data.std())
    stored.add("mask", near)
    stored.add("snr", np.where(near, 4.0 + np.arange(56) / 28, 0))
    return stored


def config(**more):
    from cryodl.methods.cryores.samples import TRAINING

    return {**TRAINING, "network": NETWORK, "crop": 32, "crops": 6, "solvent": 0.0, **more}


def test_the_mask_to_learn_holds_the_atoms_and_is_kept(experiment):
    from cryodl.training.augment import TARGET, molecular_target

    found = molecular_target(experiment)
    model = experiment.load("model")
    assert model[found].sum() > 0.97 * model.sum()
    assert found.sum() < 3 * (experiment.load("mask") > 0).sum()
    assert experiment.has(TARGET) and (molecular_target(experiment) == found).all()


@pytest.mark.parametrize("kind", ["deposited", "raw", "filtered", "zone"])
def test_inputs_have_the_molecule_in_its_place(experiment, kind):
    from cryodl.training.augment import draw_input

    density, molecule = draw_input(experiment, np.random.default_rng(2), kind)
    near = experiment.load("mask") > 0
    assert density.shape == near.shape and np.isfinite(density).all()
    assert density[near].mean() > density[~near].mean()
    if kind == "zone":
        assert (density[~molecule] == 0).mean() > 0.5


def test_larger_voxels_keep_a_cube_in_fourier_space():
    from cryodl.simulation.filters import on_voxels
    from cryodl.training.augment import COARSE, draw_voxel

    data = np.random.default_rng(0).normal(size=(24, 20, 28)).astype(np.float32)
    before, after = (np.abs(np.fft.fftn(a)) for a in (data, on_voxels(data, 2.5)))
    far = [np.abs(np.fft.fftfreq(n)) > 0.2 for n in data.shape]
    gone = far[0][:, None, None] | far[1][:, None] | far[2]
    assert after[gone].max() < 1e-3 and np.allclose(after[~gone], before[~gone], rtol=1e-4)
    assert on_voxels(data, 1.0) is data
    drawn = np.array([draw_voxel(7.0, np.random.default_rng(i)) for i in range(400)])
    assert np.mean(drawn > 1) == pytest.approx(COARSE, abs=0.1) and 3.2 < drawn.max() <= 7 / 2.05
    assert {draw_voxel(2.2, np.random.default_rng(i)) for i in range(50)} == {1.0}


def test_what_a_zone_leaves_out_is_not_to_be_told(experiment, monkeypatch):
    from cryodl.methods.cryores.samples import whole_sample
    from cryodl.training import augment as single_map_input

    whole = single_map_input.molecular_target(experiment)
    monkeypatch.setattr(single_map_input, "PART", 1.0)
    monkeypatch.setattr(single_map_input, "PART_RADIUS", (6.0, 8.0))
    density, molecule = single_map_input.draw_input(experiment, np.random.default_rng(1), "zone")
    assert 0 < molecule.sum() < 0.8 * whole.sum()
    assert (molecule == (whole & (density != 0))).all()
    *_, target = whole_sample(experiment, np.random.default_rng(1), config(), "zone")
    empty = (density == 0).reshape(24, 2, 26, 2, 28, 2).all(axis=(1, 3, 5))
    assert not target[empty][:, 1].any() and target[~empty][:, 1].any()


def test_crops_turn_features_and_targets_together(experiment):
    from cryodl.methods.cryores.samples import samples

    made = samples(experiment, np.random.default_rng(2), config())
    assert len(made) == 6
    for x, y in made:
        assert x.shape == (16, 16, 16, 37) and y.shape == (16, 16, 16, 5)
        assert np.isfinite(x).all() and (y[..., [0, 3]] > 0).all()
        # channel 21 is the density at 10 Å, high where the target says molecule
        assert np.corrcoef(x[..., 21].ravel(), y[..., 2].ravel())[0, 1] > 0.5
        # the density itself has its power there too
        power = (x[..., :8].astype(float) ** 2).mean(axis=-1)
        assert power[y[..., 2] > 0.5].mean() > power[y[..., 2] == 0].mean()
    assert len({tuple(np.round(y[8, 8, :, 0], 2)) for _, y in made}) > 1


def test_weights_of_another_network_are_taken_and_new_channels_start_at_nothing():
    from cryodl.errors import BundleError
    from cryodl.networks import build
    from cryodl.networks.cryores import build_single_map
    from cryodl.training.losses import start_from

    source = build({**NETWORK, "architecture": "unet3d", "channels": 21})
    model = build_single_map(NETWORK, with_logits=True)
    with pytest.raises(BundleError, match="lacks others/kernel"):
        start_from(model, source)
    assert start_from(model, source, partly=True) == len(source.weights)
    kernel = np.asarray(model.get_layer("encode_1").kernel)
    assert (kernel[..., :21, :] == np.asarray(source.get_layer("encode_1").kernel)).all()
    assert (kernel[..., 21:, :] == 0).all()
    # and the other way: what it does not read is left out
    back = build({**NETWORK, "architecture": "unet3d", "channels": 21})
    start_from(back, model)
    assert (np.asarray(back.get_layer("encode_1").kernel) == kernel[..., :21, :]).all()


def test_loss_falls_on_one_crop(experiment):
    from cryodl.methods.cryores.samples import compiled, samples

    x, y = (np.stack(part).astype(np.float32) for part in zip(
        *samples(experiment, np.random.default_rng(0), config(crops=2))))  # fmt: skip
    model = compiled(config(learning_rate=1e-2))
    losses = [model.train_on_batch(x, y, return_dict=True)["loss"] for _ in range(12)]
    assert losses[-1] < 0.92 * losses[0]


def test_paper_losses_are_those_of_the_slides():
    from cryodl.methods.cryores.published import PaperLoss

    truth = np.zeros((1, 2, 2, 2, 4), np.float32)
    told = np.zeros((1, 2, 2, 2, 3), np.float32)
    truth[..., 0], told[..., 0] = 5.0, 7.0  # squared error 4
    truth[..., 1], told[..., 1] = 1.0, 10.0  # log10(9 + 1) = 1
    truth[..., 2], told[..., 2], truth[..., 3] = 1.0, np.exp(-2), 1.0  # entropy 2
    assert float(PaperLoss()(truth, told)) == pytest.approx(7.0, rel=1e-3)
