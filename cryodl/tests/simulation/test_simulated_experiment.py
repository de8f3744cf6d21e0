"""A simulated experiment keeps its word: FSC, truth, noise, seeds, and what depositors do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import InputError, SettingError
from cryodl.maps.mrc import read_map
from cryodl.simulation.experiment_config import CHANCES, RANGES, draw, full_config
from cryodl.simulation.local_truth import local_resolutions
from cryodl.simulation.simulated_experiment import MAPS, simulate_experiment
from cryodl.simulation.specimen import distance_from
from cryodl.simulation.structure import Structure
from cryodl.tests.simulation.test_simulate import write_model

# One B-factor, even noise, nothing loose, nothing deposited but the mean of the half maps.
PLAIN = {
    "resolution": 5.0,
    "voxel_size": 1.5,
    "box": 40,
    "b_radial": 0,
    "b_domain": 0,
    "b_wave": 0,
    "missing_share": 0,
    "flexible_parts": 0,
    "noise_radial": 0,
    "log_scale": 0,
    "offset": 0,
    **dict.fromkeys(CHANCES, 0),
}


@pytest.fixture(scope="module")
def molecule():
    """Some 500 atoms about 2.9 Å apart, shaken, in an ellipsoid that no turn brings onto itself."""
    rng = np.random.default_rng(3)
    points = np.stack(np.meshgrid(*(3 * [np.arange(-21, 22, 2.9)])), axis=-1).reshape(-1, 3)
    points = points + rng.normal(0, 0.6, points.shape)
    inside = np.sum((points / (17, 14, 12) - (0.1, 0.2, 0)) ** 2, axis=1) < 1
    inside &= ~((points[:, 0] > 4) & (points[:, 1] > 3) & (points[:, 2] > 2))
    positions = points[inside].astype(np.float32) + 30
    elements = rng.choice([6, 7, 8], len(positions), p=[0.64, 0.17, 0.19]).astype(np.uint8)
    chains = (positions[:, 0] > 30).astype(np.int16)
    return Structure(positions, elements, chains, "made")


def make(molecule, seed=0, **changes):
    return simulate_experiment(molecule, {**PLAIN, **changes}, seed)


def shell_fsc(first, second, weights, voxel):
    """Resolution at which the FSC first falls below 0.143, by loops rather than by sums."""
    n = first.shape[0]
    a, b = (np.fft.fftn(half * weights) for half in (first, second))
    k = np.fft.fftfreq(n, 1 / n)
    radius = np.rint(np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k**2))
    before = 1.0
    for shell in range(1, n // 2):
        f, g = a[radius == shell], b[radius == shell]
        value = np.sum(f * g.conj()).real / np.sqrt(np.sum(abs(f) ** 2) * np.sum(abs(g) ** 2))
        if value < 0.143:
            return n * voxel / (shell - 1 + (before - 0.143) / (before - value))
        before = value
    return 2 * voxel


@pytest.mark.parametrize("resolution, seed", [(3.5, 0), (5.0, 1), (7.0, 2), (9.0, 3)])
def test_fsc_falls_to_threshold_where_asked(molecule, resolution, seed):
    made = simulate_experiment(
        molecule, {"resolution": resolution, "voxel_size": resolution / 3, "margin": 15}, seed
    )
    found = shell_fsc(made.half1, made.half2, made.fsc_mask(), made.voxel_size)
    assert found == pytest.approx(resolution, abs=0.15)
    assert made.measured["fsc_resolution"] == pytest.approx(found, abs=0.02)


def test_truth_of_an_even_molecule_is_what_its_fsc_says(molecule):
    for seed in range(3):
        made = make(molecule, seed)
        inside = made.snr[made.mask]
        assert np.ptp(inside) < 0.05
        assert inside.mean() == pytest.approx(5.0, abs=0.5)


def test_noise_of_the_halves_is_independent(molecule):
    made = make(molecule, box=60, fall_off=4, noise_b=0, noise_low=0)
    outside = made.fsc_mask() == 0
    outside &= ~np.roll(made.mask, 8, 0) & ~np.roll(made.mask, -8, 0)
    first, second = made.half1[outside], made.half2[outside]
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert first.std() == pytest.approx(second.std(), rel=0.05)
    assert not np.array_equal(first, second)


def test_same_seed_same_bytes_and_drawn_numbers_repeat_it(molecule):
    free = {"resolution": [4, 8], "voxel_size": [1.5, 2.0], "margin": 8}
    one, two = (simulate_experiment(molecule, free, 5) for _ in range(2))
    again = simulate_experiment(molecule, json.loads(json.dumps(one.drawn)), 5)
    other = simulate_experiment(molecule, free, 6)
    for name in MAPS:
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name
        assert getattr(one, name).tobytes() == getattr(again, name).tobytes(), name
    assert one.drawn != other.drawn
    assert make(molecule, 1).half1.tobytes() != make(molecule, 2).half1.tobytes()


def test_truth_is_worse_where_atoms_move_more(molecule):
    made = make(molecule, b_radial=6)
    centre = np.mean(np.argwhere(made.mask), axis=0)
    radius = np.linalg.norm(np.argwhere(made.mask) - centre, axis=1)
    bands = [radius < 5, (radius >= 5) & (radius < 8), radius >= 8]
    medians = [np.median(made.snr[made.mask][band]) for band in bands]
    assert medians[0] < medians[1] < medians[2]


def test_truth_is_monotone_in_b_factor_and_noise():
    s = np.linspace(0, 1 / 3, 200)
    tables = np.ones(200), np.exp(-100 * s**2), np.full(200, 0.01)
    b = np.linspace(0, 300, 50)
    aspect, snr = local_resolutions(b, np.ones(50), tables, np.ones(200), s, {"voxel_size": 1.5})
    assert np.all(np.diff(snr) > 0)
    # exp(-(100 + B / 2) s²) = 0.01 / 3
    assert snr == pytest.approx(np.sqrt((100 + b / 2) / np.log(300)), abs=0.1)
    _, noisier = local_resolutions(
        b, np.full(50, 2.0), tables, np.ones(200), s, {"voxel_size": 1.5}
    )
    assert np.all(noisier > snr)
    sharp = np.exp(60 * s**2)
    sharpened, same = local_resolutions(b, np.ones(50), tables, sharp, s, {"voxel_size": 1.5})
    assert np.all(sharpened <= aspect) and sharpened[0] < aspect[0]
    assert np.array_equal(same, snr)  # no filter moves signal to noise


def test_noisier_middle_has_the_worse_truth(molecule):
    even, bell = make(molecule), make(molecule, noise_radial=0.8, noise_radius=0.15)
    assert np.ptp(even.snr[even.mask]) < 0.05
    middle, rim = bell.snr[20, 20, 20], np.percentile(bell.snr[bell.mask], 5)
    assert bell.mask[20, 20, 20] and middle > rim + 0.2


def test_other_hand_mirrors_maps_and_truth_alike(molecule):
    changes = {"b_radial": 5, "b_domain": 5, "flexible_parts": 2}
    right, left = (make(molecule, 3, other_hand=hand, **changes) for hand in (0, 1))
    mirrored = {name: np.roll(getattr(left, name)[..., ::-1], 1, axis=2) for name in MAPS}
    assert np.array_equal(mirrored["mask"], right.mask)
    assert mirrored["model"] == pytest.approx(right.model, abs=1e-3)
    assert not np.allclose(left.model, right.model, atol=0.05)
    assert np.corrcoef(mirrored["snr"][right.mask], right.snr[right.mask])[0, 1] > 0.98
    assert np.corrcoef(left.half1[left.mask], left.model[left.mask])[0, 1] > 0.4


def test_truth_lies_in_the_exact_mask(molecule):
    made = make(molecule, 1, flexible_parts=2, missing_share=0.05)
    for truth in (made.aspect, made.snr):
        assert np.array_equal(truth > 0, made.mask)
    assert made.measured["atoms"] < len(molecule)
    centres = np.argwhere(made.mask)[:, ::-1] * made.voxel_size + made.origin
    nearest = [np.linalg.norm(molecule.positions - c, axis=1).min() for c in centres[::50]]
    assert max(nearest) <= 3.001


def test_solvent_takes_contrast_and_a_belt_surrounds(molecule):
    quiet = {"noise_low": 0, "fall_off": 2, "box": 60}
    dry, wet = (make(molecule, solvent=s, **quiet) for s in (0.0, 0.8))
    contrast = [m.map[m.mask].mean() / m.map[m.mask].std() for m in (dry, wet)]
    assert contrast[1] < 0.6 * contrast[0]
    bare, belted = (make(molecule, belt=b, belt_heads=0.4, belt_tails=0.1, **quiet) for b in (0, 1))
    added = belted.half1 - bare.half1
    distance = distance_from(bare.mask, 1.5)
    around, far = (distance > 0) & (distance < 12), distance > 30
    assert added[around].mean() > 5 * abs(added[far].mean())


def high_power(made, beyond):
    spectrum = np.abs(np.fft.rfftn(made.map.astype(float))) ** 2
    n, s = made.map.shape[0], np.fft.fftfreq(made.map.shape[0], made.voxel_size)
    radius = np.sqrt(s[:, None, None] ** 2 + s[None, :, None] ** 2 + np.abs(s[: n // 2 + 1]) ** 2)
    return spectrum[radius > 1 / beyond].sum() / spectrum[radius > 0.02].sum()


def test_depositors_filter_sharpen_mask_and_rescale(molecule):
    plain = make(molecule, 4)
    mean = (plain.half1 + plain.half2) / 2
    assert plain.map == pytest.approx(mean / mean.std(), abs=1e-3)
    low = make(molecule, 4, low_passed=1, low_pass=1.0, low_pass_width=0.02)
    assert high_power(low, 4.5) < 1e-6 < high_power(plain, 4.5)
    sharp = make(molecule, 4, sharpened=1, sharpening=1.0)
    assert 1 - high_power(sharp, 5.0) < 0.3 * (1 - high_power(plain, 5.0))
    weighted = make(molecule, 4, fsc_weighted=1)
    assert high_power(weighted, 4.0) < 0.3 * high_power(plain, 4.0)
    coarse = make(molecule, 4, resampled=1, native_voxel=1.5)
    assert high_power(coarse, 2.55) < 1e-9 < high_power(plain, 2.55)  # the corners of a cube
    tight = make(molecule, 4, tightly_masked=1, tight_radius=0)
    assert not tight.map[~tight.mask].any() and tight.map[tight.mask].all()
    scaled = make(molecule, 4, log_scale=-2, offset=0.5)
    assert scaled.map == pytest.approx(plain.map * 0.01 + 0.005, rel=1e-3, abs=1e-6)
    for made in (low, sharp, weighted, tight, scaled):
        assert np.array_equal(made.half1, plain.half1)
        assert np.array_equal(made.snr, plain.snr)


def test_numbers_are_drawn_within_their_ranges():
    config = full_config()
    for seed in range(50):
        drawn = draw(config, np.random.default_rng(seed))
        assert drawn["resolution"] >= 2.1 * drawn["voxel_size"] - 1e-9
        for key, bounds in RANGES.items():
            low, high = bounds if isinstance(bounds, list) else (bounds, bounds)
            assert key == "voxel_size" or low <= drawn[key] <= high, key
        assert all(drawn[key] in (0, 1) for key in CHANCES)
    assert draw({**config, "solvent": 0.5}, np.random.default_rng(0))["solvent"] == 0.5


@pytest.mark.parametrize(
    "config, word",
    [
        ({"salt": 1}, "salt"),
        ({"solvent": "much"}, "much"),
        ({"solvent": [0.8, 0.3]}, "range"),
        ({"solvent": [1, 2, 3]}, "[1, 2, 3]"),
        ({"belt": 2}, "probability"),
        ({"belt": [0, 1]}, "belt"),
        ({"b_base": -3}, "below 0"),
        ({"fall_off": float("nan")}, "nan"),
    ],
)
def test_bad_ingredients_are_named(molecule, config, word):
    with pytest.raises(SettingError) as caught:
        simulate_experiment(molecule, config)
    assert word in str(caught.value)


def test_a_voxel_too_large_or_a_negative_seed_is_refused(molecule):
    with pytest.raises(InputError, match="finer"):
        simulate_experiment(molecule, {"resolution": 4, "voxel_size": 2})
    with pytest.raises(InputError, match="-1"):
        simulate_experiment(molecule, {}, -1)


def test_a_molecule_larger_than_the_box_is_cut(molecule):
    made = make(molecule, box=16)
    assert made.map.shape == (16, 16, 16)
    assert 0 < made.measured["atoms"] < len(molecule)


@pytest.fixture
def model(tmp_path, molecule):
    path = tmp_path / "m.pdb"
    write_model(path, molecule)
    return path


def test_command_writes_an_experiment_and_repeats_it(tmp_path, model, capsys):
    small = tmp_path / "small.json"
    small.write_text(json.dumps({"margin": 5, "other_hand": 0}))
    base = ["simulate", str(model), "--experiment", "--resolution", "5", "--voxel-size", "1.6"]
    out, again = tmp_path / "a", tmp_path / "b"
    assert main([*base, "-o", str(out), "--config", str(small), "--seed", "7"]) == 0
    assert "5.00 Å" in capsys.readouterr().out
    names = {f"{name}.mrc" for name in (*MAPS, "fsc_mask")} | {"experiment.json"}
    assert {path.name for path in out.iterdir()} == names
    record = json.loads((out / "experiment.json").read_text(encoding="utf-8"))
    assert record["seed"] == 7 and record["config"]["margin"] == 5
    mask, snr = (read_map(out / f"{name}.mrc") for name in ("mask", "snr"))
    assert np.array_equal(mask.data > 0, snr.data > 0)
    assert snr.voxel_size == pytest.approx(1.6)
    earlier = ["--config", str(out / "experiment.json")]  # holds resolution and voxel size, too
    assert main(["simulate", str(model), "--experiment", "-o", str(again), *earlier]) == 0
    assert np.array_equal(read_map(out / "map.mrc").data, read_map(again / "map.mrc").data)
    assert main([*base, "-o", str(out)]) == 2  # not empty


@pytest.mark.parametrize(
    "extra, word",
    [
        (["--resolution", "1.5"], "1.5"),
        (["--resolution", "4,8"], "one resolution"),
        (["--noise", "0.1"], "--noise"),
        (["--seed", "-1"], "-1"),
        (["--config", "none.json"], "none.json"),
    ],
)
def test_command_refuses_in_one_line(tmp_path, model, extra, word, capsys):
    out = tmp_path / "out"
    base = ["simulate", str(model), "--experiment", "-o", str(out), "--resolution", "5"]
    assert main([*base, "--voxel-size", "1.6", *extra]) == 2
    error = capsys.readouterr().err
    assert word in error and len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_config_without_experiment_is_refused(tmp_path, model, capsys):
    arguments = ["simulate", str(model), "-o", str(tmp_path / "m.mrc"), "--resolution", "5"]
    assert main([*arguments, "--voxel-size", "1.6", "--config", "x.json"]) == 2
    assert "--experiment" in capsys.readouterr().err
