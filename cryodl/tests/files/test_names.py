"""Names of files that no picture, script or text can hold: results are complete all the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume
from cryodl.methods.compare import run_compare
from cryodl.methods.fsc import run_fsc
from cryodl.methods.import_resolution import run_import_resolution
from cryodl.report.chimerax import write_view

NAMES = {
    "backslash": r"back\slash.mrc",
    "both quotes": 'it\'s "q".mrc',
    "line feed": "line\nfeed.mrc",
    "carriage return": "a\r; exit.mrc",
    "formula": r"$\frac$.mrc",
    "half a formula": "$x_{$.mrc",
    "bytes": os.fsdecode(b"caf\xe9 \xff.mrc"),
    "escape": "\x1b[31mred.mrc",
    "other script": "κρύο.mrc",
    "quote": "it's.mrc",
    "blank": "a  b;c.mrc",
}
IN_SCRIPTS = ("half a formula", "other script", "quote", "blank")


@pytest.fixture(scope="module")
def volumes():
    """A ball of density, and its resolution: 4 Å inside."""
    radius = np.linalg.norm(np.indices((24, 24, 24)) - 11.5, axis=0)
    noise = np.random.default_rng(0).normal(scale=0.05, size=radius.shape)
    density = Volume(np.exp(-((radius / 6) ** 2)) + noise, 2.0)
    return density, density.with_data(np.where(radius < 8, 4 + radius / 8, 0))


def opened(out, script="view.cxc"):
    """Files that a script opens, as ChimeraX does from its folder."""
    lines = (out / script).read_bytes().decode("utf-8").split("\n")
    assert all(line.isprintable() for line in lines)
    quoted = [line.removeprefix("open ") for line in lines if line.startswith("open ")]
    assert all(line[0] == line[-1] and line[0] not in line[1:-1] for line in quoted)
    real = Path(os.path.realpath(out))  # where '..' leads
    return [os.path.realpath(real / line[1:-1]) for line in quoted]


@pytest.mark.parametrize(
    "kind, where", [*((kind, "file") for kind in NAMES), ("both quotes", "folder")]
)
def test_a_name_costs_no_result(volumes, tmp_path, kind, where):
    density, resolution = volumes
    path = tmp_path / NAMES[kind] / "map.mrc" if where == "folder" else tmp_path / NAMES[kind]
    path.parent.mkdir(exist_ok=True)
    write_map(path, density)
    write_map(tmp_path / "resolution.mrc", resolution)
    out = tmp_path / "out"
    run_import_resolution(tmp_path / "resolution.mrc", map=path, output=out)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    names = {"histogram.png", "histogram.svg", "slices.png", "view.cxc", "resolution.mrc"}
    assert names <= set(stats["files"]) == set(os.listdir(out))
    assert not [line for line in stats["warnings"] if "could not be made" in line]
    shown = path if kind in IN_SCRIPTS else out / "density.mrc"
    assert opened(out) == [os.path.realpath(shown), os.path.realpath(out / "resolution.mrc")]


@pytest.mark.parametrize("kind", ["carriage return", "formula", "half a formula", "bytes"])
def test_names_stand_in_legends_tables_and_records(volumes, tmp_path, kind):
    density, resolution = volumes
    paths = [tmp_path / NAMES[kind], tmp_path / "other.mrc"]
    for path in paths:
        write_map(path, resolution)
    run_compare(paths, output=tmp_path / "out")
    stats = json.loads((tmp_path / "out" / "stats.json").read_text(encoding="utf-8"))
    assert stats["maps"][0]["name"] == NAMES[kind].removesuffix(".mrc")
    assert not [line for line in stats["warnings"] if "could not be made" in line]
    assert {"comparison.csv", "histograms.png", "slices.png"} <= set(stats["files"])
    half = tmp_path / "half.mrc"
    write_map(half, density)
    write_map(paths[0], density.with_data(density.data[::-1]), overwrite=True)
    run_fsc(paths[0], half, output=tmp_path / "fsc")
    assert {"fsc.csv", "fsc.png"} <= set(os.listdir(tmp_path / "fsc"))


@pytest.mark.parametrize("kind", ["bytes", "other script"])
def test_names_in_a_locale_without_letters(volumes, tmp_path, kind):
    density, resolution = volumes
    path = tmp_path / NAMES[kind]
    write_map(path, density)
    write_map(tmp_path / "resolution.mrc", resolution)
    words = ["import", tmp_path / "resolution.mrc", "--map", path, "-o"]
    for utf8 in ("0", "1"):
        environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"}
        out = tmp_path / utf8 / NAMES[kind][:-4]
        command = [sys.executable, "-m", "cryodl", *words, out]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
        assert "histogram.png" in stats["files"] and not stats["warnings"]


@pytest.mark.parametrize(
    "broken, error",
    [
        ("draw_histogram", ValueError("no\nfont")),
        ("draw_slices", MemoryError()),
        ("draw_view", OSError(5, "damaged")),
    ],
)
def test_a_picture_that_fails_is_a_warning(volumes, tmp_path, monkeypatch, broken, error):
    from cryodl.methods import output as drawing
    from cryodl.report import histogram, slices

    density, resolution = volumes
    write_map(tmp_path / "map.mrc", density)

    def fail(*given, **options):
        raise error

    for module in (drawing, histogram, slices):
        if hasattr(module, broken):
            monkeypatch.setattr(module, broken, fail)
    out = tmp_path / "out"
    result = run_import_resolution(resolution, map=tmp_path / "map.mrc", output=out)
    file = {"draw_histogram": "histogram", "draw_slices": "slices", "draw_view": "view"}[broken]
    (warning,) = [line for line in result.stats["warnings"] if "could not be made" in line]
    assert warning.startswith(file) and type(error).__name__ in warning and "\n" not in warning
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert warning in stats["warnings"] and set(stats["files"]) == set(os.listdir(out))
    assert {"resolution.mrc", "mask.mrc"} < set(stats["files"])
    made = {name.partition(".")[0] for name in os.listdir(out)}
    assert {"histogram", "slices", "view"} - made == {file}


@pytest.mark.parametrize("there", [True, False])
def test_a_script_behind_a_link_opens_the_map(volumes, tmp_path, monkeypatch, there):
    density, resolution = volumes
    (tmp_path / "disk" / "deep" / "results" / "of").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "results").symlink_to("../disk/deep/results")
    (tmp_path / "maps").symlink_to("project")
    monkeypatch.chdir(tmp_path / "project")
    write_map("map.mrc", density)
    write_map("resolution.mrc", resolution)
    (tmp_path / "project" / "link.mrc").symlink_to("map.mrc")
    out = Path("results/run")
    if there:
        out.mkdir()
    for path in ("map.mrc", tmp_path / "maps" / "link.mrc"):
        run_import_resolution("resolution.mrc", map=path, output=out, overwrite=True)
        assert opened(out)[0] == str(tmp_path / "project" / "map.mrc")
    assert "link.mrc" in (out / "view.cxc").read_text()  # as it was given


def test_a_view_holds_no_control_codes(tmp_path):
    colours = [(2.0, "#000000"), (4.0, "#ffffff")]
    how = {"level": 1.0, "vmin": 2.0, "vmax": 4.0, "colours": colours, "resolution_file": "r.mrc"}
    for name in NAMES:
        if name not in IN_SCRIPTS:
            with pytest.raises(ValueError, match="ChimeraX cannot read the name"):
                write_view(tmp_path / "view.cxc", map_file=tmp_path / NAMES[name], **how)
            assert not os.listdir(tmp_path)
