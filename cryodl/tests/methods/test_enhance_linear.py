"""Half maps filtered by what they hold: like their molecule, nothing beyond their resolution."""

from types import SimpleNamespace

import numpy as np
import pytest

from cryodl.errors import InputError, SettingError
from cryodl.evaluation.enhancement import best_bfactor, low_passed
from cryodl.filters.sharpen import apply_bfactor, radial_amplitude
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.linear import filter_half_maps, filter_map
from cryodl.methods.enhance.run import run_enhance
from cryodl.simulation.structure import atom_density
from cryodl.tests.half_maps.simulated_half_maps import packed_ball, simulate_half_maps

N, VOXEL, RESOLUTION = 64, 1.4, 6.0


@pytest.fixture(scope="module")
def case():
    """Noisy half maps of a ball of atoms at 6 Å, and its density at that resolution."""
    positions, elements = packed_ball(20.0)
    regions = np.zeros(len(positions), int)
    first, second, inside, _ = simulate_half_maps(
        positions, elements, regions, [RESOLUTION], VOXEL, (N, N, N)
    )
    placed = positions + N // 2 * VOXEL
    atoms = Volume(atom_density(placed, elements, (N, N, N), VOXEL), VOXEL)
    wanted = low_passed(atoms, RESOLUTION)

    def alike(data) -> float:
        return float(np.corrcoef(data[inside], wanted[inside])[0, 1])

    full = first.with_data((first.data + second.data) / 2)
    found = filter_half_maps(first, second, inside)
    return SimpleNamespace(
        halves=(first, second), full=full, inside=inside, alike=alike, found=found
    )


def test_it_is_as_like_the_molecule_as_the_b_factor_that_knows_it(case):
    linear, (_, best) = case.alike(case.found.full.data), best_bfactor(case.full, case.alike)
    assert linear > case.alike(case.full.data) + 0.1
    assert linear > best - 0.02


def test_nothing_is_left_beyond_the_resolution(case):
    s, amplitude = radial_amplitude(case.found.full)
    assert case.found.resolution == pytest.approx(RESOLUTION, rel=0.1)
    beyond = amplitude[s > 1.5 / case.found.resolution]
    assert beyond.max() < 0.02 * amplitude[(s > 0.05) & (s < 1 / RESOLUTION)].max()
    assert np.sqrt(np.mean(case.found.full.data[case.inside] ** 2)) == pytest.approx(1, abs=0.05)


def test_scale_and_offset_change_nothing(case):
    halves = [half.with_data(half.data * 50 + 20) for half in case.halves]
    again = filter_half_maps(*halves, case.inside)
    assert np.allclose(again.full.data, case.found.full.data, atol=2e-3)


def test_noise_has_nothing_to_show():
    rng = np.random.default_rng(1)
    halves = [Volume(rng.normal(size=(32, 32, 32)).astype(np.float32), 2.0) for _ in range(2)]
    inside = np.zeros((32, 32, 32), bool)
    inside[10:22, 10:22, 10:22] = True
    with pytest.raises(InputError, match="no signal in common"):
        filter_half_maps(*halves, inside)


def test_what_lies_outside_the_mask_is_not_filtered_into_half_maps(case):
    near = (case.found.weights == 0) & (np.roll(case.found.weights, 2, 0) > 0)
    blob = np.where(near, np.float32(3 * case.full.data.max()), np.float32(0))
    halves = [half.with_data(half.data + blob) for half in case.halves]
    other = filter_half_maps(*halves, case.inside)
    assert near.any() and np.abs(other.full.data - case.found.full.data)[case.inside].max() < 0.5
    assert (other.change[near] < -1).any()  # what was cut off is told


def test_a_mask_beside_the_map_is_refused(case):
    empty = case.full.with_data(np.where(case.inside, case.full.data, np.float32(0)))
    beside = np.zeros_like(case.inside)
    beside[:6, :6, :6] = True
    with pytest.raises(InputError, match="one value everywhere in the mask"):
        filter_map(empty, beside, 6.0)


def test_the_command_s_results(case, tmp_path):
    mask = case.full.with_data(case.inside.astype(np.float32))
    first, second = case.halves
    result = run_enhance(
        half1=first, half2=second, model="linear", mask=mask, output=tmp_path / "out"
    )
    stats = result.stats
    assert stats["model"] == "linear" and stats["density_added"] == 0
    assert stats["fsc"]["before_0.143"] == stats["fsc"]["after_0.143"]
    assert np.allclose(result.volumes["enhanced"].data, case.found.full.data)
    support = result.volumes["support"].data
    assert support[case.inside].mean() > 0.8 and support.max() <= 1
    assert {"enhanced.mrc", "audit.mrc", "support.mrc", "slices.png"} <= set(stats["files"])


def test_one_map_is_filtered_as_its_resolution_asks_for(case):
    found = filter_map(case.full, case.inside, RESOLUTION)
    alike = case.alike(found.full.data)
    assert alike > case.alike(case.full.data) + 0.1
    assert alike > case.alike(case.found.full.data) - 0.02  # half maps tell little more
    sharpened = apply_bfactor(case.full, -200)
    assert case.alike(filter_map(sharpened, case.inside, RESOLUTION).full.data) > alike - 0.01
    s, amplitude = radial_amplitude(found.full)
    beyond = amplitude[s > 1.5 / RESOLUTION].max()
    assert beyond < 0.02 * amplitude[(s > 0.05) & (s < 1 / RESOLUTION)].max()


def test_one_map_s_resolution_is_found(case, tmp_path):
    result = run_enhance(case.full, model="linear", output=tmp_path / "out", device="cpu")
    stats = result.stats
    assert (stats["model"], stats["source"]) == ("linear", "one map")
    assert 2 * VOXEL <= stats["resolution"] < 13 and "fsc" not in stats
    assert case.alike(result.volumes["enhanced"].data) > case.alike(case.full.data)
    assert set(result.volumes) == {"enhanced", "audit"}


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"thorough": True}, "no use for thorough"),
        ({"noise_std": 1.0}, "no use for noise_std="),
        ({"noise_mean": 0}, "no use for noise_mean="),
        ({"protect_mask": 0}, "no use for protect_mask="),
        ({"normalisation": "mask", "mask": 0}, "no use for normalisation"),
    ],
)
def test_what_it_has_no_use_for_is_refused(case, changes, words):
    given = {"half1": case.halves[0], "half2": case.halves[1], "model": "linear", **changes}
    given = {name: case.full if name in ("volume", "mask", "protect_mask") else value
             for name, value in given.items()}  # fmt: skip
    with pytest.raises(SettingError, match=words):
        run_enhance(given.pop("volume", None), **given)
