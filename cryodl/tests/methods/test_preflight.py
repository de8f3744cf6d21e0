"""Twenty submissions, ten sound and ten with one fault each: every verdict right, and why."""

import json
import warnings
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.ndimage import gaussian_filter, map_coordinates

from cryodl import CryodlError, read_map, run_preflight, write_map
from cryodl.cli.main import main
from cryodl.files.atomic_models import write_atoms
from cryodl.filters.shells import transform
from cryodl.half_maps.pair import half_sum
from cryodl.maps.mask import automatic_mask
from cryodl.methods.preflight.run import _mask, _model
from cryodl.methods.quality.model import read_atoms
from cryodl.report.chimerax import contour_level
from cryodl.tests.methods.submissions import (
    FAULTY,
    NAMES,
    PARTS,
    PROTEIN,
    SOUND,
    VOXEL,
    changed,
    filtered,
    low_pass,
    noise,
    prepare,
    sharpen,
    simulated,
    submission,
)


@pytest.fixture
def base():
    return submission(0)


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
    if kind == "filtered half":  # the other one is not
        assert "otherwise" in faults.pop("half maps of one kind")["evidence"]
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
    names = ["unsharpened half maps", "half maps of one kind"]
    assert [one["name"] for one in faults] == names


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
    assert "mean of the mask, raised until" in checks["contour level"]["evidence"]
    assert shown[1] <= 0.5 * shown[0] and shown[0] >= 0.01 * inside.sum()
    assert checks["resolution"]["remedy"] == "state that"
    printed = capsys.readouterr().out
    assert all(f"warning: {line}" in printed for line in stats["warnings"])

    for share in (1.2, 1.5):  # too little is left of the molecule, and nothing
        _, _, shown, checks = judged(share)
        assert checks["contour level"]["verdict"] == "warning"
        assert f"{shown[1]} voxels outside" in checks["contour level"]["evidence"]
        assert "filtered" in checks["contour level"]["remedy"]
    assert "raised" not in checks["contour level"]["evidence"]

    stats, level, shown, checks = judged(0.7, "--level", "0")
    assert level == 0 and "(given)" in checks["contour level"]["evidence"]
    assert checks["contour level"]["verdict"] == "warning" and shown[1] > shown[0]
    assert f"{shown[1]} voxels outside the mask and {shown[0]} inside" in str(stats["warnings"])


@pytest.mark.parametrize(("kind", "verdict"),
    [("whole", "ok"), ("a part", "ok"), ("beside", "fault")])  # fmt: skip
def test_a_mask_of_a_part_is_one_and_a_mask_beside_is_none(base, kind, verdict):
    primary, *_, mask = base
    molecule, part = automatic_mask(primary), np.zeros_like(mask)
    part[:, :, : mask.shape[2] // 2 - 2] = 1
    weights = {"whole": mask, "a part": mask * part, "beside": 1.0 - (mask > 0)}[kind]
    found = _mask(primary.with_data(weights.astype(np.float32)), molecule)
    assert found.verdict == verdict, found


@pytest.mark.parametrize(("number", "share"), [(0, 0.9), (1, 0.85)])
def test_the_contour_level_encloses_the_molecule(number, share):
    """Its atoms, in a volume as their mass has it (1.21 Å3/Da, 14 Da an atom with its hydrogen)."""
    primary, path = submission(number)[0], PARTS[number][0]
    places = read_atoms(path).positions[slice(*PARTS[number][1:])]
    places = (places - places.mean(axis=0)) / VOXEL + np.array(primary.shape[::-1]) // 2
    for scale, offset in ((1.0, 0.0), (1e-4, 3.0)):
        data = primary.data.astype(float) * scale + offset
        level, _ = contour_level(data, automatic_mask(primary))
        assert (map_coordinates(data, places[:, ::-1].T, order=1) >= level).mean() > share
        assert 0.65 < (data >= level).sum() * VOXEL**3 / (len(places) * 14 * 1.21) < 1.3


@pytest.mark.parametrize(("claimed", "verdict"),
    [(2.0, "fault"), (4.2, "ok"), (5.0, "ok"), (7.0, "warning"), (35.0, "fault")])  # fmt: skip
def test_a_claim_that_is_too_fine_or_too_coarse_is_told(base, claimed, verdict, tmp_path):
    paths, _ = prepare(base, SOUND["as refinement writes them"], tmp_path)
    stats = run_preflight(*paths, claimed=claimed).stats
    (found,) = [one for one in stats["checks"] if one["name"] == "resolution"]
    assert found["verdict"] == verdict, found
    assert verdict == "ok" or f"{claimed:g} Å is claimed" in found["evidence"]


def test_a_level_above_the_map_has_no_picture(base, tmp_path):
    paths, _ = prepare(base, SOUND["as refinement writes them"], tmp_path)
    out = tmp_path / "out"
    stats = run_preflight(*paths, level=1e9, output=out).stats
    (said,) = [line for line in stats["warnings"] if "image.png" in line]
    assert "level" in said and "1e+09" in said and "Error" not in said
    assert not (out / "image.png").exists() and (out / "fsc.png").exists()


def test_voxels_of_no_map_and_a_half_that_is_none_are_faults(base, tmp_path):
    paths, _ = prepare(base, lambda maps, mask: changed(maps, (), low_pass), tmp_path)
    stats = run_preflight(*paths, voxel_size=12.2).stats
    (one,) = [one for one in stats["checks"] if one["name"] == "plausible voxel size"]
    assert one["verdict"] == "fault" and "12.2 Å is implausible" in one["evidence"]
    second, smooth = read_map(paths[2]), tmp_path / "smooth.mrc"
    write_map(smooth, second.with_data(gaussian_filter(second.data, 1)))
    stats = run_preflight(paths[0], paths[1], smooth).stats
    (one,) = [one for one in stats["checks"] if one["name"] == "half maps of one kind"]
    assert one["verdict"] == "fault" and stats["resolution_0.143"] is None
