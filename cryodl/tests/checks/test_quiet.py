"""Boxes that are quiet beyond a sphere or a cylinder answer as boxes that are not."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryodl.checks.input import check_map
from cryodl.checks.noise import NOISE
from cryodl.checks.quiet import Rim, emptied, filled, molecule_within, quiet_rim, within_rim
from cryodl.maps.mask import automatic_mask
from cryodl.maps.mrc import read_map
from cryodl.maps.volume import Volume
from cryodl.methods.cryores.run import run_single_map_resolution

EXAMPLES = Path(__file__).parents[3] / "examples"
N, VOXEL = 56, 1.5
AWAY = np.indices((N,) * 3) - N // 2
SPHERE, CYLINDER = np.sqrt((AWAY**2).sum(0)), np.hypot(AWAY[0], AWAY[2])


def molecule(seed=0, flat=1.0):
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(900, 3))
    places *= rng.random((900, 1)) ** (1 / 3) / np.linalg.norm(places, axis=1, keepdims=True)
    places[:, 0] *= flat
    density = np.zeros((N,) * 3)
    np.add.at(density, tuple((places * 13 + N / 2).astype(int).T), 1)
    density = gaussian_filter(density, 1.1)
    return density / density.std()


def noise(seed=1, smooth=0.8, n=N):
    drawn = gaussian_filter(np.random.default_rng(seed).normal(size=(n,) * 3), smooth, mode="wrap")
    return drawn / drawn.std()


def rimmed(data, away, radius, soft, left=0.0):
    weights = 0.5 + 0.5 * np.cos(np.pi * np.clip((away - radius) / max(soft, 1e-3), 0, 1))
    return Volume(data * np.maximum(weights, left), VOXEL)


RIMS = [("sphere", 0, 0.0), ("sphere", 5, 0.005), ("cylinder", 0, 0.005), ("cylinder", 5, 0.0)]


@pytest.mark.parametrize(("shape", "soft", "left"), RIMS)
def test_a_rim_is_found_and_filled_with_noise_like_the_solvents(shape, soft, left):
    data = molecule() + 0.5 * noise()
    away = SPHERE if shape == "sphere" else CYLINDER
    volume = rimmed(data, away, 22, soft, left)
    rim = quiet_rim(volume)
    assert rim.kind == shape and rim.axis == (None if shape == "sphere" else 1)
    assert abs(rim.radius / VOXEL - 22 - soft / 2) < 2
    whole = filled(volume, rim)
    assert np.array_equal(whole.data, filled(volume, rim).data)
    assert np.array_equal(whole.data[away < 20], volume.data[away < 20])
    far, solvent = away > 22 + soft + 2, (away > 18) & (away < 22)
    steps = [np.diff(whole.data, axis=2)[where[..., 1:]].std() for where in (far, solvent)]
    assert whole.data[far].std() == pytest.approx(data[solvent].std(), rel=0.1)
    assert steps[0] == pytest.approx(steps[1], rel=0.15)
    assert f"quiet beyond a {shape} of {rim.radius:.0f} Å" in rim.sentence
    assert not any("looks masked" in line for line in check_map(volume))


def test_masks_and_models_and_ordinary_maps_have_none():
    noisy = molecule() + 0.3 * noise()
    flat = molecule(flat=0.6)
    for data in (noisy, molecule(), flat, noisy * (gaussian_filter(molecule(), 2) > 0.3),
                 (flat + 0.3 * noise()) * (gaussian_filter(flat, 2) > 0.2),
                 np.ones((N,) * 3)):  # fmt: skip
        assert quiet_rim(Volume(data, VOXEL)) is None
    for name in ("emd_3186.map.gz", "emd_30342_zone.mrc.gz"):
        volume = read_map(EXAMPLES / name)
        assert quiet_rim(volume) is None and filled(volume, None) is volume


def test_a_barrel_that_fills_its_soft_sphere_is_masked_and_has_no_rim():
    """As GroEL's: there is no solvent, and a rim filled with noise like the barrel hid it."""
    barrel = (CYLINDER < 10) & (CYLINDER > 5) & (abs(AWAY[1]) < 8)
    places = np.argwhere(barrel)
    chosen = np.random.default_rng(0).choice(len(places), 1200)
    density = np.zeros((N,) * 3)
    np.add.at(density, tuple(places[chosen].T), 1)
    density = gaussian_filter(density, 1.5)
    volume = rimmed(density / density.std() + 0.1 * noise(), SPHERE, 10.8, 8)
    assert quiet_rim(volume) is None
    said = check_map(volume)
    assert any("looks masked" in line for line in said) and NOISE not in said


def test_a_rim_without_any_molecule_is_none():
    volume = rimmed(molecule() + 0.5 * noise(), SPHERE, 22, 5)
    rim = quiet_rim(volume)
    found = molecule_within(volume, rim)
    assert not (found & ~rim.inside).any() and found[SPHERE < 10].all()
    corner = np.zeros((N,) * 3, np.float32)
    corner[:8, :8, :8] = 1
    wrong = Rim("sphere", None, 12.0, corner)
    assert np.array_equal(molecule_within(volume, wrong), automatic_mask(volume))


def test_nothing_is_told_of_a_rim():
    volume = rimmed(molecule() + noise(), SPHERE, 22, 0)
    rim = quiet_rim(volume)
    assert within_rim(np.ones(volume.shape, bool), rim).sum() == rim.inside.sum()
    assert within_rim(~rim.inside, rim).any()
    back = emptied(filled(volume, rim), rim, volume)
    assert np.all(back.data[SPHERE > 24] == 0)


@pytest.fixture(scope="module")
def without():
    """Numbers of the box that has no rim."""
    return run_single_map_resolution(Volume(molecule() + 0.5 * noise(), VOXEL)).stats


@pytest.mark.parametrize(("shape", "soft", "left"), [RIMS[0], RIMS[1], ("cylinder", 5, 0.005)])
def test_cryores_answers_as_without_a_rim(shape, soft, left, without):
    data = molecule() + 0.5 * noise()
    away = SPHERE if shape == "sphere" else CYLINDER
    result = run_single_map_resolution(rimmed(data, away, 21, soft, left))
    assert abs(result.stats["median"] - without["median"]) < 0.3
    assert result.stats["molecule_volume"] == pytest.approx(without["molecule_volume"], rel=0.15)
    assert any("the box is quiet beyond" in line for line in result.stats["warnings"])
    assert np.all(result.density.data[away > 28] == result.density.data[away > 28] * (left > 0))


@pytest.mark.parametrize("seed", range(3))
def test_smoothed_noise_in_a_sphere_is_known_for_noise(seed):
    rng = np.random.default_rng(seed)
    n, voxel, width = int(rng.choice([48, 64])), rng.uniform(1, 3), rng.uniform(3, 12)
    data = noise(seed, width / 2.355, n)
    away = np.sqrt(((np.indices(data.shape) - n // 2) ** 2).sum(0))
    for radius in (n, 0.42 * n):
        held = np.clip((radius + 3 - away) / 3, 0, 1)
        assert NOISE in check_map(Volume(data * held, voxel))


def test_a_masked_map_has_no_texture_to_compare_with():
    """Zeros lie within the rim and beyond it: their spread is no unit."""
    from cryodl.checks.quiet import _radius, _weights

    data = np.where(SPHERE < 14, molecule() + 0.5 * noise(), 0)
    left, edge = _weights(Volume(data, VOXEL), _radius(data.shape, None), 22, 23)
    assert np.isfinite(left).all() and left[SPHERE < 20].min() == 1
    assert left[SPHERE > 25].max() == 0 and np.isfinite(edge)
