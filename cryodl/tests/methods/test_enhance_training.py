"""Post-processing: the networks, their samples, noise, and what is done around the network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cryodl.errors import InputError, SettingError
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.audit import protect, remove_small
from cryodl.methods.enhance.prepare import (
    check_normalisation,
    find_noise,
    looks_like_noise,
    prepare,
    to_density,
)

keras = pytest.importorskip("keras")

SMALL = {
    "architecture": "postprocess_unet",
    "channels": 34,
    "groups": 8,
    "half": 4,
    "quarter": 4,
    "quarter_blocks": 1,
    "stride": 2,
}


def ball(shape=(48, 52, 44), radius=12, seed=0, noise=0.3):
    """A ball of smooth blobs in noise, and where it is."""
    rng = np.random.default_rng(seed)
    grid = np.indices(shape)
    middle = np.array(shape)[:, None, None, None] / 2
    inside = np.sqrt(((grid - middle) ** 2).sum(axis=0)) < radius
    density = np.zeros(shape)
    for centre in np.argwhere(inside)[rng.integers(0, inside.sum(), 60)]:
        away = ((grid - centre[:, None, None, None]) ** 2).sum(axis=0)
        density += np.exp(-away / 6)
    return (density + noise * rng.normal(size=shape)).astype(np.float32), inside


def randomised(config, **how):
    from cryodl.networks.enhance import build_postprocess_unet

    model = build_postprocess_unet(config, **how)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.2, w.shape) for w in model.get_weights()])
    return model


def test_published_network_has_its_published_layers():
    from cryodl.networks import build
    from cryodl.networks.configs import POSTPROCESS_PAPER

    model = build(POSTPROCESS_PAPER)
    kernels = {w.path.split("/")[0]: tuple(w.shape) for w in model.weights if "kernel" in w.path}
    for level, filters in enumerate((32, 64, 128), 1):
        for number in (1, 2, 3):
            assert kernels[f"down_{level}_{number}"][-1] == filters
            assert kernels[f"up_{level}_{number}"][-1] == filters
        assert kernels[f"stride_{level}"][-1] == filters
    assert sum("norm" in w.path and "gamma" in w.path for w in model.weights) == 18
    assert model(np.zeros((1, 16, 16, 16, 1), np.float32)).shape == (1, 16, 16, 16, 1)


def test_a_tile_answers_as_the_whole_map():
    from cryodl.networks.backbone import receptive_radius
    from cryodl.networks.tiles import TileGrid, predict_tiled

    model = randomised(SMALL)
    x = np.random.default_rng(0).normal(size=(24, 22, 26, 98)).astype(np.float16)
    whole = np.asarray(model.predict_on_batch(x[None]))[0]
    grid = TileGrid(x.shape[:3], (8, 10, 12), receptive_radius(SMALL), 2)
    tiled = predict_tiled(x, model.predict_on_batch, grid, channels=8)
    assert np.allclose(tiled, whole, atol=1e-4 * np.abs(whole).max())


def test_two_answers_blend_into_one():
    from cryodl.networks.enhance import blend_heads

    two, one = randomised(SMALL, names=("scaled", "model")), randomised(SMALL)
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 8, 98)).astype(np.float32)
    blend_heads(two, one, 0.3)
    both = np.asarray(two.predict_on_batch(x))
    found = np.asarray(one.predict_on_batch(x))
    assert np.abs(both[..., :8] - both[..., 8:]).max() > 0.1
    assert np.allclose(found, 0.7 * both[..., :8] + 0.3 * both[..., 8:], atol=1e-3)


def test_no_gain_and_no_correction_give_the_flattened_map():
    """Gains start alike in all bands: the answer is the map with even local power."""
    from cryodl.networks import build

    model = build(SMALL)
    density, inside = ball()
    features = prepare(density, find_noise(Volume(density, 1.0), "mask", inside=inside))
    answer = to_density(np.asarray(model.predict_on_batch(features[None]))[0], density.shape)
    groups = features[..., 34:].astype(np.float32)
    flattened = groups.reshape(*groups.shape[:3], 8, 8).sum(axis=3)
    assert np.allclose(answer, 0.3 * to_density(flattened, density.shape), atol=1e-3)
    assert np.corrcoef(answer[inside], density[inside])[0, 1] > 0.3


def test_weights_of_local_resolution_start_the_trunk():
    from cryodl.methods.enhance.training_network import take_weights, training_network
    from cryodl.networks import build
    from cryodl.networks.configs import LOW, POSTPROCESS

    source, model = build(LOW), training_network({"network": POSTPROCESS})
    assert take_weights(model, source) == 20
    first = model.get_layer("encode_1").get_weights()[0]
    told = source.get_layer("encode_1").get_weights()[0]
    assert np.array_equal(first[..., :21, :], told[..., :21, :])
    assert not np.isclose(first[..., 21:37, :], told[..., 21:, :]).all(axis=(0, 1, 2, 4)).any()
    quarter = [m.get_layer("quarter_1a").get_weights()[0] for m in (model, source)]
    assert np.array_equal(*quarter)


def test_blocks_become_voxels_again():
    from cryodl.features.local_spectrum import space_to_depth

    data = np.random.default_rng(0).normal(size=(8, 12, 4)).astype(np.float32)
    assert np.array_equal(to_density(space_to_depth(data), (7, 12, 3)), data[:7, :, :3])


def test_noise_is_found_outside_the_molecule():
    density, inside = ball(shape=(64, 64, 64))
    for way in ("auto", "mask"):
        noise = find_noise(Volume(5 * density + 3, 1.0), way, inside=inside)
        assert noise.mean == pytest.approx(3, abs=0.1)
        assert noise.sd == pytest.approx(1.5, rel=0.05)
        assert not (noise.region & inside).any()
        assert noise.normalise(5 * density + 3)[noise.region].std() == pytest.approx(0.1, rel=0.05)


def test_told_statistics_are_taken():
    density, _ = ball()
    noise = find_noise(Volume(density, 1.0), "stats", mean=0.2, sd=0.5)
    assert (noise.mean, noise.sd, noise.given) == (0.2, 0.5, True)


def test_a_map_cut_out_tightly_has_no_noise():
    density, inside = ball()
    noise = find_noise(Volume(np.where(inside, density, 0), 1.0), "auto")
    assert noise.region is None and noise.mean == 0


def test_mere_noise_is_told_from_a_molecule_that_fills_its_box():
    rng = np.random.default_rng(0)
    noise = Volume(rng.normal(size=(48, 48, 48)), 1.0)
    assert looks_like_noise(noise)
    assert find_noise(noise, "auto").sd == pytest.approx(1, rel=0.02)
    density, inside = ball(radius=18)
    assert not looks_like_noise(Volume(density[12:36, 14:38, 10:34], 1.0))


@pytest.mark.parametrize(
    "settings, message",
    [
        (("fancy", None, None, None), "unknown"),
        (("stats", None, None, None), "needs noise_mean="),
        (("stats", 0.0, None, None), "two numbers"),
        (("stats", 0.0, -1.0, None), "above 0"),
        (("mask", None, None, None), "needs mask="),
    ],
)
def test_settings_that_lack_something(settings, message):
    with pytest.raises(SettingError, match=message):
        check_normalisation(*settings)


def test_auto_takes_what_is_given():
    assert check_normalisation("auto", None, None, None) == "auto"
    assert check_normalisation("auto", 0.0, 1.0, "mask.mrc") == "stats"
    assert check_normalisation("auto", None, None, "mask.mrc") == "mask"


def test_a_constant_map_is_refused():
    with pytest.raises(InputError, match="constant"):
        find_noise(Volume(np.ones((16, 16, 16)), 1.0), "auto")


def test_small_pieces_go_and_protected_ones_stay():
    data = np.zeros((40, 40, 40), np.float32)
    data[5:25, 5:25, 5:25] = 2
    data[32:35, 32:35, 32:35] = 2
    cleaned, count = remove_small(data, 0.1)
    assert count == 1 and not cleaned[30:, 30:, 30:].any()
    assert np.array_equal(cleaned[:28], data[:28])
    keep = np.zeros(data.shape, bool)
    keep[33, 33, 33] = True
    for kept, number in (remove_small(data, 0.1, keep=keep), remove_small(data, 0.0)):
        assert number == 0 and np.array_equal(kept, data)


def test_protected_density_is_the_inputs_and_the_rest_is_not():
    density, inside = ball(noise=0)
    enhanced = Volume(np.where(density > 0.5, density, 0), 1.0)
    region = np.zeros(density.shape, bool)
    region[30:36, 22:30, 18:26] = True
    enhanced.data[region] = 0
    found = protect(enhanced, Volume(0.01 * density, 1.0), region).data
    assert np.corrcoef(found[region], density[region])[0, 1] > 0.95
    assert found[region].std() == pytest.approx(density[region].std(), rel=0.5)
    far = np.s_[:22]
    assert np.array_equal(found[far], enhanced.data[far])


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """Two tiny experiments, as `make_experiment_set` stores them."""
    from cryodl.simulation.experiment_set import RECORD, open_experiment_set

    folder = tmp_path_factory.mktemp("set")
    for number in range(2):
        place = folder / f"{number:05d}"
        place.mkdir()
        density, inside = ball((60, 56, 52), seed=number, noise=0)
        rng = np.random.default_rng(number)
        for name in ("half1", "half2", "map"):
            noisy = density + 0.3 * rng.normal(size=density.shape)
            np.save(place / f"{name}.npy", noisy.astype(np.float16))
        np.save(place / "model.npy", (density * inside).astype(np.float16))
        np.save(place / "mask.npy", inside.astype(np.uint8))
        info = {"structure": f"ball {number}", "seed": number, "measured": {}, "voxel_size": 1.0}
        (place / RECORD).write_text(json.dumps({**info, "config": {"resolution": 4.0}}))
    return open_experiment_set(folder)


def test_samples_are_crops_beside_their_targets(experiments):
    from cryodl.methods.enhance.samples import DISTANCE, SCALED, make_samples, whole_sample
    from cryodl.methods.enhance.training_network import TRAINING

    config = {**TRAINING["tight"], "region": 56, "crop": 24, "crops": 3}
    samples = make_samples(experiments[0], np.random.default_rng(0), config)
    assert experiments[0].has(SCALED) and experiments[0].has(DISTANCE)
    assert len(samples) == 3
    for x, y in samples:
        assert x.shape == (12, 12, 12, 98) and y.shape == (12, 12, 12, 16)
        assert np.isfinite(x).all() and np.isfinite(y).all()
    again = make_samples(experiments[0], np.random.default_rng(0), config)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(samples, again))
    x, y = whole_sample(experiments[0], config, size=32)
    assert x.shape == (16, 16, 16, 98)
    flattened = x[..., 34:].astype(np.float32).reshape(16, 16, 16, 8, 8).sum(axis=3)
    scaled = y[..., :8].astype(np.float32)
    shown = np.abs(scaled) > 0.5
    assert np.corrcoef(flattened[shown], scaled[shown])[0, 1] > 0.5


def test_noise_in_the_outline_of_a_molecule_is_wanted_empty(experiments):
    from cryodl.methods.enhance.samples import like_a_molecule, make_samples
    from cryodl.methods.enhance.training_network import TRAINING

    config = {**TRAINING["tight"], "region": 56, "crop": 24, "crops": 2, "empty": 1, "shaped": 1}
    kinds = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        density, noise = like_a_molecule(rng.normal(size=(56, 56, 56)), rng)
        kinds.add(bool(noise.any()))
        if noise.any():  # weaker there
            assert density[noise].std() < 0.7 * density[~noise].std()
        else:  # cut out
            assert 0.3 < (density == 0).mean() < 1
        plain, shaped = (
            make_samples(experiments[0], np.random.default_rng(seed), {**config, "shaped": share})
            for share in (0, 1)
        )
        for (x, _), (other, y) in zip(plain, shaped):
            assert np.isfinite(other).all() and not y.any()
            assert not np.array_equal(x, other)
    assert kinds == {True, False}


def test_training_learns_and_makes_a_bundle(experiments, tmp_path):
    from cryodl.methods.enhance.export import make_bundle
    from cryodl.methods.enhance.samples import whole_sample
    from cryodl.methods.enhance.training_network import TRAINING, compiled_network
    from cryodl.networks.bundle import load_bundle

    config = {**TRAINING["tight"], "network": SMALL, "seed": 0, "learning_rate": 3e-3}
    held = [whole_sample(e, config, size=24) for e in experiments]
    x, y = (np.stack(part).astype(np.float32) for part in zip(*held))
    model = compiled_network(config)
    first, *_, last = model.fit(x, y, epochs=6, verbose=0).history["loss"]
    assert last < 0.9 * first
    weights = tmp_path / "best.weights.h5"
    model.save_weights(weights)
    bundle = make_bundle(weights, config, held, tmp_path / "b", data="d", seconds=1, steps=6)
    assert "DeepEMhancer" in (tmp_path / "b" / "MODEL_CARD.md").read_text(encoding="utf-8")
    share = config["blend"]
    both = np.asarray(model.predict_on_batch(x))
    wanted = (1 - share) * both[..., :8] + share * both[..., 8:]
    found = np.asarray(load_bundle(bundle.path).model.predict_on_batch(x))
    assert np.allclose(found, wanted, atol=0.01)


def test_the_published_network_trains_by_command(experiments, tmp_path, capsys):
    from cryodl.cli.main import main
    from cryodl.methods.enhance.published import make_cubes
    from cryodl.methods.enhance.training_network import TRAINING
    from cryodl.networks.bundle import load_bundle

    config = {**TRAINING["tight"], "corrupted": 0, "noisier": 0, "masked": 0, "filtered": 0}
    for x, y in make_cubes(config, experiments[0], np.random.default_rng(0), count=3):
        assert x.shape == y.shape == (64, 64, 64, 1)
        shown = np.abs(y[..., 0]) > 0.5
        assert shown.any() and np.corrcoef(x[..., 0][shown], y[..., 0][shown])[0, 1] > 0.3
    command = ["train", "postprocess", "--network", "paper", "--experiments"]
    command += [str(experiments[0].folder.parent), "-o", str(tmp_path / "b"), "--workers", "0"]
    assert main([*command, "--steps", "1", "--batch-size", "1", "--epoch", "1"]) == 0
    assert "correlation" in capsys.readouterr().out
    spec = load_bundle(tmp_path / "b").spec
    assert spec["method"] == "postprocess-paper" and spec["training"]["steps"] == 1
