"""Experiments from particles: their FSC as asked, their truth, symmetry, seeds, sets and errors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import InputError, SettingError
from cryodl.simulation.experiment_set import open_experiment_set
from cryodl.simulation.local_truth import (
    band_edges,
    first_fall,
    held_to,
    measure_bands,
    signal_to_noise_resolution,
)
from cryodl.simulation.particle_config import CHANCES, RANGES
from cryodl.simulation.particle_experiment import MAPS, simulate_particles
from cryodl.simulation.placement import assemble, draw_errors, draw_views, helix, point_group
from cryodl.simulation.reconstruction_set import make_reconstructions, open_reconstructions
from cryodl.tests.simulation.test_simulate import write_model
from cryodl.tests.simulation.test_simulated_experiment import molecule, shell_fsc  # noqa: F401

PLAIN = {
    "resolution": 5.0,
    "voxel_size": 1.6,
    "box": 40,
    "margin": 0.1,
    "particles": 200,
    "bodies": 0,
    **dict.fromkeys(CHANCES, 0),
}


def make(molecule, seed=0, **changes):  # noqa: F811
    return simulate_particles(molecule, {**PLAIN, **changes}, seed)


@pytest.fixture(scope="module")
def made(molecule):  # noqa: F811
    return make(molecule)


@pytest.mark.parametrize(
    ("resolution", "voxel", "box", "seed"),
    [(4.0, 1.5, 40, 1), (6.0, 1.8, 40, 2), (8.0, 2.4, 32, 3), (12.0, 3.0, 32, 4)],
)
def test_the_fsc_of_the_halves_is_as_asked(molecule, resolution, voxel, box, seed):  # noqa: F811
    from cryodl.simulation.reconstruction import fsc_mask
    from cryodl.simulation.specimen import distance_from

    bodies = seed % 3
    found = make(molecule, seed, resolution=resolution, voxel_size=voxel, box=box, bodies=bodies)
    weights = fsc_mask(distance_from(found.mask, voxel), resolution)
    measured = shell_fsc(found.half1, found.half2, weights, voxel)
    assert measured == pytest.approx(resolution, rel=0.05)
    assert found.measured["fsc_resolution"] == pytest.approx(resolution, rel=0.05)


def test_the_same_seed_gives_the_same_bytes_and_what_was_drawn_repeats_it(molecule, made):  # noqa: F811
    again = make(molecule)
    other = make(molecule, seed=1)
    repeated = simulate_particles(molecule, made.drawn, 0)
    for name in MAPS:
        assert np.array_equal(getattr(made, name), getattr(again, name)), name
        assert np.array_equal(getattr(made, name), getattr(repeated, name)), name
    assert not np.array_equal(made.half1, other.half1)


def test_signal_lies_where_the_model_is_and_noise_is_apart(made):
    noise = made.full - made.signal
    assert np.corrcoef(made.signal[made.mask], noise[made.mask])[0, 1] == pytest.approx(0, abs=0.15)
    blurred = made.signal
    assert np.corrcoef(blurred.ravel(), made.model.ravel())[0, 1] > 0.6
    outside = ~made.mask
    assert made.signal[made.mask].mean() > made.signal[outside].mean() + made.signal[outside].std()
    # the halves' noises are independent
    first, second = made.half1 - made.signal, made.half2 - made.signal
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_a_symmetric_experiment_is_symmetric_with_its_noise(molecule):  # noqa: F811
    found = make(
        molecule, box=0, resolution=9.0, voxel_size=3.5, symmetric=1, symmetry=2, particles=160
    )
    assert found.measured["symmetry"] == 4

    def turned(data):  # by 90 degrees about z, which passes through voxel n // 2
        shifted = np.rot90(data[:, 1:, 1:], axes=(1, 2))
        return shifted, data[:, 1:, 1:]

    for data in (found.signal, found.half1 - found.signal):
        one, other = turned(data)
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("name", ["C3", "D2", "T", "O"])
def test_copies_touch_and_do_not_overlap(molecule, name):  # noqa: F811
    from scipy.spatial import cKDTree

    symmetry = point_group(name)
    assembled = assemble(molecule, symmetry, np.random.default_rng(0))
    assert len(assembled) == len(symmetry.rotations) * len(molecule)
    own = assembled.chains <= molecule.chains.max()
    others = ~own
    nearest = cKDTree(assembled.positions[own]).query(assembled.positions[others])[0].min()
    assert 2.5 < nearest < 9
    turned = assembled.positions @ symmetry.rotations[1].T
    assert cKDTree(assembled.positions).query(turned)[0].max() < 0.01


def test_a_helix_is_raised_and_turned(molecule):  # noqa: F811
    assembled = assemble(molecule, helix(90.0, 15.0, 5), np.random.default_rng(0))
    copies = assembled.positions.reshape(5, -1, 3)
    assert np.allclose(copies[3, :, 2] - copies[2, :, 2], 15, atol=0.01)
    assert np.allclose(copies[3, :, 0], -copies[2, :, 1], atol=0.01)


def test_views_are_even_or_gathered():
    rng = np.random.default_rng(0)
    drawn = {"preferred": 0.0, "preferred_views": 1, "preferred_spread": 5.0, "side_views": 0}
    even = draw_views(4000, drawn, rng)[:, 2]
    assert np.abs(even.mean(axis=0)).max() < 0.05
    assert np.abs(even.T @ even / 4000 - np.eye(3) / 3).max() < 0.03
    gathered = draw_views(4000, {**drawn, "preferred": 0.7}, rng)
    share = (gathered[:, 2] @ gathered[:, 2].mean(axis=0)) > 0.6 * np.linalg.norm(
        gathered[:, 2].mean(axis=0)
    )
    assert share.mean() == pytest.approx(0.75, abs=0.1)
    frames = gathered @ gathered.transpose(0, 2, 1)
    assert np.abs(frames - np.eye(3)).max() < 1e-9 and np.all(np.linalg.det(gathered) > 0)
    side = draw_views(1000, {**drawn, "side_views": 1}, rng)[:, 2]
    assert np.abs(side[:, 2]).max() < 0.5


def test_both_halves_share_their_preferred_view(molecule):  # noqa: F811
    found = make(molecule, gathered=1, preferred=0.95, preferred_views=1, preferred_spread=5)
    rare = [noisiest_axis(half - found.signal) for half in (found.half1, found.half2)]
    assert abs(rare[0] @ rare[1]) > np.cos(np.radians(15))


def noisiest_axis(noise):
    """The axis along which most of a map's noise power lies; unit vector z, y, x."""
    power = np.abs(np.fft.fftn(noise)) ** 2
    places = np.stack(np.meshgrid(*[np.fft.fftfreq(n) for n in noise.shape], indexing="ij"))
    radius = np.linalg.norm(places, axis=0)
    inside = (radius > 0.05) & (radius < 0.3)
    axes = (places[:, inside] / radius[inside]) * np.sqrt(power[inside])
    return np.linalg.eigh(axes @ axes.T)[1][:, -1]


def test_errors_are_as_large_as_asked_and_tails_as_heavy():
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    drawn = {"angle_error": 3.0, "shift_error": 1.5, "heavy_tails": 0}
    turns, shifts = draw_errors(20000, drawn, rng)
    angles = np.degrees(Rotation.from_matrix(turns).as_rotvec())
    assert angles.std(axis=0) == pytest.approx([3, 3, 3], rel=0.03)
    assert shifts.std(axis=0) == pytest.approx([1.5, 1.5], rel=0.03)
    _, heavy = draw_errors(20000, {**drawn, "heavy_tails": 1}, rng)
    quartile = np.percentile(np.abs(heavy), 50)
    assert quartile == pytest.approx(np.percentile(np.abs(shifts), 50), rel=0.05)
    assert np.percentile(np.abs(heavy), 99.9) > 4 * np.percentile(np.abs(shifts), 99.9)


def test_local_truth_of_parts_of_known_resolution():
    """White signal and noise whose ratio falls with frequency: left and right at other places."""
    n, voxel = 64, 1.8
    rng = np.random.default_rng(0)
    k = np.sqrt(sum(np.meshgrid(*(np.fft.fftfreq(n, voxel) ** 2,) * 3, indexing="ij")))
    signal = np.zeros((n, n, n))
    for half, end in ((slice(0, 32), 1 / 8.0), (slice(32, 64), 1 / 4.5)):
        ratio = np.where(k < end, 1.0, 0.01)  # signal over noise power: a sharp end
        part = np.fft.ifftn(np.fft.fftn(rng.normal(size=(n, n, n))) * np.sqrt(ratio)).real
        signal[half] = part[half]
    noise = rng.normal(size=(n, n, n))
    bands = measure_bands(signal, noise, signal, voxel)
    found = signal_to_noise_resolution(bands)
    z = np.arange(len(found)) * bands.spacing / voxel
    assert np.median(found[(z > 14) & (z < 18)]) == pytest.approx(8.0, rel=0.06)
    assert np.median(found[(z > 46) & (z < 50)]) == pytest.approx(4.5, rel=0.06)
    assert signal_to_noise_resolution(bands, finest=5.0).min() >= 5.0


def test_bands_hold_the_power_that_is_there():
    """Sums over the coarse grid are those over the map, whatever grid the band was taken on."""
    n, voxel = 40, 2.0
    rng = np.random.default_rng(1)
    data = rng.normal(size=(n, n, n)).astype(np.float32)
    bands = measure_bands(data, 2 * data, data, voxel)
    f, h = np.fft.fftfreq(n, voxel), np.fft.rfftfreq(n, voxel)
    k = np.sqrt(f[:, None, None] ** 2 + f[None, :, None] ** 2 + h**2)
    for number in (0, len(bands.frequencies) // 2, len(bands.frequencies) - 3):
        low, high = bands.edges[number : number + 2]
        shape = np.exp(-(((k - (low + high) / 2) / (0.75 * (high - low))) ** 2))
        band = np.fft.irfftn(np.fft.rfftn(data) * shape, s=(n, n, n), axes=(0, 1, 2))
        assert bands.signal[number].mean() == pytest.approx(np.mean(band**2), rel=0.02)
    assert np.allclose(bands.noise, 4 * bands.signal, rtol=1e-3, atol=1e-9)


def test_crossings_are_joined_by_straight_lines():
    frequencies = np.array([0.1, 0.2, 0.3, 0.4])
    curves = np.array([[0.9, 0.4, 0.9], [0.7, 0.3, 0.9], [0.3, 0.2, 0.9], [0.1, 0.1, 0.8]])
    assert first_fall(curves, frequencies) == pytest.approx([1 / 0.25, 1 / 0.1, 1 / 0.4])
    assert held_to(frequencies, [1, 0.5, 0.011, 0.001]) == pytest.approx(1 / 0.3)
    edges = band_edges(1.3)
    assert 1 / edges[-1] == pytest.approx(2.05 * 1.3) and np.any(np.isclose(edges, 1 / 14))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 3.0}, "finer than"),
        ({"box": 24}, "even number from"),
        ({"box": 32, "voxel_size": 1.0, "resolution": 4.0}, "does not hold"),
        ({"particles": [500, 100]}, "ends below"),
        ({"cs": -1}, "below 0"),
        ({"colour": 1}, "no ingredient 'colour'"),
        ({"heavy_tails": 3}, "no probability"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_given(molecule, changes, message):  # noqa: F811
    with pytest.raises((InputError, SettingError), match=message):
        make(molecule, **changes)


def test_every_ingredient_is_a_range_or_a_chance():
    for key, value in RANGES.items():
        low, high = value if isinstance(value, list) else (value, value)
        assert low <= high, key
    assert all(0 <= chance <= 1 for chance in CHANCES.values())


@pytest.fixture(scope="module")
def small_set(tmp_path_factory, molecule):  # noqa: F811
    folder = tmp_path_factory.mktemp("reconstructions")
    config = {**PLAIN, "deposition": {"filter": "relion", "grid": "kept", "cropped": 0}}
    list(make_reconstructions([molecule], folder, count=2, seed=4, config=config))
    return folder


def test_a_set_holds_what_was_made_and_is_resumed(small_set, molecule):  # noqa: F811
    stored = open_reconstructions(small_set)
    assert len(stored) == 2
    info = stored[1].info
    made = simulate_particles(molecule, info["config"], info["seed"])
    for name in ("half1", "signal", "model"):
        found = stored[1].volume(name)
        scale = float(np.abs(getattr(made, name)).max())
        assert np.abs(found.data - getattr(made, name)).max() < 2e-3 * scale, name
        assert found.voxel_size == pytest.approx(made.voxel_size, rel=1e-5)
        assert found.origin == pytest.approx(made.origin, abs=1e-3)
    assert np.array_equal(stored[1].volume("mask").data > 0.5, made.mask)
    snr = stored[1].volume("snr")
    assert snr.shape == stored[1].volume("map").shape
    assert snr.data[snr.data > 0].min() >= 0.99 * 2 * made.voxel_size
    assert "sharpened" in info["deposition"]
    # what is finished is kept, what is not is made again
    (small_set / "00000" / "experiment.json").unlink()
    before = (small_set / "00001" / "half1.mrc").stat().st_mtime_ns
    made_again = list(
        make_reconstructions(
            [molecule], small_set, count=2, seed=4,
            config={**PLAIN, "deposition": {"filter": "relion", "grid": "kept", "cropped": 0}},
        )
    )  # fmt: skip
    assert [path.name for path in made_again] == ["00000"]
    assert (small_set / "00001" / "half1.mrc").stat().st_mtime_ns == before


def test_trainings_on_1_angstrom_say_what_they_need(small_set):
    with pytest.raises(InputError, match="--kind density"):
        open_experiment_set(small_set)


def test_the_command_makes_a_set(tmp_path, molecule, capsys):  # noqa: F811
    structures = tmp_path / "models"
    structures.mkdir()
    write_model(structures / "made.pdb", molecule)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**PLAIN, "resolution": 6.0}))
    command = ["experiments", str(structures), "-o", str(tmp_path / "set"), "--count", "1"]
    assert main([*command, "--config", str(config)]) == 0
    assert "wrote 1 experiment " in capsys.readouterr().out
    assert open_reconstructions(tmp_path / "set")[0].info["resolution"] == 6.0


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({"box": 24}, [], "even number from"),
        ({"deposition": {"blur": 1}}, [], "no ingredient 'blur'"),
        ({"resolution": "good"}, [], "is no number"),
        ({}, ["--resolution", "7,3"], "is not BEST,WORST"),
        ({}, ["--count", "0"], "--count"),
    ],
)
def test_bad_input_of_the_command_is_one_line(tmp_path, molecule, capsys, config, options, message):  # noqa: F811
    structures = tmp_path / "models"
    structures.mkdir()
    write_model(structures / "made.pdb", molecule)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    command = ["experiments", str(structures), "-o", str(tmp_path / "set"), "--count", "1"]
    assert main([*command, "--config", str(path), *options]) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1


def test_no_room_is_said_and_finished_experiments_stay(small_set, molecule, monkeypatch):  # noqa: F811
    """A full disk, by a limit on the size of files."""
    import resource
    import signal

    from cryodl.errors import OutputError

    config = {**PLAIN}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        with pytest.raises(OutputError, match="cannot write .*00002.*too large"):
            list(make_reconstructions([molecule], small_set, count=3, seed=4, config=config))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not (small_set / "00002").exists()
    assert len(open_reconstructions(small_set)) == 2
