"""The check of voxel sizes: what it reads, and that what it has learnt is used as meant."""

import re
from pathlib import Path

import numpy as np
import pytest

from cryodl.checks import voxel_size as module
from cryodl.checks.voxel_size import (
    NUMBERS,
    RADII,
    proven_weights,
    sealed_weights,
    voxel_size_features,
    with_bfactor,
)
from cryodl.errors import BundleError, InputError
from cryodl.filters.sharpen import apply_bfactor
from cryodl.maps.mask import coarse_mask
from cryodl.maps.mrc import read_map
from cryodl.maps.volume import Volume

EXAMPLE = Path(__file__).parents[3] / "examples" / "emd_3186.map.gz"


def waves(period, n=56):
    """A ball with waves of a period (voxels) in all directions, in faint noise."""
    rng = np.random.default_rng(0)
    places = np.indices((n, n, n)) - n / 2
    inside = np.sqrt((places**2).sum(axis=0)) < n / 3
    data = 0.03 * rng.normal(size=inside.shape)
    for _ in range(60):
        direction = rng.normal(size=3)
        direction *= 2 * np.pi / period / np.linalg.norm(direction)
        data += inside * np.cos(np.tensordot(direction, places, 1) + rng.uniform(0, 6))
    return data.astype(np.float32), inside


def peak(features):
    return 1 / RADII[10 + np.argmax(features[10 : len(RADII)])]  # 10: beyond the ball's own shape


def test_features_follow_the_size_of_what_is_seen():
    small, large = (voxel_size_features(*waves(period)) for period in (4.0, 6.0))
    assert small.shape == (NUMBERS,) and np.isfinite(small).all()
    assert peak(small) == pytest.approx(4.0, rel=0.06)
    assert peak(large) == pytest.approx(6.0, rel=0.06)


def test_features_forget_scale_and_offset_and_know_b_factors():
    data, inside = waves(5.0)
    features = voxel_size_features(data, inside)
    assert voxel_size_features(2e3 * data - 5, inside) == pytest.approx(features, abs=0.02)
    blurred = voxel_size_features(apply_bfactor(Volume(data, 1.0), 40.0).data, inside)
    seen = RADII < 0.35  # beyond, the edge of the mask shows
    told = with_bfactor(features, 40.0)[: len(RADII)] - blurred[: len(RADII)]
    assert np.ptp(told[seen]) < 0.5


@pytest.mark.parametrize(("change", "message"), [
    ({"bias0": None}, "lacks bias0"),
    ({"layers": np.array(2)}, "lacks bias1"),
    ({"layers": np.array(1e9)}, "'layers' is not a whole number from 1 to 16"),
    ({"layers": np.array([1, 1])}, r"'layers' is not an array of shape \(\)"),
    ({"kernel0": np.zeros((NUMBERS, 28))}, r"'kernel0' is not an array of shape \(\d+, 29\)"),
    ({"mean": np.full(NUMBERS, 1e300)}, "'mean' is not finite numbers"),
    ({"sd": np.zeros(NUMBERS)}, "'sd' is not numbers above 0"),
    ({"sd": np.full(NUMBERS, "x")}, "'sd' is not numbers"),
    ({"threshold": np.array(2.0)}, "'threshold' is not a probability"),
    ({"vector_input": np.zeros(3)}, "'vector_input' is not"),
])  # fmt: skip
def test_weights_of_no_such_network_are_told(change, message, tmp_path):
    path = network(tmp_path / "w.npz", 1.3)
    with np.load(path) as held:
        arrays = {name: held[name] for name in held if name != "sha256"}
    arrays = {name: value for name, value in {**arrays, **change}.items() if value is not None}
    np.savez(path, **arrays, sha256=np.array(module.checksum(arrays)))
    with pytest.raises(BundleError, match=message):
        proven_weights(path)


@pytest.mark.parametrize(("factor", "word"), [(1.0, None), (1.25, "large")])
def test_the_shipped_weights_know_a_real_map(factor, word):
    """EMD-3186, of which nothing was trained on, and with voxels a quarter too large."""
    volume = read_map(EXAMPLE)
    volume = Volume(volume.data, volume.voxel_size * factor)
    said = module.voxel_size_warning(volume, coarse_mask(volume))
    if word is None:
        assert said is None
    else:
        assert f"look too {word}" in said
        fitting = float(re.search(r"fit about ([\d.]+) Å", said).group(1))
        assert fitting == pytest.approx(1.35, rel=0.1)


def low_passed(volume, resolution):
    frequencies = np.meshgrid(*(np.fft.fftfreq(n, volume.voxel_size) for n in volume.shape))
    away = np.sqrt(sum(f**2 for f in frequencies)) - 1 / resolution
    width = 2 / volume.box[0]
    gain = 0.5 + 0.5 * np.cos(np.pi * np.clip(away / width + 1, 0, 1))  # two shells wide
    return volume.with_data(np.fft.ifftn(np.fft.fftn(volume.data) * gain).real)


@pytest.mark.parametrize("resolution", [12, 14, 16, 20])
def test_without_detail_nothing_is_said(resolution):
    volume = low_passed(read_map(EXAMPLE), resolution)
    assert module.voxel_size_warning(volume, coarse_mask(volume)) is None


@pytest.mark.parametrize("voxel", [0.5, 2.4, 4.23, 12.0])
def test_beyond_the_voxel_sizes_that_were_trained_on_nothing_is_said(voxel, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WEIGHTS", network(tmp_path / "w.npz", 1.3))
    module._weights.cache_clear()
    data, inside = waves(5.0, 40)
    said = [module.voxel_size_warning(Volume(data, v), inside) for v in (1.3, voxel)]
    module._weights.cache_clear()
    assert said[0] is not None and said[1] is None


def network(path, factor):
    """Weights that answer with one factor, whatever they read."""
    bias = np.where(np.abs(np.log(module.FACTORS / factor)) < 0.02, 20.0, 0.0)
    weights = dict(mean=np.zeros(NUMBERS), sd=np.ones(NUMBERS), layers=1, threshold=0.7,
                   kernel0=np.zeros((NUMBERS, len(bias))), bias0=bias)  # fmt: skip
    np.savez(path, **sealed_weights(weights))
    return path


@pytest.mark.parametrize(("change", "message"), [
    ({"bias0": np.zeros(29)}, "checksum of what .* damaged"),
    ({"vector_answer": np.full(29, 1 / 29)}, "NumPy does not answer .* off by"),
    ({"vector_answer": np.full(29, np.nan)}, "NumPy does not answer .* off by nan"),
    ({"sha256": None}, "holds no sha256"),
])  # fmt: skip
def test_weights_prove_themselves(change, message, tmp_path):
    path = network(tmp_path / "w.npz", 1.3)
    assert set(proven_weights(path)) == {
        "mean", "sd", "layers", "threshold", "kernel0", "bias0"}  # fmt: skip
    with np.load(path) as held:
        arrays = {**held, **change}
    if "vector_answer" in change:  # written so
        del arrays["sha256"]
        arrays["sha256"] = np.array(module.checksum(arrays))
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises((BundleError, InputError), match=message):
        proven_weights(path)


@pytest.mark.parametrize(("factor", "word"), [(1.0, None), (1.28, "large"), (0.78, "small")])
def test_a_warning_names_the_evidence(factor, word, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WEIGHTS", network(tmp_path / "w.npz", factor))
    module._weights.cache_clear()
    data, inside = waves(5.0, 40)  # 18,000 Å³
    said = module.voxel_size_warning(Volume(data, 1.3), inside)
    module._weights.cache_clear()
    if word is None:
        assert said is None
    else:
        assert word in said and "--voxel-size" in said
        fitting = float(re.search(r"fit about ([\d.]+) Å", said).group(1))
        assert fitting == pytest.approx(1.3 / factor, rel=0.03)


def test_right_and_wrong_maps_come_on_voxels_of_all_sizes():
    pytest.importorskip("keras")
    from cryodl.methods.voxel_size.train import own_voxels

    data, inside = waves(6.0)
    made = [own_voxels(data, inside, 3.0, np.random.default_rng(i)) for i in range(40)]
    voxels = np.array([volume.voxel_size for volume, _ in made])
    assert voxels.min() < 0.85 and 1.3 < voxels.max() <= 1.01 * 3.0 / 2.05
    for volume, molecule in made[::9]:
        assert molecule.sum() * volume.voxel_size**3 == pytest.approx(inside.sum(), rel=0.05)
        features = module.read_features(volume, molecule)
        assert peak(features) == pytest.approx(6.0, rel=0.06)


def test_training_learns_what_tells_and_measures_on_other_experiments(tmp_path):
    pytest.importorskip("keras")
    from cryodl.methods.voxel_size.train import fit_and_measure

    def made(count, seed):
        rng = np.random.default_rng(seed)
        factors = np.where(np.arange(count) % 3, np.exp(rng.uniform(-0.38, 0.38, count)), 1.0)
        features = rng.normal(size=(count, NUMBERS)).astype(np.float32)
        features[:, 5] = 10 * np.log(factors) + rng.normal(0, 0.2, count)
        return features, factors, np.arange(count) // 3

    figures = fit_and_measure(made(900, 0), made(600, 1), tmp_path / "w.npz")
    assert figures["right ones warned of"] < 0.1
    assert figures["wrong by 22% to 30% warned of"] > 0.9
    with np.load(tmp_path / "w.npz") as stored:
        assert 0 < stored["threshold"] < 1 and stored["kernel0"].shape[0] == NUMBERS
    held = proven_weights(tmp_path / "w.npz")
    assert len(held[f"bias{int(held['layers']) - 1}"]) == len(module.FACTORS)
