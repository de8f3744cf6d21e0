"""`cryodl enhance` with the shipped network: where its result lies, what it keeps and says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cryodl.errors import InputError
from cryodl.maps.mrc import read_map, write_map
from cryodl.maps.resample import resample
from cryodl.maps.volume import Volume

pytest.importorskip("keras")

MODEL = Path(__file__).parents[1] / "data" / "1c75.pdb"
SIZE = 64
RESOLUTION = 3.5


@pytest.fixture(scope="module")
def enhancer():
    from cryodl.methods.enhance.estimate import Enhancer

    return Enhancer("tight", device="cpu")


@pytest.fixture(scope="module")
def molecule():
    """Density of cytochrome c-553 without its haem, of the haem alone, and the mask of both."""
    import gemmi

    from cryodl.simulation.model_map import model_map
    from cryodl.simulation.structure import read_structure

    whole = read_structure(MODEL)
    first = gemmi.read_structure(str(MODEL))[0]
    haem = np.array([a.pos.tolist() for c in first for r in c if r.name == "HEM" for a in r])
    middle = whole.positions.mean(axis=0)
    origin = tuple(float(v) - SIZE / 2 for v in middle)
    grid = Volume(np.zeros((SIZE,) * 3, np.float32), 1.0, origin)
    away = np.linalg.norm(whole.positions[:, None] - haem[None], axis=2).min(axis=1)
    parts = []
    for atoms in (away > 0.1, away <= 0.1):
        own = replace(
            whole, positions=whole.positions[atoms], elements=whole.elements[atoms],
            chains=whole.chains[atoms],
        )  # fmt: skip
        density, mask = model_map(own, grid)
        parts.append((density, mask))
    return grid, parts


def blurred(density, rng, level=0.05):
    """As a reconstruction leaves it: amplitudes fall off, noise is added."""
    from cryodl.filters.sharpen import apply_bfactor

    data = apply_bfactor(Volume(density, 1.0), 8 * RESOLUTION**2).data
    data = data / data.max()
    return data + level * rng.normal(size=density.shape)


@pytest.fixture(scope="module")
def halves(molecule):
    grid, parts = molecule
    density = sum(part for part, _ in parts)
    rng = np.random.default_rng(0)
    return [grid.with_data(blurred(density, rng).astype(np.float32)) for _ in range(2)]


@pytest.fixture(scope="module")
def full(halves):
    return halves[0].with_data((halves[0].data + halves[1].data) / 2)


@pytest.fixture(scope="module")
def enhanced(enhancer, full):
    return enhancer.enhance(full).density


def correlation(a, b):
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


def test_the_molecule_is_clearer_and_the_rest_empty(molecule, full, enhanced):
    _, parts = molecule
    model, mask = sum(p for p, _ in parts), np.any([m for _, m in parts], axis=0)
    assert correlation(enhanced.data, model) > correlation(full.data, model) + 0.05
    assert np.abs(enhanced.data[~mask]).mean() < 0.1 * np.abs(enhanced.data[mask]).mean()


def test_scale_and_offset_do_not_matter(enhancer, full, enhanced):
    for scale, offset in ((1e-6, 0.0), (1e6, 3e5)):
        other = enhancer.enhance(full.with_data(scale * full.data + offset)).density
        assert np.abs(other.data - enhanced.data).max() < 0.05 * enhanced.data.max()


def test_it_turns_and_mirrors_with_the_map(enhancer, full, enhanced):
    for turn in (lambda d: np.rot90(d, axes=(0, 2)), lambda d: d[::-1]):
        turned = enhancer.enhance(full.with_data(np.ascontiguousarray(turn(full.data)))).density
        assert correlation(turned.data, turn(enhanced.data)) > 0.97


def test_the_result_lies_where_the_input_lies(enhancer, molecule):
    """Phase correlation of the enhanced map with the input, on grids of other voxel sizes too."""
    grid, parts = molecule
    clean = blurred(sum(p for p, _ in parts), np.random.default_rng(0), 0.005)
    for voxel in (1.0, 0.83, 1.27):
        volume = resample(grid.with_data(clean.astype(np.float32)), voxel)
        found = enhancer.paste(enhancer.enhance(volume).density, volume)
        assert found.shape == volume.shape and found.origin == volume.origin
        assert found.voxel_size == volume.voxel_size
        assert np.abs(shift(found.data, volume.data)).max() < 0.05


@pytest.mark.parametrize("voxel", [0.8, 1.3])
def test_what_has_hard_edges_is_not_overshot(enhancer, full, voxel):
    hard = full.with_data((full.data > np.quantile(full.data, 0.9)).astype(np.float32))
    found = enhancer.paste(hard, resample(full, voxel), density=False).data
    assert found.min() >= 0 and found.max() <= 1 + 1e-6
    assert np.abs(found.mean() - hard.data.mean()) < 0.01


def test_told_noise_is_that_of_the_mean_of_half_maps(halves, monkeypatch):
    """Each of the halves has √2 of it."""
    from cryodl.methods.enhance.estimate import Enhancer
    from cryodl.methods.enhance.run import run_enhance

    told, enhance = [], Enhancer.enhance

    def listen(self, volume, noise=None, **options):
        told.append(noise.sd)
        return enhance(self, volume, noise, **options)

    monkeypatch.setattr(Enhancer, "enhance", listen)
    run_enhance(half1=halves[0], half2=halves[1], noise_mean=0.0, noise_std=0.05, device="cpu")
    assert told == pytest.approx([0.05, 0.05 * 2**0.5, 0.05 * 2**0.5])


def shift(a, b):
    """Voxels by which `a` lies beside `b`: a line through the phases of their coarse waves."""
    spectrum = np.fft.fftn(a - a.mean()) * np.conj(np.fft.fftn(b - b.mean()))
    frequencies = np.stack(np.meshgrid(*[np.fft.fftfreq(n) for n in a.shape], indexing="ij"))
    low = np.sqrt((frequencies**2).sum(axis=0)) < 0.12
    weight = np.abs(spectrum[low])
    phase, s = np.angle(spectrum[low]), frequencies[:, low]
    near = np.abs(phase) < 1
    matrix = (s[:, near] * weight[near]) @ s[:, near].T
    return -np.linalg.solve(matrix, (s[:, near] * weight[near]) @ phase[near]) / (2 * np.pi)


def test_a_molecule_at_the_border_is_as_strong_as_in_the_middle(enhancer, full, enhanced):
    cut = 22  # planes of the box that are left out, so that the molecule meets the border
    part = enhancer.enhance(replace(full, data=full.data[cut:])).density.data
    beside = np.s_[:6]
    whole = enhanced.data[cut:]
    assert np.abs(whole[beside]).max() > 1
    assert np.abs(part[beside]).sum() > 0.8 * np.abs(whole[beside]).sum()


@pytest.mark.parametrize("bfactor", [0.0, 200.0, 500.0])
def test_noise_is_refused(bfactor, tmp_path):
    from cryodl.filters.sharpen import apply_bfactor
    from cryodl.methods.enhance.run import run_enhance

    rng = np.random.default_rng(1)
    noise = apply_bfactor(Volume(rng.normal(size=(64, 64, 64)), 1.0), bfactor)
    with pytest.raises(InputError, match="no molecule stands out of the noise"):
        run_enhance(noise, model="tight", device="cpu", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_maps_beyond_the_networks_are_refused(full):
    from cryodl.methods.enhance.audit import Audit, refuse_out_of_range, refuse_unknown
    from cryodl.methods.enhance.run import run_enhance
    from cryodl.resolution_maps.local_filter import low_pass

    with pytest.raises(InputError, match="voxels of 4 Å are too large.*model='linear'"):
        run_enhance(Volume(full.data, 4.0), model="tight")
    white = Volume(np.random.default_rng(0).normal(size=(64, 64, 64)), 2.5)
    refuse_out_of_range(low_pass(white, 9.0), [])
    with pytest.raises(InputError, match="the map's spectrum ends at 1[3-6].* Å"):
        refuse_out_of_range(low_pass(white, 15.0), [])
    evidence = SimpleNamespace(nothing=False)
    refuse_unknown(Audit(full.data, 0.0, 0.4), evidence)
    with pytest.raises(InputError, match="would remove 60% of what the map shows"):
        refuse_unknown(Audit(full.data, 0.0, 0.6), evidence)


def test_the_audit_names_what_went_and_what_came(enhancer, full):
    from cryodl.methods.enhance.audit import audit

    result = enhancer.enhance(full)
    honest = audit(result, enhancer.spec)
    assert honest.added < 0.02 and not honest.warnings
    forged = result.density.data.copy()
    forged[2:10, 2:10, 2:10] = 5  # from nothing
    taken = np.s_[25:39, 25:39, 25:39]
    forged[taken] = 0
    found = audit(replace(result, density=result.density.with_data(forged)), enhancer.spec)
    assert found.added > 0.1 and any("added" in n or "invented" in n for n in found.warnings)
    assert found.change[3:9, 3:9, 3:9].min() > 0
    assert found.removed > honest.removed and found.change[30:34, 30:34, 30:34].min() < 0


def test_nothing_is_removed_where_a_mask_had_left_nothing():
    from cryodl.methods.enhance.run import run_enhance

    zone = read_map(Path(__file__).parents[3] / "examples" / "emd_30342_zone.mrc.gz")
    result = run_enhance(zone, model="tight", device="cpu")
    lost = result.volumes["audit"].data < 0
    assert (lost & (zone.data == 0)).sum() < 0.01 * (zone.data == 0).sum()


def test_a_protected_ligand_survives(molecule, tmp_path):
    """A weak haem, apart from the protein, goes as a small piece, unless it is protected."""
    from cryodl.methods.enhance.run import run_enhance

    grid, ((protein, _), (haem, near)) = molecule
    moves = [12 - round(float(v.mean())) for v in np.nonzero(near)]  # into a corner of the box
    away, region = (np.roll(part, moves, axis=(0, 1, 2)) for part in (0.4 * haem, near))
    data = blurred(protein + away, np.random.default_rng(3), 0.03).astype(np.float32)
    volume = grid.with_data(data)
    mask = grid.with_data(region.astype(np.float32))
    results = [run_enhance(volume, clean=0.2, protect_mask=m, device="cpu") for m in (None, mask)]
    plain, kept = (result.volumes["enhanced"].data for result in results)
    # The audit is of what is written: the piece that went is told, the one that was kept is not.
    gone, told = (result.volumes["audit"].data[region] for result in results)
    assert (gone < 0).mean() > 0.9 and (told < 0).mean() < 0.3
    assert results[0].stats["density_removed"] > results[1].stats["density_removed"]
    assert correlation(kept[region], away[region]) > 0.5
    assert np.abs(kept[region]).mean() > 3 * np.abs(plain[region]).mean()
    far = np.indices(region.shape).max(axis=0) > SIZE // 2
    assert correlation(kept[far], plain[far]) > 0.9


def test_half_maps_are_audited_and_everything_is_written(halves, tmp_path):
    from cryodl.cli.main import main

    files = []
    for number, half in enumerate(halves):
        files.append(str(tmp_path / f"half{number}.mrc"))
        write_map(files[-1], half)
    out = tmp_path / "out"
    code = main(
        [
            "enhance",
            "--half1",
            files[0],
            "--half2",
            files[1],
            "-o",
            str(out),
            "--device",
            "cpu",
            "--model",
            "tight",
        ]
    )
    assert code == 0
    names = {path.name for path in out.iterdir()}
    assert names >= {
        "enhanced.mrc", "audit.mrc", "support.mrc", "stats.json", "slices.png", "view.cxc",
    }  # fmt: skip
    result = read_map(out / "enhanced.mrc")
    assert result.origin == pytest.approx(halves[0].origin) and result.shape == halves[0].shape
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats["source"] == "half maps" and stats["density_added"] < 0.05
    assert stats["fsc"]["before_0.143"] > 0 and stats["fsc"]["after_0.143"] > 0
    support = read_map(out / "support.mrc").data
    assert support.max() <= 1.001 and support[result.data > 2].mean() > 0.7
    script = (out / "view.cxc").read_text(encoding="utf-8")
    assert "enhanced.mrc" in script and "support.mrc" in script


@pytest.mark.parametrize(
    "extra, message",
    [
        (["--clean", "1.5"], "--clean=1.5 is"),
        (["--batch-size", "0"], "--batch-size=0 is"),
        (["--normalisation", "mask"], "needs --mask"),
        (["--normalisation", "stats", "--noise-mean", "0"], "two numbers"),
        (["--half1", "MAP"], "one half map"),
        (["--half1", "MAP", "--half2", "MAP"], "a map and half maps"),
        (["--protect", "OTHER"], "mask has 9 x 9 x 9"),
        (["--bundle", "deepres-low"], "local-resolution"),
        (["--bundle", "nothing"], "unknown bundle"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(full, tmp_path, capsys, extra, message):
    from cryodl.cli.main import main

    write_map(tmp_path / "map.mrc", full)
    write_map(tmp_path / "other.mrc", Volume(np.eye(9) * np.ones((9, 1, 1)), 1.0))
    names = {"MAP": str(tmp_path / "map.mrc"), "OTHER": str(tmp_path / "other.mrc")}
    out = tmp_path / "out"
    arguments = ["enhance", names["MAP"], "-o", str(out), *(names.get(a, a) for a in extra)]
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("cryodl: ") and "\n" not in error and message in error
    assert not out.exists()


def test_no_map_is_a_line(tmp_path, capsys):
    from cryodl.cli.main import main

    assert main(["enhance", "-o", str(tmp_path / "out")]) == 2
    assert "no map is given" in capsys.readouterr().err


def test_figures_of_the_paper_are_those_of_the_maps(enhancer, halves, molecule):
    from cryodl.methods.enhance.evaluate import compare, summarise

    _, parts = molecule
    model, mask = sum(p for p, _ in parts), np.any([m for _, m in parts], axis=0)
    row = compare(halves, model, mask, RESOLUTION, enhancer)
    assert row["correlation_enhanced"] > 0.8
    assert row["correlation_enhanced"] > row["correlation_input"]
    assert row["correlation_bfactor"] >= row["correlation_input"] - 0.05
    assert row["fsc_enhanced"] < row["fsc_input"]
    assert row["fsc_masked_enhanced"] < row["fsc_masked_input"] + 0.1
    (summary,) = summarise([{"resolution": RESOLUTION, **row}])
    assert summary["experiments"] == 1 and summary["fsc_better"] == 1
    assert summary["fsc_gain"] == pytest.approx(row["fsc_input"] - row["fsc_enhanced"], abs=0.002)


def test_a_table_of_half_maps_and_models_is_stored_as_experiments(halves, tmp_path):
    from cryodl.errors import InputError
    from cryodl.methods.enhance.samples import store_pairs
    from cryodl.training.structures import hold_out

    for number, half in enumerate(halves, 1):
        write_map(tmp_path / f"h{number}.mrc", half)
    table = tmp_path / "pairs.tsv"
    table.write_text(f"half1\thalf2\tmodel\nh1.mrc\th2.mrc\t{MODEL}\n", encoding="utf-8")
    (stored,) = store_pairs(table, tmp_path / "set")
    assert stored.resolution < 6
    maps = {name: stored.load(name) for name in ("half1", "half2", "map", "model", "mask")}
    shape = maps["map"].shape
    assert all(data.shape == shape for data in maps.values()) and all(n % 4 == 0 for n in shape)
    inside = maps["mask"] > 0
    assert correlation(maps["map"][inside], maps["model"][inside]) > 0.5
    assert np.allclose(maps["map"], (maps["half1"] + maps["half2"]) / 2, atol=0.05)
    again = store_pairs(table, tmp_path / "set")
    assert again[0].folder == stored.folder
    stored.add("locscale", maps["map"])  # derived, as a training's target is
    written = (stored.folder / "experiment.json").stat().st_mtime_ns
    # other files in the same row: what is stored follows them
    table.write_text(f"half1\thalf2\tmodel\nh2.mrc\th1.mrc\t{MODEL}\n", encoding="utf-8")
    (swapped,) = store_pairs(table, tmp_path / "set")
    assert (stored.folder / "experiment.json").stat().st_mtime_ns > written
    assert np.allclose(swapped.load("half1"), maps["half2"], atol=1e-3)
    assert not swapped.has("locscale")
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / MODEL.name
    other.write_bytes(MODEL.read_bytes())
    rows = f"h1.mrc\th2.mrc\t{MODEL}\nh1.mrc\th2.mrc\t{other}\n"
    table.write_text(f"half1\thalf2\tmodel\n{rows}", encoding="utf-8")
    pairs = store_pairs(table, tmp_path / "two")
    trained, held = hold_out(pairs)  # models of one name are not one molecule
    assert (len(trained), len(held)) == (1, 1)
    table.write_text("half1\thalf2\nh1.mrc\th2.mrc\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column model"):
        store_pairs(table, tmp_path / "set")
