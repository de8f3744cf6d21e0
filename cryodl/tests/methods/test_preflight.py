"""Twenty submissions, ten sound and ten with one fault each: every verdict right, and why."""

import importlib.util
import json
import warnings
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from cryodl import CryodlError, Volume, read_map, run_preflight, write_map
from cryodl.cli.main import main
from cryodl.files.atomic_models import write_atoms
from cryodl.filters.shells import inverse, scale_shells, shell_frequencies, transform
from cryodl.half_maps.fsc import soft_mask
from cryodl.half_maps.pair import half_sum
from cryodl.methods.preflight.run import _model
from cryodl.methods.quality.model import read_atoms

TESTS = Path(__file__).resolve().parents[1]
PROTEIN = TESTS / "data" / "1c75.pdb"
LARGE = TESTS.parents[1] / "examples" / "7cec_chain_A.cif.gz"
PARTS = (PROTEIN, 0, None), (LARGE, 0, 900), (LARGE, 2600, 3500)  # atoms from, to
VOXEL, ROOM = 1.5, 9.0
NAMES = "primary.mrc", "half1.mrc", "half2.mrc"


def simulated(path, first, last):
    source = TESTS / "half_maps" / "simulated_half_maps.py"
    spec = importlib.util.spec_from_file_location("simulated_half_maps", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    atoms = read_atoms(path)
    positions = atoms.positions[first:last]
    positions = positions - positions.mean(axis=0)
    shape = tuple(2 * int((np.abs(positions[:, i]).max() + ROOM) / VOXEL) + i for i in (2, 1, 0))
    return module.simulate_half_maps(
        positions, atoms.elements[first:last], np.zeros(len(positions), int), [3.5], VOXEL, shape
    )[:3]


def filtered(volume, gain):
    """A map whose shells are multiplied by a function of their frequency (1/Å)."""
    spectrum = transform(volume.data)
    frequencies = shell_frequencies(volume.shape, volume.voxel_size)
    scale_shells(spectrum, volume.shape, np.maximum(gain(frequencies), 1e-9))
    return volume.with_data(inverse(spectrum, volume.shape))


def low_pass(at):
    return lambda s: 1 / (1 + np.exp((s - 1 / at) / 0.005))


def sharpen(bfactor):
    return lambda s: np.exp(-bfactor * s**2 / 4)


@lru_cache
def submission(number):
    """Primary map, half maps and mask of one of three molecules."""
    half1, half2, inside = simulated(*PARTS[number])
    mean = half1.with_data((half1.data + half2.data) / 2)
    primary = filtered(filtered(mean, sharpen(-60)), low_pass(4.0))
    return primary, half1, half2, soft_mask(inside, VOXEL)


@pytest.fixture
def base():
    return submission(0)


def changed(maps, which, change):
    return [change(one) if i in which else one for i, one in enumerate(maps)]


def placed(volume):
    return replace(volume, origin=(30.0, -12.0, 7.5))


def ball(volume):
    z, y, x = np.ogrid[tuple(slice(0, n) for n in volume.shape)]
    squares = sum((a - (n - 1) / 2) ** 2 for a, n in zip((z, y, x), volume.shape))
    return volume.with_data(volume.data * (squares < (min(volume.shape) / 2) ** 2))


def mirrored(volume):
    return volume.with_data(volume.data[:, :, ::-1])


def masked(weights):
    return lambda volume: volume.with_data(volume.data * weights)


def noise(volume):
    data = np.random.default_rng(5).standard_normal(volume.shape)
    return filtered(volume.with_data(data), low_pass(5.0))


def padded(volume):
    return Volume(np.pad(volume.data, 2), volume.voxel_size)


def overflown(volume):
    return volume.with_data(volume.data * (2e5 / volume.data.max()))  # stored as float16


SOUND = {
    "as refinement writes them": lambda maps, mask: maps,
    "away from the origin": lambda maps, mask: changed(maps, (0, 1, 2), placed),
    "packed": lambda maps, mask: maps,
    "float16": lambda maps, mask: maps,
    "halves on two scales": lambda maps, mask: changed(
        maps, (2,), lambda v: v.with_data(300 * v.data)),
    "with a mask": lambda maps, mask: maps,
    "primary map masked": lambda maps, mask: changed(maps, (0,), masked(mask)),
    "primary map unsharpened": lambda maps, mask: changed(maps, (0,), lambda v: v.with_data(
        (maps[1].data + maps[2].data) / 2)),
    "halves within a ball, as RELION has them": lambda maps, mask: changed(maps, (1, 2), ball),
    "primary map sharpened too far": lambda maps, mask: changed(
        maps, (0,), lambda v: filtered(v, sharpen(-150))),
}  # fmt: skip

FAULTY = {  # with the check that must fail, and what its evidence says
    "masked half": (lambda maps, mask: changed(maps, (1,), masked(mask > 0.5)),
        "unmasked half map 1", "hold one and the same value"),
    "filtered half": (lambda maps, mask: changed(
        maps, (2,), lambda v: filtered(v, low_pass(5.0))),
        "unfiltered half map 2", "its spectrum ends at 4."),
    "shifted origin": (lambda maps, mask: changed(maps, (0,), placed),
        "one origin", "(30, -12, 7.5)"),
    "other hand": (lambda maps, mask: changed(maps, (1, 2), mirrored),
        "primary map made of the half maps", "it has the other hand"),
    "wrong voxel": (lambda maps, mask: changed(maps, (0,), lambda v: replace(v, voxel_size=1.0)),
        "one voxel size", "half map 1: 1.5 Å"),
    "identical halves": (lambda maps, mask: changed(maps, (2,), lambda v: maps[1]),
        "independent half maps", "nothing but a scale"),
    "other box": (lambda maps, mask: changed(maps, (0,), padded),
        "one box", "primary map: "),
    "thresholded": (lambda maps, mask: changed(
        maps, (0,), lambda v: v.with_data(v.data.clip(v.data.std()))),
        "values of the primary map", "none holds less: the map was thresholded"),
    "float16 overflow": (lambda maps, mask: changed(maps, (0,), overflown),
        "values of the primary map", "65,504"),
    "primary map unrelated": (lambda maps, mask: changed(maps, (0,), noise),
        "primary map made of the half maps", "it is not made of them"),
    # beside the twenty
    "one half mirrored": (lambda maps, mask: changed(maps, (2,), mirrored),
        "hand of the half maps", "when one is mirrored"),
    "one half mirrored along z": (lambda maps, mask: changed(
        maps, (2,), lambda v: v.with_data(np.roll(v.data[::-1], 1, 0))),
        "hand of the half maps", "when one is mirrored"),
    "one half inverted": (lambda maps, mask: changed(
        maps, (2,), lambda v: v.with_data(-v.data)),
        "hand of the half maps", "the contrast of half map 2 is inverted"),
    "primary inverted": (lambda maps, mask: changed(
        maps, (0,), lambda v: v.with_data(-v.data)),
        "primary map made of the half maps", "contrast of the one or the other is inverted"),
    "identical halves, of another map": (lambda maps, mask: changed(
        changed(maps, (0,), noise), (2,), lambda v: maps[1]),
        "independent half maps", "nothing but a scale"),
    "one half shifted": (lambda maps, mask: changed(
        maps, (2,), lambda v: v.with_data(np.roll(v.data, 1, 2))),
        "hand of the half maps", "when half map 2 is shifted by (-1, 0, 0) voxels"),
    "half map 1 for the primary": (lambda maps, mask: changed(maps, (0,), lambda v: maps[1]),
        "primary map made of the half maps", "it is half map 1"),
    "primary mirrored along z": (lambda maps, mask: changed(
        maps, (0,), lambda v: v.with_data(v.data[::-1])),
        "primary map made of the half maps", "it has the other hand"),
    "sharpened halves": (lambda maps, mask: changed(
        maps, (1, 2), lambda v: filtered(v, sharpen(-120))),
        "unsharpened half maps", "B = -"),
    "beside the half maps": (lambda maps, mask: changed(
        maps, (0,), lambda v: v.with_data(np.roll(v.data, (3, -4), (0, 2)))),
        "primary map made of the half maps", "shifted by (-4, 0, 3) voxels"),
}  # fmt: skip


def prepare(base, change, folder, kind=""):
    *maps, mask = base
    ending = ".gz" if kind == "packed" else ""
    paths = [folder / f"{name}{ending}" for name in NAMES]
    with np.errstate(over="ignore"):
        for path, volume in zip(paths, change(maps, mask)):
            write_map(path, volume, kind="float16" if kind.startswith("float16") else "float32")
    more = {}
    if kind == "with a mask":
        more["mask"] = folder / "mask.mrc"
        write_map(more["mask"], maps[0].with_data(mask))
    return paths, more


@pytest.mark.parametrize(("number", "kind"), enumerate(SOUND))
def test_a_sound_submission_is_ready(number, kind, tmp_path):
    paths, more = prepare(submission(number % 3), SOUND[kind], tmp_path, kind)
    stats = run_preflight(*paths, **more).stats
    assert stats["verdict"] == "ready" and stats["exit_status"] == 0, [
        one for one in stats["checks"] if one["verdict"] == "fault"]  # fmt: skip
    assert 3.1 < stats["resolution_0.143"] < 4.8


@pytest.mark.parametrize(("number", "kind"), enumerate(FAULTY))
def test_a_fault_is_found_and_shown(number, kind, tmp_path):
    change, name, evidence = FAULTY[kind]
    paths, more = prepare(submission(number % 3), change, tmp_path, kind)
    stats = run_preflight(*paths, **more).stats
    assert stats["exit_status"] == 1
    faults = {one["name"]: one for one in stats["checks"] if one["verdict"] == "fault"}
    assert list(faults) == [name]  # that one and no other
    assert evidence in faults[name]["evidence"] and faults[name]["remedy"]


def copies(paths, folder, *which, **changes):
    """Paths of a submission, those of `which` maps written again with changes of the header."""
    import mrcfile

    found = list(paths)
    for i in which:
        found[i] = folder / f"changed_{paths[i].name}"
        found[i].write_bytes(paths[i].read_bytes())
        with mrcfile.open(found[i], "r+", permissive=True) as file:
            for field, value in changes.items():
                file.header[field] = value
    return found


def blown(volume):
    data = volume.data.copy()
    data[5:8, 5:8, 5:8] = 1e30
    return volume.with_data(data)


ODD = {  # what no map holds: the change, of which maps, and the check that says so
    "empty half": (lambda v: v.with_data(0 * v.data + 2.5), (1,), "values of the half map 1"),
    "empty maps": (lambda v: v.with_data(0 * v.data), (0, 1, 2), "values of the primary map"),
    "voxels of 1e30": (blown, (0,), "values of the primary map"),
    "half map in units of 1e30": (lambda v: v.with_data(1e30 * v.data), (2,), None),
}


@pytest.mark.parametrize("kind", ODD)
def test_values_that_are_no_densities(base, kind, tmp_path):
    change, which, name = ODD[kind]
    paths, _ = prepare(base, lambda maps, mask: changed(maps, which, change), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stats = run_preflight(*paths, fix=True, output=tmp_path / "out").stats
    faults = [one["name"] for one in stats["checks"] if one["verdict"] == "fault"]
    assert name in faults if name else not faults


@pytest.mark.parametrize("place", [1e30, float("nan")])
def test_an_impossible_origin_is_a_fault_and_not_copied(base, place, tmp_path):
    paths, _ = prepare(base, SOUND["away from the origin"], tmp_path)
    paths = copies(paths, tmp_path, 0, origin=(place, 0, 0))
    stats = run_preflight(*paths, fix=True, output=tmp_path / "out").stats
    faults = {one["name"] for one in stats["checks"] if one["verdict"] == "fault"}
    assert {"plausible origin", "one origin"} <= faults
    origins = {read_map(tmp_path / "out" / name).origin for name in stats["fixed"]}
    assert origins == {(30.0, -12.0, 7.5)} and len(stats["fixed"]) == 3


def test_a_header_without_a_voxel_size_and_one_that_is_given(base, tmp_path, capsys):
    paths, _ = prepare(base, SOUND["as refinement writes them"], tmp_path)
    paths = copies(paths, tmp_path, 0, 1, 2, cella=(0, 0, 0))
    command = ["preflight", str(paths[0]), "--half1", str(paths[1]), "--half2", str(paths[2]),
               "-o", str(tmp_path / "out"), "--fix"]  # fmt: skip
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "--voxel-size" in said and "voxel_size" not in said
    assert main([*command, "--voxel-size", "1.5"]) == 1
    fixed = [tmp_path / "out" / "fixed" / path.name for path in paths]
    assert {read_map(path).voxel_size for path in fixed} == {1.5}
    assert run_preflight(*fixed).stats["exit_status"] == 0


def test_copies_of_files_with_one_name_stay_apart(base, tmp_path):
    paths, _ = prepare(base, FAULTY["shifted origin"][0], tmp_path)
    for i in (1, 2):
        (tmp_path / str(i)).mkdir()
        paths[i] = paths[i].rename(tmp_path / str(i) / "half.mrc")
    stats = run_preflight(*paths, fix=True, output=tmp_path / "out").stats
    assert stats["fixed"] == ["fixed/half_map_1_half.mrc", "fixed/half_map_2_half.mrc",
                              "fixed/primary.mrc"]  # fmt: skip
    for i, name in enumerate(stats["fixed"][:2], 1):
        assert np.array_equal(read_map(tmp_path / "out" / name).data, read_map(paths[i]).data)


def test_a_scale_does_not_hide_that_one_half_was_sharpened(base, tmp_path):
    def change(maps, mask):
        half = filtered(maps[1], sharpen(-120))
        return [maps[0], half.with_data(half.data * 1e-3), maps[2]]

    paths, _ = prepare(base, change, tmp_path)
    faults = [o for o in run_preflight(*paths).stats["checks"] if o["verdict"] == "fault"]
    assert [one["name"] for one in faults] == ["unsharpened half maps"]


def test_each_map_is_transformed_once(base, tmp_path, monkeypatch):
    from cryodl.methods.preflight import checks

    calls = []
    monkeypatch.setattr(checks, "transform", lambda data: calls.append(1) or transform(data))
    paths, _ = prepare(base, SOUND["as refinement writes them"], tmp_path)
    run_preflight(*paths)
    assert len(calls) == 3


def test_what_is_written_and_the_exit_status(base, tmp_path, capsys):
    paths, _ = prepare(base, SOUND["as refinement writes them"], tmp_path)
    out = tmp_path / "out"
    command = ["preflight", str(paths[0]), "--half1", str(paths[1]), "--half2", str(paths[2])]
    assert main([*command, "-o", str(out)]) == 0
    assert "ready to be deposited" in capsys.readouterr().out
    assert imread(out / "image.png").shape[:2] == (500, 500)
    tree = ElementTree.parse(out / "fsc.xml").getroot()
    points = [(float(c.find("x").text), float(c.find("y").text)) for c in tree]
    assert tree.tag == "fsc" and points[0] == (0, 1) and points[-1][0] == pytest.approx(1 / 3)
    stats = json.loads((out / "stats.json").read_text())
    form = (out / "form.txt").read_text()
    assert f"contour level {stats['levels']['primary map']:.4g}" in form
    assert f"{stats['resolution_0.143']:.2f} Å" in form and "1.5, 1.5, 1.5 Å" in form
    paths[2].write_bytes(b"no map")
    assert main([*command, "-o", str(out), "--overwrite"]) == 2
    assert "half2.mrc" in capsys.readouterr().err


def test_fix_mends_origin_and_voxel_size_in_copies(base, tmp_path):
    paths, _ = prepare(base, FAULTY["shifted origin"][0], tmp_path)
    write_map(paths[0], replace(read_map(paths[0]), voxel_size=1.0), overwrite=True)
    before = [path.read_bytes() for path in paths]
    out = tmp_path / "out"
    command = ["preflight", str(paths[0]), "--half1", str(paths[1]), "--half2", str(paths[2]),
               "--fix", "-o", str(out)]  # fmt: skip
    assert main(command) == 1
    assert [path.read_bytes() for path in paths] == before
    fixed = [out / "fixed" / name for name in NAMES]
    assert {read_map(path).origin for path in fixed} == {read_map(paths[0]).origin}
    assert {read_map(path).voxel_size for path in fixed} == {1.5}
    assert run_preflight(*fixed).stats["exit_status"] == 0


def test_a_model_beside_the_map_and_an_impossible_level_are_faults(base, tmp_path):
    paths, _ = prepare(base, SOUND["as refinement writes them"], tmp_path)
    names = ["model in the map", "contour level"]
    stats = run_preflight(*paths, model=PROTEIN, level=1e9).stats
    assert sorted(o["name"] for o in stats["checks"] if o["verdict"] == "fault") == sorted(names)
    with pytest.raises(CryodlError, match=r"none\.mrc"):
        run_preflight(paths[0], tmp_path / "none.mrc", paths[2])


@pytest.mark.parametrize(("moved", "verdict"), [(0.0, "ok"), (8.0, "fault")])
def test_a_model_in_its_place_is_none_however_little_of_it_a_level_shows(moved, verdict, tmp_path):
    atoms = read_atoms(PROTEIN)
    positions = atoms.positions - atoms.positions.mean(axis=0)
    half1, half2, *_ = simulated(PROTEIN, 0, None)
    primary = filtered(half_sum(half1, half2), low_pass(8.0))
    positions = positions + VOXEL * (np.array(primary.shape[::-1]) // 2) + primary.origin
    write_atoms(tmp_path / "model.cif", positions + [moved, 0, 0], atoms.elements)
    level = float(np.quantile(primary.data, 0.999))
    found = _model(tmp_path / "model.cif", primary, level)
    assert found.verdict == verdict, found.evidence


def test_the_contour_level_parts_the_molecule_from_noise(base, tmp_path, capsys):
    primary, half1, half2, mask = submission(2)
    inside, hiss = mask > 0.5, noise(primary).data
    hiss *= primary.data[inside].std() / hiss.std()
    paths = [tmp_path / name for name in NAMES]
    for path, volume in zip(paths[1:], (half1, half2)):
        write_map(path, volume)
    write_map(tmp_path / "mask.mrc", primary.with_data(mask))
    out = tmp_path / "out"
    command = ["preflight", str(paths[0]), "--half1", str(paths[1]), "--half2", str(paths[2]),
               "--mask", str(tmp_path / "mask.mrc"), "--claimed", "3"]  # fmt: skip

    def judged(share, *more):
        loud = primary.with_data(np.where(inside, primary.data, 0) + share * hiss)
        write_map(paths[0], loud, overwrite=True)
        main([*command, *more, "-o", str(out), "--overwrite"])
        stats = json.loads((out / "stats.json").read_text())
        level = stats["levels"]["primary map"]
        shown = [int((loud.data[part] >= level).sum()) for part in (inside, ~inside)]
        checks = {one["name"]: one for one in stats["checks"]}
        return stats, level, shown, checks

    stats, _, shown, checks = judged(0.7)
    assert checks["contour level"]["verdict"] == "ok"
    assert "threshold within the mask, raised until" in checks["contour level"]["evidence"]
    assert shown[1] <= 0.25 * shown[0] and shown[0] >= 0.01 * inside.sum()
    assert checks["resolution"]["remedy"] == "state that"
    printed = capsys.readouterr().out
    assert all(f"warning: {line}" in printed for line in stats["warnings"])

    for share in (1.0, 1.5):  # too little is left of the molecule, and nothing
        _, _, shown, checks = judged(share)
        assert checks["contour level"]["verdict"] == "warning"
        assert f"{shown[1]} voxels outside" in checks["contour level"]["evidence"]
        assert "filtered" in checks["contour level"]["remedy"]
    assert "raised" not in checks["contour level"]["evidence"]

    stats, level, shown, checks = judged(0.7, "--level", "0")
    assert level == 0 and "(given)" in checks["contour level"]["evidence"]
    assert checks["contour level"]["verdict"] == "warning" and shown[1] > shown[0]
    assert f"{shown[1]} voxels outside the mask and {shown[0]} inside" in str(stats["warnings"])
