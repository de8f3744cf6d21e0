"""What results replace, and what stays: only what a run wrote, and nobody changed, goes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cryodl.errors import OutputError
from cryodl.files.folder import whole_file, whole_folder
from cryodl.maps.mrc import read_map, write_map
from cryodl.maps.volume import Volume
from cryodl.methods.fsc import run_fsc

NOISE = np.random.default_rng(0).normal(size=(2, 16, 16, 16)).astype(np.float32)
HALVES = [Volume(data, 2.0) for data in NOISE]


def tree(folder):
    """All files below a folder: {path: bytes}."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_run(folder, names, text, **options):
    """A run whose files hold all the same text, with its record."""
    from cryodl.files.record import sealed, write_json

    with whole_folder(folder, **options) as work:
        for name in names:
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_text(text)
        write_json(work / "stats.json", sealed({"text": text}, "stats.json", work))


def test_files_of_others_survive_whatever_a_record_lists(tmp_path):
    out, aside = tmp_path / "out", tmp_path / "aside.txt"
    (out / "raw").mkdir(parents=True)
    files = [out / "thesis.txt", out / "raw" / "movie.mrc", out / "view.cxc", aside]
    for file in files:
        file.write_text("mine")
    (out / "link").symlink_to(aside)
    names = ["thesis.txt", "raw/movie.mrc", "../aside.txt", str(aside), "link", "view.cxc", "raw"]
    sums = dict.fromkeys(names, "0" * 64)
    record = json.dumps({"files": names, "sha256": sums})
    (out / "stats.json").write_text(record)
    run_fsc(*HALVES, output=out, overwrite=True)
    assert all(file.read_text() == "mine" for file in files) and (out / "link").is_symlink()
    assert (tmp_path / "out.kept" / "stats.json").read_text() == record
    assert "fsc.csv" in json.loads((out / "stats.json").read_text())["files"]


def test_a_true_checksum_reaches_no_file_out_of_the_folder(tmp_path):
    from cryodl.files.record import file_sha256

    out, aside = tmp_path / "out", tmp_path / "aside.txt"
    out.mkdir()
    aside.write_text("mine")
    (out / "link").symlink_to(aside)
    (out / "up").symlink_to(tmp_path)
    names = ["../aside.txt", str(aside), "link", "up/aside.txt", "", ".", "..", "a\0b"]
    record = {"sha256": dict.fromkeys(names, file_sha256(aside))}
    (out / "stats.json").write_text(json.dumps(record))
    write_run(out, ["a.txt"], "new", overwrite=True)
    assert aside.read_text() == "mine"
    assert (out / "link").is_symlink() and (out / "up").is_symlink()


def test_what_was_changed_since_is_kept(tmp_path):
    out = tmp_path / "out"
    run_fsc(*HALVES, output=out)
    text = (out / "fsc.csv").read_text()
    (out / "fsc.csv").write_text(text + "# looked at\n")
    stats = json.loads((out / "stats.json").read_text())
    (out / "stats.json").write_text(json.dumps({**stats, "note": "mine"}))
    run_fsc(*HALVES, output=out, overwrite=True)
    assert (out / "fsc.csv").read_text() == text
    assert (tmp_path / "out.kept" / "fsc.csv").read_text() == text + "# looked at\n"
    assert json.loads((tmp_path / "out.kept" / "stats.json").read_text())["note"] == "mine"
    assert set(tree(tmp_path / "out.kept")) == {"fsc.csv", "stats.json"}


def test_a_run_of_a_version_without_checksums_is_kept(tmp_path):
    out = tmp_path / "out"
    run_fsc(*HALVES, output=out)
    stats = json.loads((out / "stats.json").read_text())
    del stats["sha256"]
    (out / "stats.json").write_text(json.dumps(stats))
    before = tree(out)
    run_fsc(*HALVES, output=out, overwrite=True)
    assert tree(tmp_path / "out.kept") == before
    assert set(tree(out)) == set(before)


def test_unchanged_results_are_replaced_and_leave_nothing(tmp_path):
    out = tmp_path / "out"
    write_run(out, ["a.txt", "old/b.txt"], "old")
    (out / "empty").mkdir()
    link = tmp_path / "link"
    link.symlink_to(out)
    write_run(link, ["a.txt"], "new", overwrite=True)
    assert set(tree(out)) == {"a.txt", "stats.json"} and (out / "a.txt").read_text() == "new"
    assert sorted(os.listdir(out)) == ["a.txt", "empty", "stats.json"] and link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link", "out"]


def test_of_two_runs_into_one_folder_both_results_stay(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="by another run meanwhile.*out-2"):
        with whole_folder(out) as work:
            (work / "a.txt").write_text("late")
            with whole_folder(out) as quicker:
                (quicker / "a.txt").write_text("early")
    assert tree(out) == {"a.txt": b"early"} and tree(tmp_path / "out-2") == {"a.txt": b"late"}
    assert sorted(os.listdir(tmp_path)) == ["out", "out-2"]


@pytest.mark.parametrize("there", [True, False])
def test_what_came_into_a_folder_meanwhile_stays(tmp_path, there):
    out = tmp_path / "out"
    if there:
        out.mkdir()
    with pytest.raises(OutputError, match="by another run meanwhile.*out-2"):
        with whole_folder(out) as work:
            (work / "a.txt").write_text("result")
            out.mkdir(exist_ok=True)
            (out / "thesis.txt").write_text("mine")
    assert tree(out) == {"thesis.txt": b"mine"} and tree(tmp_path / "out-2") == {"a.txt": b"result"}


def test_two_threads_write_one_file_each_in_its_own_part(tmp_path):
    path = tmp_path / "a.txt"
    with whole_file(path, overwrite=True) as first:
        first.write_text("first")
        with whole_file(path, overwrite=True) as second:
            second.write_text("second")
        assert path.read_text() == "second" and first.read_text() == "first"
    assert path.read_text() == "first" and os.listdir(tmp_path) == ["a.txt"]


def test_of_two_runs_into_one_file_both_results_stay(tmp_path, monkeypatch):
    from cryodl.maps import mrc as mrc_io

    path, header = tmp_path / "map.mrc", mrc_io._make_header

    def meanwhile(volume, *kind):  # another run is quicker
        path.write_text("early")
        return header(volume, *kind)

    monkeypatch.setattr(mrc_io, "_make_header", meanwhile)
    with pytest.raises(OutputError, match="by another run meanwhile.*map-2.mrc"):
        write_map(path, HALVES[0])
    assert path.read_text() == "early" and len(os.listdir(tmp_path)) == 2
    assert np.array_equal(read_map(tmp_path / "map-2.mrc").data, HALVES[0].data)


def test_a_file_that_cannot_be_written_is_named_as_it_would_be(tmp_path):
    with pytest.raises(OutputError, match=f"^{tmp_path}/out/map.mrc is a directory"):
        with whole_folder(tmp_path / "out") as work:
            (work / "map.mrc").mkdir()
            write_map(work / "map.mrc", HALVES[0])
    assert not os.listdir(tmp_path)


def test_results_that_cannot_have_their_name_stay(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="the results are in .*out-2"):
        with whole_folder(out) as work:
            (work / "a.txt").write_text("result")
            out.write_text("a file by now")
    assert tree(tmp_path / "out-2") == {"a.txt": b"result"} and out.is_file()


KILLED = """
import os, sys
from pathlib import Path
from cryodl.files import folder, places
from cryodl.tests.files.test_replacing import tree, write_run

out, how = Path(sys.argv[1]), sys.argv[2]
if how == "two renames":
    places._at_once = lambda *paths: False

def replace(last):
    count = 0
    def hook(event, arguments):
        nonlocal count
        if event.split(".")[0] in ("os", "shutil"):
            count += 1
            if count > last:
                os._exit(9)
    sys.addaudithook(hook)
    write_run(out, ["a.txt", "b.txt"], "new", overwrite=True)
    os._exit(0)

states, last, status = [], 0, 9
while status:
    last += 1
    child = os.fork()
    if not child:
        replace(last)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    state = tree(out)
    if not state:  # between two renames: the next run brings it back
        assert how == "two renames", state
        folder.remove_abandoned(out)
        state = tree(out)
    texts = {text for name, text in state.items() if name in ("a.txt", "c.txt")}
    assert texts in ({b"old"}, {b"new"}), state
    assert state["notes/mine.txt"] == b"mine", state
    if texts == {b"old"}:
        assert {"a.txt", "c.txt", "stats.json"} <= set(state), state
    else:
        assert {"a.txt", "b.txt", "stats.json"} <= set(state) and "c.txt" not in state, state
    write_run(out, ["a.txt", "c.txt"], "old", overwrite=True)
    assert set(tree(out.parent)) == {
        "out/a.txt", "out/c.txt", "out/stats.json", "out/notes/mine.txt"}, tree(out.parent)
assert last > 20, last
"""


@pytest.mark.parametrize("how", ["at once", "two renames"])
def test_a_kill_at_any_moment_leaves_all_old_or_all_new(tmp_path, how):
    out = tmp_path / "only" / "out"
    write_run(out, ["a.txt", "c.txt"], "old")
    (out / "notes").mkdir()
    (out / "notes" / "mine.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(out), how], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_in_which_one_stands_stays_the_same(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_run(out, ["a.txt", "c.txt"], "old")
    (out / "b.txt").write_text("mine")
    monkeypatch.chdir(out)
    before = out.stat().st_ino
    write_run(Path("."), ["a.txt", "b.txt"], "new", overwrite=True)
    assert out.stat().st_ino == before and sorted(os.listdir(tmp_path)) == ["out", "out.kept"]
    assert tree(tmp_path / "out.kept") == {"b.txt": b"mine"}
    assert {name: text for name, text in tree(out).items() if name != "stats.json"} == {
        "a.txt": b"new", "b.txt": b"new"}  # fmt: skip


def test_tables_of_two_models_share_a_folder(tmp_path):
    from cryodl.evaluation.tables import write_tables

    out = tmp_path / "out"
    for prefix, value in (("a_", 1), ("b_", 2), ("a_", 3)):
        with whole_folder(out, overwrite=True, clear=False) as work:
            write_tables(work, [("table", [{"value": value}])], lambda text: None, prefix)
    assert json.loads((out / "a_tables.json").read_text()) == {"table": [{"value": 3}]}
    assert json.loads((out / "b_tables.json").read_text()) == {"table": [{"value": 2}]}
    assert os.listdir(tmp_path) == ["out"] and len(os.listdir(out)) == 6
