"""The network's mask where other commands are asked for it, and where none is given."""

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.maps.inputs import input_mask, mask_source
from cryodl.maps.mask import automatic_mask
from cryodl.maps.mrc import read_map, write_map
from cryodl.methods.cryores.mask import run_mask
from cryodl.methods.registry import mask_or_finder

ZONE = Path(__file__).parents[3] / "examples" / "emd_30342_zone.mrc.gz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A real zone in noise, its mask by the network, and two noisy copies as half maps."""
    place = tmp_path_factory.mktemp("zone")
    volume = read_map(ZONE)
    noise = np.random.default_rng(0).normal(0, 0.1, (3, *volume.shape)) * volume.data.std()
    for name, one in zip(("map", "half1", "half2"), noise):
        write_map(place / f"{name}.mrc", volume.with_data((volume.data + one).astype(np.float32)))
    write_map(place / "mask.mrc", run_mask(place / "map.mrc", device="cpu").volumes["mask"])
    return place


def inside(path):
    return mrcfile.read(path) > 0


@pytest.mark.parametrize(
    "more",
    [
        ["--method", "deepres", "--mask", "network"],
        ["--method", "cryores", "--mask", "network"],
        ["--method", "unet-resmap", "--mask", "network"],
        ["--method", "monogenic"],  # of one map: its noise is measured outside
    ],
)
def test_localres_takes_the_mask_that_the_network_finds(more, folder, tmp_path, capsys):
    command = ["localres", folder / "map.mrc", "-o", tmp_path / "out", *more]
    assert main(command) == 0
    found = inside(tmp_path / "out" / "mask.mrc")
    expected = inside(folder / "mask.mrc")
    if "cryores" in more:  # whose own network finds it
        assert (found & expected).sum() > 0.85 * (found | expected).sum()
    else:
        np.testing.assert_array_equal(found, expected)
    assert (found != automatic_mask(read_map(folder / "map.mrc"))).mean() > 0.01
    stats = json.loads((tmp_path / "out" / "stats.json").read_text(encoding="utf-8"))
    assert stats["mask"] == "network"
    if "cryores" not in more:  # which has it anyway
        share = f"{found.mean():.1%} of the box"
        assert f"mask found by cryores-single: {share}" in capsys.readouterr().out


def test_half_maps_and_other_commands_take_it_too(folder, tmp_path):
    pair = [folder / "half1.mrc", folder / "half2.mrc"]
    assert main(["fsc", *pair, "--mask", "network", "-o", tmp_path / "fsc"]) == 0
    stats = json.loads((tmp_path / "fsc" / "stats.json").read_text(encoding="utf-8"))
    assert stats["mask"] == "network, softened"
    soft = mrcfile.read(tmp_path / "fsc" / "mask.mrc")
    found = inside(folder / "mask.mrc")
    assert (soft[found] > 0.5).mean() > 0.95 and soft[~found].mean() < soft[found].mean() / 2
    halves = ["--half1", pair[0], "--half2", pair[1], "--method", "localfsc"]
    assert main(["localres", *halves, "--mask", "network", "-o", tmp_path / "halves"]) == 0
    stats = json.loads((tmp_path / "halves" / "stats.json").read_text(encoding="utf-8"))
    assert stats["mask"] == "network" and stats["from"] == "half maps"


def test_classify_has_the_mask_of_every_map_found(folder, tmp_path):
    maps = [folder / "map.mrc", folder / "half1.mrc"]
    answers = []
    for mask in ("network", folder / "mask.mrc"):
        file = tmp_path / f"{len(answers)}.json"
        given = maps if mask == "network" else maps[:1]
        assert main(["classify", *given, "--mask", mask, "--json", file]) == 0
        answers.append(json.loads(file.read_text(encoding="utf-8")))
    assert len(answers[0]) == 2
    assert answers[0][0]["probabilities"] == answers[1][0]["probabilities"]


def test_enhance_measures_its_noise_outside_it(folder, tmp_path):
    found = []
    wide = folder / "wide.mrc"  # as of its own mask, 8 Å away
    run_mask(folder / "map.mrc", dilate=8, device="cpu", output=wide)
    for name, mask in (("a", "network"), ("b", wide)):
        out = tmp_path / name
        assert main(["enhance", folder / "map.mrc", "--normalisation", "mask", "--mask", mask,
                     "-o", out]) == 0  # fmt: skip
        stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
        found.append((stats["noise_mean"], stats["noise_std"]))
    assert found[0] == found[1]


def test_a_map_without_a_molecule_draws_one_line(tmp_path, monkeypatch, capsys):
    from cryodl.methods.cryores import run as run

    monkeypatch.setattr(run, "LEAST", 10**9)  # however much it finds, it is too little
    command = ["localres", ZONE, "--mask", "network", "-o", tmp_path / "out"]
    assert main(command) == 2
    assert capsys.readouterr().err.strip() == (
        "cryodl: the network finds no molecule in the map: give a mask"
    )
    assert not (tmp_path / "out").exists()
    assert main(["localres", ZONE, "--method", "cryores", "-o", tmp_path / "own"]) == 0
    stats = json.loads((tmp_path / "own" / "stats.json").read_text(encoding="utf-8"))
    assert stats["mask"] == "automatic"


def test_whose_a_mask_is(folder):
    volume = read_map(folder / "map.mrc")
    path = folder / "mask.mrc"
    assert mask_or_finder(path) is path and mask_source(path) == "given"
    assert mask_or_finder(None) is None and mask_source(None) == "automatic"
    some = np.zeros(volume.shape, bool)
    some[5:9] = True
    assert mask_or_finder(some) is some
    find = mask_or_finder("network", device="cpu")
    assert mask_source(find) == "network"
    np.testing.assert_array_equal(input_mask(find, volume)[0], inside(path))
    np.testing.assert_array_equal(input_mask(lambda _: some, volume)[0], some)
