"""`cryodl fsc` and `cryodl localres` from half maps: what they write, and what they refuse."""

import csv
import json

import mrcfile
import numpy as np
import pytest

from cryodl.cli.main import COMMANDS, main
from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume
from cryodl.tests.half_maps.simulated_half_maps import packed_ball, simulate_half_maps

FSC_OUTPUTS = {"stats.json", "fsc.csv", "fsc.xml", "fsc.png", "fsc.svg", "mask.mrc"}
LOCAL_OUTPUTS = {
    "resolution.mrc", "mask.mrc", "stats.json", "histogram.png", "histogram.svg", "slices.png",
    "view.cxc",
}  # fmt: skip
ORIGIN = (5.0, 6.0, 7.0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    positions, elements = packed_ball(20)
    regions = np.zeros(len(positions), int)
    *pair, inside, _ = simulate_half_maps(positions, elements, regions, [6.0], 2.0, (36, 38, 40))
    halves = [Volume(half.data, 2.0, ORIGIN) for half in pair]
    for number, half in enumerate(halves, 1):
        write_map(folder / f"half{number}.mrc", half)
    write_map(folder / "map.mrc", halves[0].with_data((halves[0].data + halves[1].data) / 2))
    write_map(folder / "mask.mrc", halves[0].with_data(inside))
    other = halves[1]
    write_map(folder / "size.mrc", Volume(other.data[:-2], 2.0, ORIGIN))
    write_map(folder / "voxel.mrc", Volume(other.data, 2.1, ORIGIN))
    write_map(folder / "origin.mrc", Volume(other.data, 2.0, (5.0, 6.0, 8.0)))
    rng = np.random.default_rng(0)
    for number in (1, 2):
        noise = halves[0].with_data(rng.standard_normal(other.shape))
        write_map(folder / f"noise{number}.mrc", noise)
    return folder


@pytest.fixture
def halves(inputs):
    return [inputs / "half1.mrc", inputs / "half2.mrc"]


@pytest.fixture
def pair(halves):
    return ["--half1", halves[0], "--half2", halves[1]]


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def refused(code, capsys, message, out):
    printed = capsys.readouterr().err
    assert code == 2
    assert printed.startswith("cryodl: ") and printed.count("\n") == 1, printed
    assert message in printed
    assert not out.exists()


@pytest.mark.parametrize("mask", [True, False])
def test_fsc_writes_numbers_curves_picture_and_mask(mask, inputs, halves, tmp_path, capsys):
    out = tmp_path / "out"
    given = ["--mask", inputs / "mask.mrc"] if mask else []
    assert "fsc" in COMMANDS
    assert main(["fsc", *halves, "-o", out, *given]) == 0
    assert {path.name for path in out.iterdir()} == FSC_OUTPUTS
    stats = read(out / "stats.json")
    assert stats["resolution_0.143"] == pytest.approx(6, abs=0.8)
    assert stats["resolution_0.5"] > stats["resolution_0.143"]
    assert stats["resolution_0.143_unmasked"] > stats["resolution_0.143"]
    assert stats["mask"] == ("given, softened" if mask else "automatic")
    assert stats["warnings"] == [] and stats["identical_half_maps"] is False
    assert f"{stats['resolution_0.143']:.2f} Å (FSC 0.143)" in capsys.readouterr().out
    with open(out / "fsc.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    assert float(rows[10]["resolution_angstrom"]) == pytest.approx(8)
    below = next(r for r in rows if float(r["corrected"]) < 0.143)
    assert float(below["resolution_angstrom"]) <= stats["resolution_0.143"]
    with mrcfile.open(out / "mask.mrc") as file:
        assert tuple(file.header.origin.tolist()) == ORIGIN
        assert 0 <= file.data.min() and file.data.max() == 1
        assert np.any((file.data > 0.2) & (file.data < 0.8))  # its edge is soft


def test_identical_half_maps_are_told(halves, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["fsc", halves[0], halves[0], "-o", out]) == 0
    stats = read(out / "stats.json")
    told = capsys.readouterr().out
    assert "FSC is 1 everywhere" in told and "resolution none (FSC 0.143)" in told
    assert stats["resolution_0.143"] is None and stats["identical_half_maps"] is True
    assert "identical" in stats["warnings"][0]


def test_noise_has_no_resolution(inputs, tmp_path, capsys):
    noise = [inputs / "noise1.mrc", inputs / "noise2.mrc"]
    assert main(["fsc", *noise, "-o", tmp_path / "fsc"]) == 0
    assert "none (FSC 0.143)" in capsys.readouterr().out
    assert read(tmp_path / "fsc" / "stats.json")["resolution_0.143"] is None
    for method in ("monogenic", "localfsc"):
        out = tmp_path / method
        command = ["localres", "--half1", noise[0], "--half2", noise[1], "--method", method]
        refused(main([*command, "-o", out]), capsys, "no signal in common", out)


@pytest.mark.parametrize(
    ("first", "second", "mask", "message"),
    [
        ("half1", "size", None, "voxels: give two of one refinement"),
        ("half1", "voxel", None, "2 and 2.1 Å"),
        ("half1", "origin", None, "origins 1 Å apart"),
        ("mask", "half2", "half1", "first half map holds few different values, as a mask"),
        ("half1", "half2", "noise1", "check that it was not swapped"),
        ("half1", "absent", None, "no such file"),
    ],
)
def test_bad_half_maps(first, second, mask, message, inputs, tmp_path, capsys):
    more = ["--mask", inputs / f"{mask}.mrc"] if mask else []
    first, second = inputs / f"{first}.mrc", inputs / f"{second}.mrc"
    out = tmp_path / "fsc"
    refused(main(["fsc", first, second, "-o", out, *more]), capsys, message, out)
    out = tmp_path / "localres"
    command = ["localres", "--half1", first, "--half2", second, "--method", "localfsc", *more]
    refused(main([*command, "-o", out]), capsys, message, out)


# Local resolution


@pytest.mark.parametrize(
    ("method", "more"),
    [("localfsc", []), ("monogenic", ["--mask", "mask.mrc"]), ("monogenic", ["map.mrc"])],
)
def test_local_resolution_of_half_maps(method, more, inputs, pair, tmp_path, capsys):
    out = tmp_path / "out"
    more = [inputs / m if m.endswith(".mrc") else m for m in more]
    assert main(["localres", *more, *pair, "--method", method, "-o", out]) == 0
    shows_mean = not any(m == inputs / "map.mrc" for m in more)
    assert {p.name for p in out.iterdir()} == LOCAL_OUTPUTS | ({"density.mrc"}
        if shows_mean else set())  # fmt: skip
    stats = read(out / "stats.json")
    assert stats["median"] == pytest.approx(6, abs=1.0)
    assert stats["method"] == method and stats["from"] == "half maps"
    assert stats["fsc_resolution"] == pytest.approx(6, abs=0.8)
    assert stats["seconds"]["total"] >= stats["seconds"]["estimate"]
    with mrcfile.open(out / "resolution.mrc") as file, mrcfile.open(out / "mask.mrc") as mask:
        assert tuple(file.header.origin.tolist()) == ORIGIN
        assert np.median(file.data[mask.data > 0]) == pytest.approx(stats["median"], abs=1e-3)
        assert not file.data[mask.data == 0].any()
    printed = capsys.readouterr().out
    assert "bands: 100 %" in printed and "median" in printed


def test_local_resolution_of_one_map(inputs, tmp_path):
    out = tmp_path / "out"
    command = ["localres", inputs / "map.mrc", "--method", "monogenic", "-o", out]
    limits = ["--min-resolution", "6.5", "--max-resolution", "15", "--significance", "0.9"]
    assert main([*command, "--mask", inputs / "mask.mrc", *limits]) == 0
    assert {p.name for p in out.iterdir()} == LOCAL_OUTPUTS
    stats = read(out / "stats.json")
    assert stats["from"] == "one map" and stats["significance"] == 0.9
    assert stats["min"] >= 6.49 and stats["max"] <= 15.01
    assert stats["median"] < 7.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "monogenic"], "no map is given"),
        (["map.mrc", "--method", "localfsc"], "needs half maps"),
        (["--half1", "half1.mrc", "--method", "monogenic"], "give both"),
        (["--half1", "half1.mrc", "--half2", "half2.mrc"], "method deepres takes one map"),
        ([], "no map is given"),
        (["PAIR", "--method", "monogenic", "--significance", "2"], "--significance=2 is"),
        (["PAIR", "--method", "localfsc", "--min-resolution", "9", "--max-resolution", "8"],
         "is not finer"),
        (["PAIR", "--method", "localfsc", "--max-resolution", "4"], "leaves nothing above"),
        (["PAIR", "--method", "localfsc", "--window", "-1"], "--window=-1 is"),
        (["size.mrc", "PAIR", "--method", "monogenic"], "give the map of these half maps"),
    ],
)  # fmt: skip
def test_bad_options(options, message, inputs, pair, tmp_path, capsys):
    given = []
    for option in options:
        given += pair if option == "PAIR" else [option]
    given = [inputs / str(g) if str(g).endswith(".mrc") else g for g in given]
    out = tmp_path / "out"
    refused(main(["localres", *given, "-o", out]), capsys, message, out)


def test_python_gives_what_the_command_gives(inputs, halves, tmp_path):
    from cryodl.methods.fsc import run_fsc
    from cryodl.methods.half_map_resolution import run_half_map_resolution

    whole = run_fsc(*halves, output=tmp_path / "fsc")
    assert read(tmp_path / "fsc" / "stats.json") == whole.stats
    assert len(whole.curve.frequencies) == len(whole.curve.corrected) == 21
    said = []
    local = run_half_map_resolution(
        *halves, method="localfsc", mask=inputs / "mask.mrc", notify=said.append
    )
    assert "method localfsc; about " in said[0] and said[0].endswith("on two CPU cores")
    assert local.stats["median"] == pytest.approx(6, abs=1.0)
    assert set(local.volumes) == {"resolution", "mask"}


def without_band(half, coarser, finer, seed):
    """A half map that holds noise alone from `coarser` to `finer` Å."""
    axes = np.meshgrid(*[np.fft.fftfreq(n, half.voxel_size) for n in half.shape], indexing="ij")
    s = np.sqrt(sum(k**2 for k in axes))
    other = np.fft.fftn(np.random.default_rng(seed).standard_normal(half.shape))
    empty = (s * coarser > 1) & (s * finer < 1)  # the mean density stays
    kept = np.where(empty, 0.3 * half.data.std() * other, np.fft.fftn(half.data))
    return half.with_data(np.fft.ifftn(kept).real)


@pytest.mark.parametrize("band", [(1e6, 27.0), (27.0, 15.0)])
def test_shells_without_signal_are_left_out_with_a_word(band, tmp_path, capsys):
    """Also by the methods that follow every voxel from coarse to fine."""
    positions, elements = packed_ball(30)
    regions = np.zeros(len(positions), int)
    *pair, inside, _ = simulate_half_maps(positions, elements, regions, [6.0], 2.0, (40, 40, 40))
    write_map(tmp_path / "mask.mrc", pair[0].with_data(inside))
    stats, medians = [], []
    for name in ("whole", "changed"):
        files = [tmp_path / f"{name}{number}.mrc" for number in (1, 2)]
        for number, (file, half) in enumerate(zip(files, pair)):
            changed = half if name == "whole" else without_band(half, *band, number)
            write_map(file, changed)
        mask = ["--mask", tmp_path / "mask.mrc"]
        assert main(["fsc", *files, *mask, "-o", tmp_path / name]) == 0
        stats.append(read(tmp_path / name / "stats.json"))
        told = capsys.readouterr().out
        given = ["--half1", files[0], "--half2", files[1], *mask, "--max-resolution", "36"]
        out = tmp_path / f"{name}_local"
        assert main(["localres", *given, "--method", "localfsc", "-o", out]) == 0
        medians.append(read(out / "stats.json")["median"])
        capsys.readouterr()
    whole, changed = stats
    assert whole["signal_from"] is None and whole["dips"] == []
    assert changed["resolution_0.143"] == pytest.approx(whole["resolution_0.143"], rel=0.03)
    assert medians[1] == pytest.approx(medians[0], rel=0.1)
    if band[0] > 80:
        begins = changed["signal_from"]
        assert 80 / 3 <= begins + 0.001 and begins < 41  # to a shell
        assert f"no common signal coarser than {begins:.1f} Å" in told and "left out" in told
        assert changed["phases_randomised_from"] < 26


def test_directions_are_always_told(inputs, halves, tmp_path, capsys):
    from cryodl.methods.fsc import summary

    assert (
        main([str(word) for word in ["fsc", *halves, "--directional", "-o", tmp_path / "o"]]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    stats = read(tmp_path / "o" / "stats.json")
    found = stats["directional"]
    ends = f"directions: {found['finest']:.2f} to {found['coarsest']:.2f} Å"
    assert f"{ends}, not more than chance" in lines and not found["anisotropic"]
    found["certainty"] = 5.0
    assert f"{ends}, more than chance, but little" in summary(stats)
    found["anisotropic"] = True
    assert f"{ends}, more than chance" in summary(stats)
    found["worst"][0]["resolution"] = None
    assert f"{ends}, and some without signal, more than chance" in summary(stats)
    assert summary(stats)[-1].startswith("resolution ")


def test_a_full_disk_ends_a_run(tmp_path, capsys):
    resource = pytest.importorskip("resource")
    atoms = packed_ball(10)
    regions = np.zeros(len(atoms[0]), int)
    *pair, _, _ = simulate_half_maps(*atoms, regions, [6.0], 2.0, (22,) * 3)
    for number, half in enumerate(pair, 1):
        write_map(tmp_path / f"half{number}.mrc", half)
    files = [str(tmp_path / f"half{number}.mrc") for number in (1, 2)]
    largest, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:  # room for a map, and none for a figure
        resource.setrlimit(resource.RLIMIT_FSIZE, (45 * 1024, hard))
        code = main(["fsc", *files, "-o", str(tmp_path / "out")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    assert code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("cryodl: cannot write")
    assert not (tmp_path / "out").exists()
