"""`cryodl oversharpening`: where the resolutions meet, what is written, and what is refused."""

import csv
import json

import mrcfile
import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import InputError, SettingError
from cryodl.filters.sharpen import apply_bfactor
from cryodl.maps.mrc import read_map, write_map
from cryodl.maps.volume import Volume
from cryodl.methods.oversharpening import run_oversharpening
from cryodl.resolution_maps.local_filter import low_pass
from cryodl.resolution_maps.sharpness import check_bfactors, judge, recommend

SHAPE, VOXEL, ORIGIN = (40, 42, 44), 1.2, (-12.0, 6.0, 3.0)


def scan(*percentiles, step=50):
    return [
        {"bfactor": float(-step * i), "percentile_20": p, "median": p + 1}
        for i, p in enumerate(percentiles)
    ]


def test_the_crossing_is_interpolated():
    assert recommend(scan(6.0, 5.0, 3.0), 4.0) == (-75.0, None)
    assert recommend(scan(6.0, 5.0, 4.0), 5.0) == (-50.0, None)  # met exactly
    assert recommend(scan(4.0, 3.0), 4.0) == (0.0, None)
    assert str(recommend(scan(4.0, 3.0), 4.0)[0]) == "0.0"  # and not -0


def test_the_first_crossing_counts_where_noise_makes_more():
    # beyond -100 the map is noise: it reads worse, and then better again
    best, doubt = recommend(scan(6.0, 5.0, 3.5, 4.5, 3.0), 4.0)
    assert doubt is None and best == pytest.approx(-50 - 50 * 2 / 3, abs=0.05)


@pytest.mark.parametrize(
    "percentiles, best, said",
    [
        ((6.0, 5.5, 5.0), -100.0, "scan further"),
        ((6.0, 5.0, 5.0, 5.0), -45.0, "less than 2% beyond -45"),  # 5.1 Å is met at -45
        ((6.0, 5.0, 7.0), -45.0, "less than 2% beyond -45"),
        ((3.5, 3.0, 2.5), 0.0, "looks sharpened before"),
        ((3.5, 3.0, 4.5), 0.0, "looks sharpened before"),  # the way back up is no crossing
    ],
)
def test_without_a_crossing_the_nearest_is_taken_and_said(percentiles, best, said):
    found, doubt = recommend(scan(*percentiles), 4.0)
    assert found == best
    assert said in doubt and "\n" not in doubt


@pytest.mark.parametrize(
    "percentile, verdict",
    [(3.0, "oversharpened"), (3.85, "well sharpened"), (4.15, "well sharpened"),
     (5.0, "undersharpened")],
)  # fmt: skip
def test_verdict(percentile, verdict):
    found = judge({"percentile_20": percentile, "median": 6.0}, 4.0)
    assert found["verdict"] == verdict and found["tolerance"] == 0.2
    assert found["difference"] == pytest.approx(percentile - 4.0)
    assert f" {verdict}:" in found["text"] and f"{percentile:.2f}" in found["text"]


def test_bfactors_are_checked():
    assert check_bfactors(["0", "-25.5", " -100"]) == [0, -25.5, -100]
    for bad in (["50", "0"], ["0"], ["0", "-50", "-25"], ["0", "0"], ["a", "b"], ["0", "nan"],
                ["0", "-5000"], []):  # fmt: skip
        with pytest.raises(SettingError, match="bfactors"):
            check_bfactors(bad)


class Estimator:
    """Aspect resolution that a B-factor moves by 1 Å in 50 Å², below and above 20 % alike."""

    def __init__(self, at_zero):
        self.at_zero, self.asked = at_zero, []

    def __call__(self, volume, mask, bfactor):
        self.asked.append(bfactor)
        self.last = volume
        values = np.full(mask.sum(), self.at_zero + (bfactor or 0) / 50)
        values[np.arange(len(values)) >= 0.3 * len(values)] += 2  # which no 20 % percentile sees
        return values


@pytest.fixture(scope="module")
def maps():
    """A map of blobs, the same blurred by 80 Å², and a resolution map: 4 Å and, mostly, 7 Å."""
    rng = np.random.default_rng(4)
    grid = np.indices(SHAPE).reshape(3, -1).T
    density = np.zeros(len(grid))
    for centre in np.array(SHAPE) / 2 + rng.normal(0, 4, (60, 3)):
        density += np.exp(-(((grid - centre) * VOXEL) ** 2).sum(1) / (2 * 1.6**2))
    density = density.reshape(SHAPE)
    inside = density > 0.3
    volume = Volume(density + rng.normal(0, 0.01, SHAPE), VOXEL, ORIGIN)
    told = np.where(inside, 7.0, 0.0)
    known = np.flatnonzero(inside)
    told.flat[known[: int(0.3 * len(known))]] = 4.0
    return volume, inside, volume.with_data(told)


def test_scan_with_a_resolution_map(maps, tmp_path):
    volume, inside, told = maps
    out, lines = tmp_path / "out", []
    estimator = Estimator(5.4)  # 4 Å at B = -70
    result = run_oversharpening(
        volume, resolution_map=told, sharpened=apply_bfactor(volume, -10), estimate=estimator,
        output=out, notify=lines.append,
    )  # fmt: skip
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats == result.stats
    assert stats["best_bfactor"] == pytest.approx(-70, abs=0.1) and stats["crossing"]
    assert stats["percentile"] == 20 and stats["snr_percentile_20"] == 4.0
    assert stats["snr_method"] == "given map" and stats["mask"] == "automatic"
    # the default scan, once more where they meet, and the given map with no B-factor
    assert estimator.asked == [*range(0, -201, -25), -70, None]
    # low-passed as those of the scan: noise beyond would make it look sharper than they
    judged = low_pass(apply_bfactor(volume, -10), 4.0)
    np.testing.assert_allclose(estimator.last.data, judged.data, atol=1e-4)
    assert [entry["bfactor"] for entry in stats["scan"]][2:6] == [-50, -70, -75, -100]
    assert stats["scan"][0] == {"bfactor": 0, "percentile_20": 5.4, "median": 7.4}
    assert stats["verdict"]["verdict"] == "undersharpened"
    assert stats["verdict"]["difference"] == pytest.approx(1.4)
    assert sum(line.startswith("B = ") for line in lines) == 10
    with open(out / "scan.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["percentile_20"]) for row in rows] == [
        entry["percentile_20"] for entry in stats["scan"]
    ]
    written = read_map(out / "sharpened.mrc")
    assert stats["low_pass"] == 4.0
    expected = apply_bfactor(low_pass(volume, 4.0), stats["best_bfactor"])
    np.testing.assert_allclose(written.data, expected.data, atol=1e-4)
    assert written.origin == ORIGIN and written.voxel_size == pytest.approx(VOXEL)
    with mrcfile.open(out / "mask.mrc") as file:
        np.testing.assert_array_equal(file.data != 0, inside)
    assert {path.name for path in out.iterdir()} == {
        "sharpened.mrc", "mask.mrc", "stats.json", "scan.csv", "oversharpening.png",
        "oversharpening.svg",
    }  # fmt: skip
    picture = (out / "oversharpening.svg").read_text(encoding="utf-8")
    assert "recommended: −70 Å²" in picture and "signal to noise, 20 %: 4.00 Å" in picture


def test_no_crossing_is_a_warning_and_not_looked_at_again(maps):
    volume, _, told = maps
    estimator = Estimator(12.0)
    lines = []
    stats = run_oversharpening(
        volume, resolution_map=told, estimate=estimator, notify=lines.append
    ).stats
    assert stats["best_bfactor"] == -200 and not stats["crossing"]
    assert len(estimator.asked) == 9 and stats["verdict"] is None
    assert any("scan further" in line for line in stats["warnings"])
    assert any(line.startswith("warning: ") and "scan further" in line for line in lines)


def test_half_maps_are_compared_inside_the_mask(maps):
    volume, inside, _ = maps
    halves = noisy_halves(volume)
    estimator = Estimator(30.0)
    result = run_oversharpening(
        half1=halves[0], half2=halves[1], mask=inside, bfactors=[0, -1400], estimate=estimator,
        criterion="crossing",
    )  # fmt: skip
    mean = (halves[0].data + halves[1].data) / 2
    np.testing.assert_allclose(result.density.data, mean, atol=1e-6)
    stats = result.stats
    assert stats["snr_method"] == "localfsc" and stats["mask"] == "given"
    assert stats["voxels"] == inside.sum() and stats["crossing"]
    expected = 50 * (stats["snr_percentile_20"] - 30.0)
    assert stats["best_bfactor"] == pytest.approx(expected, abs=0.1)
    assert stats["crossing_bfactor"] == stats["best_bfactor"] and stats["criterion"] == "crossing"
    assert 2 * VOXEL <= stats["snr_percentile_20"] < 8
    assert stats["low_pass"] == stats["fsc_resolution"] < 8
    assert estimator.asked == [0, -1400]  # as asked, and no more


def test_half_maps_recommend_what_is_most_like_the_atoms(maps):
    volume, inside, _ = maps
    halves = noisy_halves(volume)
    estimator = Estimator(5.4)
    result = run_oversharpening(half1=halves[0], half2=halves[1], mask=inside, estimate=estimator)
    stats = result.stats
    assert stats["criterion"] == "correlation"
    assert stats["best_bfactor"] == stats["correlation_bfactor"] < 0
    expected = 50 * (stats["snr_percentile_20"] - 5.4)  # as above, still told
    assert stats["crossing_bfactor"] == pytest.approx(expected, abs=0.1)
    assert estimator.asked == [*range(0, -201, -25), stats["best_bfactor"]]
    filtered = low_pass(result.density, stats["low_pass"])
    np.testing.assert_allclose(
        result.volumes["sharpened"].data, apply_bfactor(filtered, stats["best_bfactor"]).data,
        atol=1e-4,
    )  # fmt: skip


def noisy_halves(volume):
    rng = np.random.default_rng(5)
    return [volume.with_data(volume.data + rng.normal(0, 0.1, SHAPE)) for _ in range(2)]


def test_the_recommended_is_in_the_picture_beyond_the_scan(maps, tmp_path):
    volume, inside, _ = maps
    blurred = [apply_bfactor(half, 150) for half in noisy_halves(volume)]
    stats = run_oversharpening(
        half1=blurred[0], half2=blurred[1], mask=inside, bfactors=[0, -20],
        estimate=Estimator(5.4), output=tmp_path / "out",
    ).stats  # fmt: skip
    best = stats["best_bfactor"]
    assert best < -100 and stats["scan"][-1]["bfactor"] == best and not stats["crossing"]
    picture = (tmp_path / "out" / "oversharpening.svg").read_text(encoding="utf-8")
    assert f"recommended: −{-best:.0f} Å²" in picture


def test_a_map_sharpened_before_is_doubted(maps):
    volume, inside, _ = maps
    first, second = noisy_halves(volume)
    stats = run_oversharpening(
        half1=first, half2=second, mask=inside, estimate=Estimator(1.0)
    ).stats
    assert stats["criterion"] == "correlation"
    assert any("looks sharpened before" in line for line in stats["warnings"])


def test_identical_half_maps_recommend_nothing_by_correlation(maps):
    volume, inside, told = maps
    stats = run_oversharpening(
        volume, half1=volume, half2=volume, resolution_map=told, mask=inside,
        estimate=Estimator(5.4),
    ).stats  # fmt: skip
    assert stats["correlation_bfactor"] is None and stats["criterion"] == "crossing"
    assert any("identical" in line for line in stats["warnings"])


def test_half_maps_must_lie_on_the_maps_grid(maps):
    volume, _, told = maps
    small = Volume(volume.data[:30, :30, :30], VOXEL)
    halves = [small, small.with_data(small.data + 1e-2 * np.arange(30))]
    with pytest.raises(InputError, match="half maps have 30 x 30 x 30"):
        run_oversharpening(
            volume, half1=halves[0], half2=halves[1], resolution_map=told, estimate=Estimator(5)
        )


@pytest.fixture(scope="module")
def files(maps, tmp_path_factory):
    volume, _, told = maps
    folder = tmp_path_factory.mktemp("files")
    write_map(folder / "map.mrc", volume)
    write_map(folder / "res.mrc", told)
    write_map(folder / "small.mrc", Volume(told.data[:30, :30, :30], VOXEL))
    write_map(folder / "part.mrc", Volume(volume.data[:30, :30, :30], VOXEL))
    write_map(folder / "coarse.mrc", Volume(volume.data, 2 * VOXEL))
    return folder


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "give --half1 and --half2"),
        (["map.mrc"], "give --half1 and --half2"),
        (["map.mrc", "--half1", "map.mrc"], "one half map"),
        (["--resolution-map", "res.mrc"], "no map is given"),
        (["map.mrc", "--resolution-map", "res.mrc", "--bfactors", "0,50"], "only negative"),
        (["map.mrc", "--resolution-map", "res.mrc", "--bfactors=-50,0"], "from 0 downwards"),
        (["map.mrc", "--resolution-map", "res.mrc", "--bfactors", "sharp"], "two or more numbers"),
        (["map.mrc", "--resolution-map", "small.mrc"], "boxes differ"),
        (["map.mrc", "--resolution-map", "absent.mrc"], "no such file"),
        (["map.mrc", "--resolution-map", "res.mrc", "--sharpened", "part.mrc"], "one grid"),
        (["map.mrc", "--resolution-map", "res.mrc", "--sharpened", "coarse.mrc"], "one grid"),
        (["map.mrc", "--resolution-map", "res.mrc", "--bundle", "none"], "unknown bundle"),
        (["map.mrc", "--resolution-map", "res.mrc", "--criterion", "correlation"], "half maps"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(files, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(files)
    assert main(["oversharpening", *arguments, "-o", tmp_path / "out"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("cryodl: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_network_tells_aspect_resolution_at_every_bfactor(tmp_path, capsys):
    """With the shipped network: half maps' mean reads finer when it is sharpened, as it should."""
    pytest.importorskip("keras")
    from cryodl.tests.half_maps.simulated_half_maps import packed_ball, simulate_half_maps

    positions, elements = packed_ball(13)
    regions = np.zeros(len(elements), int)
    *halves, inside, _ = simulate_half_maps(positions, elements, regions, [4.0], 1.2, (40,) * 3)
    out, paths = tmp_path / "out", [tmp_path / f"{name}.mrc" for name in ("half1", "half2", "mask")]
    for path, volume in zip(paths, (*halves, halves[0].with_data(inside))):
        write_map(path, volume)
    given = [f"--{path.stem}={path}" for path in paths]
    assert main(["oversharpening", *given, "--bfactors=0,-120", "--device=cpu", "-o", out]) == 0
    said = capsys.readouterr().out
    assert "B = 0 Å²" in said and "B = -120 Å²" in said and "recommended B-factor" in said
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    read = {entry["bfactor"]: entry["percentile_20"] for entry in stats["scan"]}
    assert read.keys() == {0, -120, stats["best_bfactor"]}
    assert read[-120] < read[0] - 0.3
    assert stats["snr_percentile_20"] == pytest.approx(4.0, abs=0.5)
    assert stats["bundle"] == "deepres-low" and stats["snr_method"] == "localfsc"
