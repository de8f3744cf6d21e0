"""The simulator against what is known without it: files, spectra, cut-offs, seeds."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import InputError
from cryodl.maps.mrc import read_map
from cryodl.simulation import filters
from cryodl.simulation import local_truth as label
from cryodl.simulation import structure as density
from cryodl.simulation import training_box as experiment
from cryodl.simulation.model_map import simulate_map
from cryodl.simulation.structure import (
    Structure,
    pack_structures,
    read_structure,
    unpack_structures,
)


def pdb_line(serial, name, chain, number, xyz, element, residue="ALA", record="ATOM"):
    x, y, z = xyz
    return (
        f"{record:<6}{serial:>5} {name:<4} {residue:>3} {chain}{number:>4}    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}{1.0:6.2f}{20.0:6.2f}          {element:>2}\n"
    )


@pytest.fixture
def molecule():
    """A random-walk chain of 600 atoms: no protein, but as dense and as irregular as one."""
    rng = np.random.default_rng(3)
    points = rng.normal(size=(6000, 3))
    points *= 15 * rng.random((6000, 1)) ** (1 / 3) / np.linalg.norm(points, axis=1)[:, None]
    kept: list[np.ndarray] = []
    for point in points:
        if all(np.linalg.norm(point - other) > 1.6 for other in kept):
            kept.append(point)
        if len(kept) == 600:
            break
    positions = np.array(kept, np.float32) + 30
    elements = rng.choice([6, 7, 8], len(kept), p=[0.64, 0.17, 0.19]).astype(np.uint8)
    chains = (positions[:, 0] > 30).astype(np.int16)
    return Structure(positions, elements, chains, "made")


def test_reader_drops_hydrogens_waters_and_alternates(tmp_path):
    lines = [
        pdb_line(1, "N", "A", 1, (0, 0, 0), "N"),
        pdb_line(2, "CA", "A", 1, (1.5, 0, 0), "C"),
        pdb_line(3, "HA", "A", 1, (2, 1, 0), "H"),
        pdb_line(4, "CA", "B", 1, (9, 0, 0), "C"),
        pdb_line(5, "O", "W", 1, (20, 0, 0), "O", "HOH", "HETATM"),
    ]
    alternate = lines[1][:16] + "B" + lines[1][17:]
    lines[1] = lines[1][:16] + "A" + lines[1][17:]
    path = tmp_path / "x.pdb.gz"
    with gzip.open(path, "wt") as file:
        file.write("".join([lines[0], lines[1], alternate, *lines[2:]]) + "END\n")
    structure = read_structure(path)
    assert sorted(structure.elements.tolist()) == [6, 6, 7]
    assert len(set(structure.chains.tolist())) == 2


@pytest.mark.parametrize("shift, atoms", [(0.4, 1), (40.0, 2)])
def test_models_on_top_of_one_another_are_alternatives(tmp_path, shift, atoms):
    path = tmp_path / "x.pdb"
    body = [
        f"MODEL     {i + 1:>4}\n" + pdb_line(1, "CA", "A", 1, (i * shift, 0, 0), "C") + "ENDMDL\n"
        for i in range(2)
    ]
    path.write_text("".join(body) + "END\n")
    assert len(read_structure(path)) == atoms


@pytest.mark.parametrize("content", [None, "", "not a structure\n"])
def test_unreadable_structure_is_one_clear_line(tmp_path, content):
    path = tmp_path / "x.pdb"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_structure(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_packing_keeps_shape_and_order(tmp_path, molecule):
    pack_structures([molecule, molecule], tmp_path / "set.npz")
    first, second = unpack_structures(tmp_path / "set.npz")
    expected = molecule.positions - molecule.positions.mean(axis=0)
    assert np.abs(first.positions - expected).max() < 0.011
    assert np.array_equal(second.elements, molecule.elements) and second.name == "made"


def test_deblurred_density_has_the_scattering_factor_of_carbon():
    # One carbon: the transform over F(0) is its form factor; Peng et al. 1996, values of gemmi.
    import gemmi

    n, voxel = 48, 0.5
    grid = density.atom_density(
        np.full((1, 3), 12.0, np.float32), np.array([6], np.uint8), (n, n, n), voxel
    )
    spectrum = np.abs(np.fft.rfftn(grid))[:, 0, 0][: n // 2] * voxel**3
    s = np.fft.fftfreq(n, voxel)[: n // 2]
    found = spectrum * density.deblur_table(s, density.default_blur(voxel))
    factor = gemmi.Element("C").c4322 if hasattr(gemmi.Element("C"), "c4322") else None
    if factor is None:
        pytest.fail("gemmi no longer offers electron scattering factors")
    expected = np.array([factor.calculate_sf(x * x / 4) for x in s])
    low = s < 0.7
    assert np.allclose(found[low], expected[low], rtol=0.03)


def test_low_pass_is_xmipps_raised_cosine():
    s = np.array([0.0, 0.1, 0.2, 0.21, 0.22, 0.3])
    assert np.allclose(filters.raised_cosine(s, 5.0, 0.02), [1, 1, 1, 0.5, 0, 0])


def test_device_filters_equal_numpy_filters():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(12, 10, 8)).astype(np.float32)
    bins = filters.frequency_bins(data.shape)
    table = rng.random(bins.max() + 1)
    results = []
    for xp in (filters.NumpyFourier, filters.KerasFourier):
        spectrum = xp.scale(xp.rfft3(data), xp.take(table, bins))
        results.append(np.asarray(xp.irfft3(spectrum, data.shape)))
    assert np.abs(results[0] - results[1]).max() < 1e-5


@pytest.mark.parametrize("cutoff", [3.0, 5.0, 9.0])
def test_label_of_a_low_pass_is_its_cutoff(cutoff):
    s = np.linspace(0, 0.5, 4000)
    found = label.aspect_resolution(s, filters.raised_cosine(s, cutoff, 0.02), edge=0.01)
    assert abs(found - cutoff) < 0.006 * cutoff


def test_label_worsens_with_the_b_factor_and_follows_noise():
    s = np.linspace(0, 0.5, 4000)
    low_pass = filters.raised_cosine(s, 3.0, 0.02)
    labels = [
        label.aspect_resolution(s, low_pass * np.exp(-b * s**2 / 4)) for b in (-50, 0, 100, 200)
    ]
    assert labels == sorted(labels) and labels[-1] > labels[1] + 1
    assert label.snr_resolution(s, np.where(s <= 0.25, 1.0, 0.1)) == pytest.approx(4.0, abs=0.02)


def config(clean, random_phases=0.1, plain=0.0):
    return {"box": 40, "voxel_size": 1.0, "best": 2.5, "worst": 13.0, "clean": clean,
            "plain": plain, "random_phases": random_phases}  # fmt: skip


@pytest.mark.parametrize("clean", [0.0, 1.0])
def test_boxes_are_finite_and_repeat_with_their_seed(molecule, clean):
    for seed in range(6):
        a, b = (
            experiment.simulate_box(molecule, config(clean), np.random.default_rng(seed))
            for _ in range(2)
        )
        assert np.array_equal(a.density, b.density) and np.array_equal(a.resolution, b.resolution)
        assert np.isfinite(a.density).all() and a.density.std() > 0
        assert np.isfinite(a.resolution).all() and (a.resolution > 1.9).all()
        assert a.resolution.shape == (20, 20, 20)
    other = experiment.simulate_box(molecule, config(clean), np.random.default_rng(99))
    assert not np.array_equal(other.density, a.density)


def test_where_phases_are_random_the_resolution_ends(molecule):
    labels = [
        [
            experiment.simulate_box(molecule, config(1.0, share), np.random.default_rng(seed))
            for seed in range(40)
        ]
        for share in (0.0, 1.0)
    ]
    plain, random = (np.mean([box.resolution.mean() for box in boxes]) for boxes in labels)
    assert random > plain + 0.5


def test_plain_boxes_are_those_of_the_papers_tests(molecule):
    cuts = {**config(1.0, plain=1.0), "best": 4.5, "worst": 5.0, "voxel_size": 0.8}
    for seed in range(8):
        box = experiment.simulate_box(molecule, cuts, np.random.default_rng(seed))
        truth = box.resolution[box.distance < 4]
        assert (np.abs(truth - 5) < 3).all()
        # white noise reaches the corners of Fourier space, and fills the box evenly
        power = np.abs(np.fft.rfftn(box.density)) ** 2
        bins = filters.frequency_bins(box.density.shape)
        cycles = filters.bin_frequencies(box.density.shape, 1.0)[bins]
        outer = [power[(cycles > a) & (cycles <= a + 0.05)].mean() for a in (0.35, 0.4, 0.45)]
        assert max(outer) < 1.2 * min(outer)


def test_what_a_mask_left_out_may_stay_empty(molecule):
    """Of boxes that were masked on larger voxels; all others are as they were."""
    emptied = []
    for seed in range(60):
        a, b = (
            experiment.simulate_box(molecule, wanted, np.random.default_rng(seed)).density
            for wanted in (config(0.0), {**config(0.0), "emptied": True})
        )
        if not np.array_equal(a, b):
            emptied.append((float((a == 0).mean()), float((b == 0).mean())))
            assert np.array_equal(a[b != 0], b[b != 0])
    assert len(emptied) >= 2 and all(ringing < 0.01 < empty for ringing, empty in emptied)


def shell_power(volume):
    from cryodl.filters.sharpen import radial_amplitude

    s, amplitude = radial_amplitude(volume)
    return s, amplitude**2


def test_simulated_map_ends_at_its_cutoff_and_stands_at_its_model(molecule):
    made = simulate_map(molecule, 5.0, 1.0)
    s, power = shell_power(made.volume)
    assert power[(s > 0.225) & (s < 0.49)].max() < 1e-6 * power[(s > 0.15) & (s < 0.2)].min()
    z, y, x = np.indices(made.volume.shape)
    weight = np.clip(made.volume.data, 0, None)
    centre = [float((weight * axis).sum() / weight.sum()) for axis in (x, y, z)]
    found = np.array(made.volume.origin) + np.array(centre)
    assert np.abs(found - molecule.positions.mean(axis=0)).max() < 0.5


def test_noise_is_measured_against_the_3_angstrom_map(molecule):
    quiet = simulate_map(molecule, 3.0, 1.0)
    noisy = simulate_map(molecule, 3.0, 1.0, noise=0.08)
    assert quiet.volume.data.max() == pytest.approx(1, abs=1e-3)
    assert (noisy.volume.data - quiet.volume.data).std() == pytest.approx(0.08, rel=0.02)


def test_chains_get_their_own_resolution(molecule):
    made = simulate_map(molecule, [3.0, 9.0], 1.0)
    near = made.distance < 2
    assert set(np.unique(made.truth[near])) == {3.0, 9.0}
    left = near & (np.indices(near.shape)[2] * 1.0 + made.volume.origin[0] < 27)
    assert (made.truth[left] == 3.0).all()


def test_random_phases_keep_amplitudes_and_lose_likeness_beyond_the_limit(molecule):
    plain = simulate_map(molecule, 3.0, 1.0).volume
    random = simulate_map(molecule, 3.0, 1.0, random_phases=6.0).volume
    s, before = shell_power(plain)
    _, after = shell_power(random)
    seen = (s > 0.05) & (s < 0.3)
    assert np.allclose(after[seen], before[seen], rtol=0.05)
    a, b = np.fft.rfftn(plain.data), np.fft.rfftn(random.data)
    radius = filters.frequency_bins(plain.shape) / (4 * max(plain.shape))
    kept, lost = radius < 0.15, (radius > 0.18) & (radius < 0.3)
    for keep, low, high in ((kept, 0.99, 1.01), (lost, -0.1, 0.1)):
        likeness = (a[keep] * b[keep].conj()).real.sum() / (np.abs(a[keep]) ** 2).sum()
        assert low < likeness < high


def write_model(path, molecule):
    names = {6: "C", 7: "N", 8: "O"}
    lines = [
        pdb_line(i % 99999, "CA", "AB"[chain], i % 9999, xyz, names[int(element)])
        for i, (xyz, element, chain) in enumerate(
            zip(molecule.positions, molecule.elements, molecule.chains)
        )
    ]
    path.write_text("".join(lines) + "END\n")


def test_command_writes_map_truth_and_mask(tmp_path, molecule, capsys):
    model = tmp_path / "m.pdb"
    write_model(model, molecule)
    out, truth, mask = (tmp_path / f"{n}.mrc" for n in ("map", "truth", "mask"))
    arguments = ["simulate", model, "-o", out, "--resolution", "4,8", "--voxel-size", "1.1"]
    assert main([str(a) for a in [*arguments, "--truth", truth, "--mask", mask]]) == 0
    volume = read_map(out)
    assert volume.voxel_size == pytest.approx(1.1)
    values = read_map(truth).data[read_map(mask).data > 0]
    assert set(np.unique(values)) == {4.0, 8.0}
    assert main([str(a) for a in arguments]) == 2  # the map exists
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize("resolution", ["1.5", "-3", "abc", "nan", "4,6,8", "1000"])
def test_command_refuses_impossible_resolutions(tmp_path, molecule, resolution, capsys):
    model = tmp_path / "m.pdb"
    write_model(model, molecule)
    out = tmp_path / "map.mrc"
    code = main(["simulate", str(model), "-o", str(out), f"--resolution={resolution}",
                 "--voxel-size", "1"])  # fmt: skip
    assert code == 2 and not out.exists()
    received = {"4,6,8": "3 resolutions"}.get(resolution, resolution.strip("-"))
    assert received in capsys.readouterr().err
