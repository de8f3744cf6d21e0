"""What users give and get, whatever the task: voxel sizes of Volumes, files of an earlier run."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryodl.errors import InputError, OutputError
from cryodl.files.folder import whole_folder
from cryodl.maps.inputs import input_map, input_mask
from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume
from cryodl.methods.compare import run_compare
from cryodl.methods.enhance.run import run_enhance
from cryodl.methods.filter import run_filter
from cryodl.methods.fsc import run_fsc
from cryodl.methods.half_map_resolution import run_half_map_resolution
from cryodl.methods.import_resolution import run_import_resolution

SHAPE = (28, 30, 32)


@pytest.fixture(scope="module")
def maps():
    """Two half maps, their local resolution and mask, as Volumes of 1 Å that are of 2 Å."""
    z, y, x = (i - n / 2 for i, n in zip(np.indices(SHAPE), SHAPE))
    inside = z**2 + y**2 + x**2 < 8**2
    rng = np.random.default_rng(0)
    from scipy.ndimage import gaussian_filter

    signal = 20 * gaussian_filter(rng.normal(size=SHAPE) * inside, 1.2)
    halves = [Volume(signal + rng.normal(size=SHAPE), 1.0, (1, 2, 3)) for _ in range(2)]
    return halves, Volume(np.where(inside, 6.0, 0.0), 1.0, (1, 2, 3)), inside


def results(maps):
    (half1, half2), resolution, inside = maps
    mask = inside.astype(np.float32)
    given = {"voxel_size": 2.0}
    yield run_fsc(half1, half2, mask=mask, **given)
    yield run_half_map_resolution(half1, half2, mask=mask, volume=half1, **given)
    yield run_filter(half1, resolution, mask=mask, **given)
    yield run_import_resolution(resolution, map=half1, mask=mask, **given)
    yield run_compare([resolution, resolution], names=["a", "b"], map=half1, mask=mask, **given)


def test_a_voxel_size_is_that_of_volumes_too(maps):
    for result in results(maps):
        assert result.density.voxel_size == 2.0
        for volume in result.volumes.values():
            assert volume.voxel_size == 2.0 and volume.origin == (1, 2, 3)


def test_a_volume_with_another_voxel_size_forgets_its_header():
    volume = Volume(np.arange(512.0).reshape(8, 8, 8), 1.0, header_spacing=(1.0, 1.0, 1.004))
    assert input_map(volume, None) is volume
    other = input_map(volume, 1.3)
    assert (other.voxel_size, other.header_spacing) == (1.3, None)


def test_what_an_earlier_run_wrote_does_not_stay(maps, tmp_path):
    (half1, half2), _, inside = maps
    out = tmp_path / "out"
    run_fsc(half1, half2, output=out)
    first = set(json.loads((out / "stats.json").read_text(encoding="utf-8"))["files"])
    assert first == {path.name for path in out.iterdir()} and "fsc.csv" in first
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    path = tmp_path / "resolution.mrc"
    write_map(path, half1.with_data(np.where(inside, 6.0, 0.0)))
    run_import_resolution(path, output=out, overwrite=True)
    second = set(json.loads((out / "stats.json").read_text(encoding="utf-8"))["files"])
    assert "fsc.csv" not in second and "resolution.mrc" in second
    assert {path.name for path in out.iterdir()} == {*second, "notes.txt"}


@pytest.mark.parametrize("name", ["resolution.mrc", "mask.mrc"])
def test_what_would_be_written_over_is_known_before_anything_is_computed(
    maps, tmp_path, monkeypatch, name
):
    from cryodl.methods import half_map_resolution

    def computed(*given, **named):
        raise AssertionError("it was computed")

    monkeypatch.setattr(half_map_resolution, "estimate_half_map_resolution", computed)
    (half1, half2), _, inside = maps
    write_map(tmp_path / name, half1)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(OutputError, match=f"{name} is what is read: give another folder"):
        run_half_map_resolution(tmp_path / name, half2, output=tmp_path, overwrite=True)
    assert (tmp_path / name).read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_what_is_read_and_what_was_changed_stays(maps, tmp_path):
    (half1, half2), _, inside = maps
    out = tmp_path / "out"
    run_half_map_resolution(half1, half2, mask=inside, output=out)
    with pytest.raises(OutputError, match="is what is read"):  # it would be written again, masked
        run_filter(out / "density.mrc", out, output=out, overwrite=True)
    run_fsc(half1, half2, output=out, overwrite=True, mask=half1.with_data(inside * 1.0))
    assert "resolution.mrc" not in {path.name for path in out.iterdir()}

    run_half_map_resolution(half1, half2, mask=inside, output=tmp_path / "other")
    later = time.time() + 60
    os.utime(tmp_path / "other" / "mask.mrc", (later, later))
    run_import_resolution(
        half1.with_data(np.where(inside, 6.0, 0.0)), output=tmp_path / "other", overwrite=True
    )
    left = {path.name for path in (tmp_path / "other").iterdir()}
    assert "mask.mrc" in left and "density.mrc" not in left


@pytest.mark.parametrize("name", ["../precious", "", "..", ".", "folder", 3, None])
def test_a_list_of_files_reaches_nothing_but_files_of_the_folder(maps, tmp_path, name):
    (half1, half2), _, _ = maps
    out = tmp_path / "out"
    (out / "folder").mkdir(parents=True)
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    stats = {"files": [name, "stats.json"]}
    (out / "stats.json").write_text(json.dumps(stats), encoding="utf-8")
    run_fsc(half1, half2, output=out, overwrite=True)
    assert (tmp_path / "precious").exists() and (out / "folder").is_dir()


def test_a_mask_that_lies_elsewhere_by_its_header_is_named(maps, tmp_path):
    (half1, _), _, inside = maps
    mask = half1.with_data(inside.astype(np.float32))
    for change, words in (
        ({"origin": (51.0, 2.0, 3.0)}, "the mask lies 50 Å beside the map"),
        ({"voxel_size": 3.0}, "the mask's header says voxels of 3 Å, and the map's are of 1 Å"),
        ({"origin": (0.0, 0.0, 0.0)}, None),  # as many programs leave it
        ({}, None),
    ):
        path = tmp_path / "mask.mrc"
        write_map(path, replace(mask, **change), overwrite=True)
        found, notes = input_mask(path, half1)
        assert np.array_equal(found, inside)
        assert [words in note for note in notes] == ([True] if words else [])


def test_a_map_beside_its_half_maps_is_shown_where_they_are(maps, tmp_path):
    (half1, half2), _, inside = maps
    path, out = tmp_path / "map.mrc", tmp_path / "out"
    for origin, shown in (((1, 2, 3), "../map.mrc"), ((51, 2, 3), "density.mrc")):
        write_map(path, replace(half1, origin=origin, header_origin=None), overwrite=True)
        result = run_half_map_resolution(
            half1, half2, volume=path, mask=inside, output=out, overwrite=True
        )
        beside = any("beside its half maps" in note for note in result.stats["warnings"])
        assert beside == (shown == "density.mrc")
        assert result.density.origin == (1, 2, 3)
        assert f'open "{shown}"' in (out / "view.cxc").read_text(encoding="utf-8")
        assert (out / "density.mrc").exists() == beside


@pytest.mark.parametrize("method", ["monogenic", "localfsc"])
def test_identical_half_maps_have_no_local_resolution(maps, method):
    (half1, _), _, inside = maps
    scaled = half1.with_data(half1.data * 3 + 1)
    with pytest.raises(InputError, match="half maps are identical"):
        run_half_map_resolution(half1, scaled, method=method, mask=inside)


@pytest.mark.parametrize("model", ["linear", "refined", "tight"])
def test_identical_half_maps_are_not_enhanced(maps, model):
    (half1, _), _, inside = maps
    with pytest.raises(InputError, match="half maps are identical"):
        run_enhance(half1=half1, half2=half1, model=model, mask=inside)


def test_noise_stronger_in_the_molecule_is_no_silent_signal(maps):
    """Of one map; the same noise everywhere is none (test_reference_local)."""
    _, _, inside = maps
    rng = np.random.default_rng(1)
    volume = Volume(rng.normal(size=SHAPE) * np.where(inside, 3, 1), 2.0)
    found = run_half_map_resolution(volume=volume, mask=inside, max_resolution=12)
    (said,) = (n for n in found.stats["warnings"] if "the finest that is looked at" in n)
    assert "half maps would tell" in said and "within 2 % of 4 Å" in said
    coarse = run_half_map_resolution(
        volume=volume, mask=inside, max_resolution=12, min_resolution=6
    )
    assert any("of 6 Å" in note for note in coarse.stats["warnings"])


def test_a_file_is_refused_before_anything_is_computed(maps, tmp_path):
    from cryodl.methods.cryores.mask import run_mask

    path = tmp_path / "map.mrc"
    write_map(path, maps[0][0])
    before = path.read_bytes()
    for output, said in (
        (path, "is what is read"),
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere" / "mask.mrc", "does not exist"),
    ):
        told = []
        with pytest.raises(OutputError, match=said):
            run_mask(path, output=output, overwrite=True, notify=told.append)
        assert not told and path.read_bytes() == before


def test_answers_stay_within_the_range_that_the_network_was_trained_for():
    from cryodl import run_local_resolution

    zone = Path(__file__).parents[3] / "examples" / "emd_30342_zone.mrc.gz"
    stats = run_local_resolution(zone, "deepres-low").stats  # its bins go beyond
    assert stats["min"] >= 2.5 and stats["max"] == 13


@pytest.mark.parametrize("there", [True, False])
def test_what_a_killed_run_left_goes_with_the_next(tmp_path, there):
    """Scipion stops runs in a way that leaves them no time to clean up."""
    out = tmp_path / "out"
    if there:
        out.mkdir()
    code = (
        "import sys, os\nfrom cryodl.files.folder import whole_folder\n"
        "with whole_folder(sys.argv[1], overwrite=True) as work:\n"
        "    (work / 'half').write_text('written'); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(out)], timeout=60)
    place = out if there else tmp_path
    (left,) = place.iterdir()
    assert left.name.endswith(".part")
    own = place / left.name.replace(left.name.split(".")[-2], str(os.getppid()))
    own.mkdir()  # of a process that runs still
    elsewhere = place / ".out.another-machine.1234567.part"
    elsewhere.mkdir()
    with whole_folder(out.with_name("out"), overwrite=True) as work:
        assert not left.exists() and elsewhere.is_dir() and own.is_dir() and work.is_dir()
    assert elsewhere.is_dir()


def test_an_array_without_a_voxel_size_is_refused_and_a_volume_of_it_is_not():
    import cryodl

    data = np.random.default_rng(0).normal(size=(8, 9, 10)).astype(np.float32)
    with pytest.raises(InputError, match=r"shape \(8, 9, 10\) has no voxel size: give cryodl.Vol"):
        input_map(data, None)
    assert input_map(cryodl.Volume(data, 2.0), None).voxel_size == 2.0


def test_what_is_read_is_not_written_over_though_a_run_left_it(maps, tmp_path):
    halves, resolution, inside = maps
    out = tmp_path / "out"
    run_import_resolution(resolution, map=halves[0], output=out)
    before = (out / "resolution.mrc").read_bytes()
    smaller = halves[0].with_data((inside & (np.indices(SHAPE)[0] > 14)).astype(np.float32))
    for given in (out / "resolution.mrc", out):
        with pytest.raises(OutputError, match="is what is read: give another folder"):
            run_import_resolution(given, map=halves[0], mask=smaller, output=out, overwrite=True)
    run_filter(halves[0], resolution, output=tmp_path / "filtered")
    with pytest.raises(OutputError, match="is what is read"):
        run_filter(tmp_path / "filtered" / "filtered.mrc", resolution,
                   output=tmp_path / "filtered", overwrite=True)  # fmt: skip
    assert (out / "resolution.mrc").read_bytes() == before
    assert not list(tmp_path.glob("*.kept"))


def test_a_mask_of_hardly_a_voxel_tells_no_resolution(maps):
    (half1, half2), _, _ = maps
    corner = np.zeros(SHAPE, np.float32)
    corner[:3, :3, :3] = 1
    for run in (run_fsc, run_half_map_resolution):
        with pytest.raises(InputError, match="the mask holds 27 voxels, and 64 are the least"):
            run(half1, half2, mask=half1.with_data(corner))


@pytest.mark.parametrize(
    ("kind", "word"),
    [("resolution", "local resolutions, of 3"), ("steps", "local resolutions, of 3"),
     ("mask", "few different values"), ("soft mask", "few different values"),
     ("classes", "few different values")],
)  # fmt: skip
def test_what_is_evidently_no_density_is_refused(kind, word):
    z, y, x = np.indices((40, 44, 36))
    away = np.sqrt((z - 20) ** 2 + (y - 22) ** 2 + (x - 18) ** 2)
    values = 3 + away / 4 + 0.1 * np.random.default_rng(0).random(away.shape)
    data = {
        "resolution": np.where(away < 12, values, 0),
        "steps": np.where(away < 12, 3.24 + np.round(away) * 0.12, 8.86),  # as ResMap has it
        "mask": away < 12,
        "soft mask": np.clip((15 - away) / 6, 0, 1),
        "classes": np.where(away < 12, np.round(2 + away / 3), 0),
    }[kind]
    with pytest.raises(InputError, match=word):
        input_map(Volume(data.astype(np.float32), 1.2), None)


@pytest.mark.parametrize("kind", ["8 bit", "thresholded", "masked", "post-processed", "noise"])
def test_densities_that_are_never_negative_are_maps(kind, maps):
    density, inside = maps[0][0].data, maps[2]
    whole = np.round(127 + 30 * density / density.std()).clip(0, 255)
    data = {
        "8 bit": whole,
        "thresholded": density * (density > 0.5),
        "masked": np.where(inside, whole, 0),
        "post-processed": density.clip(0) / density.max(),
        "noise": np.random.default_rng(1).random(SHAPE) * 5 + 20,
    }[kind]
    input_map(Volume(data.astype(np.float32), 1.0), None)
