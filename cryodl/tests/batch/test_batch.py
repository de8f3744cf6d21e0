"""A batch: what is refused before it runs, what it gives, and what it does not do twice."""

import csv
import json
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed", reason="the extra [batch] is not installed")

import cryodl
from cryodl.batch import run, worker
from cryodl.batch.rows import Row, parse, read_rows
from cryodl.batch.worker import BATCH, Job, do_row, identity, lost_row, mark
from cryodl.cli.main import main
from cryodl.compute import device
from cryodl.errors import InputError, OutputError, SettingError
from cryodl.maps.volume import Volume
from cryodl.networks.bundle import load_bundle

SIZE = 24
FSC = ("fsc",)


@pytest.fixture
def maps(tmp_path, monkeypatch):
    """Half maps of a ball, a1.mrc and a2.mrc, b1.mrc and so on, in the current folder."""
    monkeypatch.chdir(tmp_path)
    z, y, x = np.indices((SIZE,) * 3) - SIZE / 2
    for number, name in enumerate("abc"):
        random = np.random.default_rng(number)
        ball = (z**2 + y**2 + x**2 < (SIZE / 4) ** 2) * (2 + random.normal(size=z.shape))
        for half in (1, 2):
            noisy = ball + 0.2 * random.normal(size=z.shape)
            cryodl.write_map(f"{name}{half}.mrc", Volume(noisy.astype(np.float32), 2.0))
    return tmp_path


def table_of(rows, head="half1,half2", name="table.csv", encoding="utf-8"):
    Path(name).write_text("\n".join([head, *rows]) + "\n", encoding)
    return name


GOOD = ["a1.mrc,a2.mrc", "b1.mrc,b2.mrc", "c1.mrc,c2.mrc"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"rows": ["a1.mrc"], "head": "half1"}, "has no column half2, which fsc needs"),
        ({"rows": GOOD, "head": "half1,half"}, "a column 'half', which is no option of fsc"),
        ({"rows": [*GOOD, GOOD[0]]}, "lines 2 and 5 are the same (a1.mrc)"),
        ({"rows": [*GOOD, "d1.mrc,d2.mrc"]}, "2 files not there (line 5: d1.mrc; line 5: d2.mrc)"),
        ({"rows": GOOD, "encoding": "utf-16"}, "is not text in UTF-8 (UTF-16)"),
        ({"rows": [*GOOD, "é1.mrc,é2.mrc"], "encoding": "latin-1"}, "is not text in UTF-8 (byte"),
        ({"rows": [r.replace(",", ";") for r in GOOD], "head": "half1;half2"}, "by semicolons"),
        ({"rows": ["a1.mrc,a2.mrc,2"]}, "line 2: 3 fields for 2 columns"),
        ({"rows": []}, "has no rows"),
        ({"rows": GOOD, "head": "half1,half1"}, "2 columns 'half1'"),
        ({"rows": ['"a1.mrc,a2.mrc']}, "line 2: unexpected end of data"),
        ({"rows": ["a1.mrc,a2.mrc,wide"], "head": "half1,half2,voxel_size"},
         "line 2: argument --voxel-size: invalid float value: 'wide'"),
        ({"rows": ["a1.mrc,a2.mrc,-1"], "head": "half1,half2,voxel_size"},
         "line 2: --voxel-size=-1 is not above 0 Å"),
        ({"rows": ["a1.mrc,a2.mrc,x", "b1.mrc,b2.mrc,X"], "head": "half1,half2,name"},
         "lines 2 and 3 are of one name"),
        ({"rows": ["a1.mrc,a2.mrc,../x"], "head": "half1,half2,name"}, "cannot name a folder"),
        ({"rows": ["a1.mrc,a2.mrc,a\0b"], "head": "half1,half2,name"}, "cannot name a folder"),
        ({"rows": ["a1.mrc,a2.mrc,done"], "head": "half1,half2,#status"}, "and table.csv one of"),
        *(({"rows": ["a1.mrc,a2.mrc,1,2"], "head": f"half1,half2,{two}"}, "table.csv " + said)
          for two, said in (("voxel_size,#voxel_size", "one of"), ("#a,##a", "one of"),
                            ("#a,#", "none without a name"))),
        ({"rows": ["a1.mrc,a2.mrc,y"], "head": "half1,half2,directional"},
         "line 2: directional='y' is neither yes nor no"),
        ({"rows": ["a1.mrc,a2.mrc,1,2"], "head": "half1,half2,voxel_size,voxel-size"},
         "columns 'voxel_size' and 'voxel-size', which are one option"),
        ({"rows": ["a1.mrc,a2.mrc,x"], "head": "half1,half2,help"}, "'help', which is no option"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_in_one_line_before_anything_runs(maps, capsys, table, said):
    assert main(["batch", table_of(**table), "-o", "out", "fsc"]) == 2
    printed = capsys.readouterr().err.replace(str(maps), ".")
    assert said in printed and printed.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "judges no single maps"),
        (["fsc", "--nonesuch"], ": fsc has no option --nonesuch: see"),
        (["fsc", "--nonesuch", "x"], ": fsc has no option --nonesuch: see"),
        (["fsc", "--voxel-size", "x"], ": fsc, for all rows: argument --voxel-size: invalid float"),
        (["classify", "--threads", "0"], ": classify, for all rows: --threads=0 is not a whole"),
        (["classify", "--voxel-size=-1"], ": classify, for all rows: --voxel-size=-1 is not above"),
        (["localres", "--batch-size=0"], ": localres, for all rows: --batch-size=0"),
        (["classify", "--output", "x"], ": --output is not for the command of a batch"),
        (["classify", "-o", "x"], ": -o is not for the command of a batch"),
        (["localres", "--range", "x"], ": localres, for all rows: "),
        (["localres", "-q"], ": localres has no option -q: see"),
        (["fsc", "a1.mrc"], "a map is named among the words of fsc"),
        (["fsc", "--mask", "no.mrc"], "--mask=no.mrc: no such file"),
        (["fsc", "--overwrite"], "--overwrite is not for the command of a batch"),
        (["fsc", "-o", "a1.mrc"], "-o is not for the command of a batch"),
    ],
)
def test_a_bad_command_too(maps, capsys, words, said):
    assert main(["batch", table_of(GOOD), "-o", "out", *words]) == 2
    assert said in capsys.readouterr().err and not Path("out").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scheduler": "tcp://10.0.0.1:8786"}, "without certificates"),
        ({"scheduler": "tls://127.0.0.1:9"}, "no Dask scheduler answers"),
        ({"scheduler": "nonesuch"}, "is unknown: choose local, slurm"),
        ({"jobqueue": ["walltime=1"]}, "jobqueue= is of a queue"),
        ({"scheduler": "pbs", "gpus": "0"}, "gpus= is of this machine or SLURM"),
        ({"gpus": "all"}, "is no list of numbers"),
        ({"scheduler": "slurm", "jobqueue": ["nonesuch=1"]}, "refuses its words"),
        ({"scheduler": "slurm", "jobqueue": ["walltime"]}, "is no word with a value"),
    ],
)
def test_where_to_compute_is_checked_and_nobody_spoken_to_without_certificates(
    maps, settings, said
):
    with pytest.raises(SettingError, match=said):
        cryodl.run_batch(table_of(GOOD), "fsc", output="new/out", **settings)
    assert not Path("new").exists()
    Path("out").mkdir()
    with pytest.raises(SettingError, match=said):
        cryodl.run_batch(table_of(GOOD), "fsc", output="out", **settings)
    assert not any(Path("out").iterdir())


def test_a_folder_that_is_of_no_batch_is_left_alone(maps):
    with pytest.raises(OutputError, match="of no batch"):
        cryodl.run_batch(table_of(GOOD), "fsc", output=maps)
    with pytest.raises(InputError, match="has no column resolution, which filter needs"):
        cryodl.run_batch("a1*", "filter", output="out")
    Path("own/rows").mkdir(parents=True)
    with pytest.raises(OutputError, match="of no batch"):  # however its folders are called
        cryodl.run_batch(table_of(GOOD), "fsc", output="own")
    with pytest.raises(OutputError, match="a1.mrc is a file: give a folder"):
        cryodl.run_batch(table_of(GOOD), "fsc", output="a1.mrc")
    with pytest.raises(SettingError, match="--params=a is not for the command"):
        cryodl.run_batch(table_of(GOOD), "fsc --params=a", output="out")
    with pytest.raises(SettingError, match="cannot be read: No closing quotation"):
        cryodl.run_batch(table_of(GOOD), "fsc --mask 'a", output="out")


def test_rows_of_a_table_and_of_a_folder(maps):
    table = table_of(["a1.mrc\ta2.mrc\t1.5\t7\tyes", "b1.mrc\tb2.mrc\t\t8\t"],
                     "half1\thalf2\tvoxel-size\t#id\tdirectional")  # fmt: skip
    first, second = read_rows(table, ["fsc", "--voxel-size", "3"])
    args, options = parse([*first.arguments, "-o", "x"])
    assert (args.voxel_size, args.directional, first.name) == (1.5, True, "a1")
    args, _ = parse([*second.arguments, "-o", "x"])
    assert (args.voxel_size, args.directional) == (3.0, False)
    assert os.path.isabs(args.half1) and second.cells["#id"] == "8"
    assert [row.name for row in read_rows(maps, ["localres"])] == ["a1", "a2", "b1", "b2", "c1",
                                                                  "c2"]  # fmt: skip
    assert len(read_rows("?1.mrc", ["localres"])) == 3
    assert len(read_rows("?1.mrc", ["classify"])) == 3  # whose map is one of a list
    for job in ("job1", "job2"):
        Path(job).mkdir()
        os.link("a1.mrc", f"{job}/map.mrc")
    assert [row.name for row in read_rows("job*/*.mrc", ["mask"])] == ["job1-map", "job2-map"]


def test_a_word_is_no_file_that_happens_to_be_called_like_it(maps):
    for name in ("auto", "viridis", "network", "none", "7"):
        os.link("a1.mrc", name)
    Path("deepres-low").mkdir()
    rows = ["a1.mrc,auto,viridis,network,deepres-low,7"]
    table = table_of(rows, "map,sharpen,palette,mask,bundle,#7")
    [row] = read_rows(table, ["localres"])
    assert row.arguments[2:] == ("--sharpen=auto", "--palette=viridis", "--mask=network",
                                 "--bundle=deepres-low")  # fmt: skip
    a1 = os.path.abspath("a1.mrc")
    assert row.files == (a1,)
    assert list(identity(*parse([*row.arguments, "-o", "x"]))["sha256"]) == [a1]
    [row] = read_rows("a1*", ["localres", "--sharpen", "auto", "--mask", "b1.mrc"])
    assert row.files == (a1, os.path.abspath("b1.mrc"))
    assert row.arguments[2:] == ("--sharpen", "auto", "--mask", os.path.abspath("b1.mrc"))
    [row] = read_rows(table_of(["7,a1.mrc"], "#entry,Map"), ["localres"])
    assert row.name == "a1"


def figures(folder):
    stats = json.loads((Path(folder) / "stats.json").read_text("utf-8"))
    return {name: value for name, value in stats.items() if name not in ("seconds", "sha256")}


def test_a_batch_gives_what_single_commands_give_and_does_nothing_twice(maps, capsys):
    Path("b1.mrc").write_bytes(Path("b1.mrc").read_bytes()[:5000])
    table = table_of(GOOD)
    call = ["batch", table, "-o", "out", "--workers", "1", "fsc"]
    assert main(call) == 3
    said = capsys.readouterr().out
    assert "3 rows: 2 done, 1 failed" in said and "failed: b1: " in said
    with open("out/table.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert next(iter(lines[0])) == "map"
    assert [(x["map"], x["status"]) for x in lines] == [
        ("a1.mrc", "done"), ("b1.mrc", "failed"), ("c1.mrc", "done")]  # fmt: skip
    assert "is truncated" in lines[1]["error"] and "\n" not in lines[1]["error"]
    for name, line in (("a", lines[0]), ("c", lines[2])):
        assert main(["fsc", f"{name}1.mrc", f"{name}2.mrc", "-o", f"one-{name}"]) == 0
        assert figures(f"out/maps/{name}1") == figures(f"one-{name}")
        same = (Path(f"{place}/mask.mrc") for place in (f"out/maps/{name}1", f"one-{name}"))
        assert len({path.read_bytes()[1024:] for path in same}) == 1
        assert float(line["resolution_0.5"]) == figures(f"one-{name}")["resolution_0.5"]
    if find_spec("pyarrow"):
        from pyarrow import parquet

        found = parquet.read_table("out/table.parquet")
        assert (found.num_rows, found.column_names) == (3, list(lines[0]))
    before = Path("out/maps/a1/stats.json").stat()
    os.replace("c2.mrc", "b1.mrc")
    os.link("a2.mrc", "c2.mrc")
    assert main(call) == 0
    assert "3 rows: 2 done, 1 done before, 0 failed" in capsys.readouterr().out
    assert Path("out/maps/a1/stats.json").stat() == before


def job_of(row, files=()):
    Path("out/rows").mkdir(parents=True, exist_ok=True)
    Path("out/maps").mkdir(exist_ok=True)
    Path("out", BATCH).write_text('{"batch": "x"}', "utf-8")
    return Job(row, os.path.abspath("out"), "x", cryodl.__version__, dict(files))


def test_a_row_is_known_by_its_files_options_and_results(maps):
    [row] = read_rows(table_of(GOOD[:1]), FSC)
    job = job_of(row)
    assert do_row(job)["status"] == "done"
    assert do_row(job)["status"] == "kept"
    Path("out/maps/a1/stats.json").write_text("{}", "utf-8")
    assert do_row(job)["status"] == "done"
    for file in [path for path in Path("out/maps/a1").iterdir()]:
        content = file.read_bytes()
        file.unlink()
        assert do_row(job)["status"] == "done", file
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])  # of the same size
        assert do_row(job)["status"] == "done", file
        assert do_row(job)["status"] == "kept"
    [other] = read_rows(table_of(GOOD[:1]), ["fsc", "--voxel-size", "3"])
    assert do_row(job._replace(row=other))["status"] == "done"
    keys = {identity(*parse([*r.arguments, "-o", "x"]))["key"] for r in (row, other)}
    assert len(keys) == 2
    os.replace("b2.mrc", "a2.mrc")
    assert do_row(job)["status"] == "done"


def test_a_worker_that_sees_something_else_says_so(maps):
    [row] = read_rows(table_of(GOOD[:1]), FSC)
    path = os.path.abspath("a1.mrc")
    assert "sees another" in do_row(job_of(row, {path: mark("b1.mrc")}))["error"]
    assert do_row(job_of(row, {path: mark("a1.mrc")}))["status"] == "done"
    with pytest.raises(InputError, match="does not see this batch in"):
        do_row(job_of(row)._replace(batch="y"))
    with pytest.raises(InputError, match="install one"):
        do_row(job_of(row)._replace(version="0"))


def test_a_row_whose_workers_died_has_its_line(maps):
    [row] = read_rows(table_of(GOOD[:1]), FSC)
    assert lost_row(job_of(row))["status"] == "failed"
    assert "killed" in json.loads(Path("out/rows/a1.json").read_text("utf-8"))["error"]


def test_a_batch_by_a_file_of_parameters(maps, capsys):
    given = {"table": table_of(GOOD), "words": ["fsc", "--nonesuch"], "workers": 1, "output": "out"}
    Path("run.json").write_text(json.dumps(given), "utf-8")
    assert main(["batch", "--params", "run.json"]) == 2
    assert "fsc has no option --nonesuch" in capsys.readouterr().err


def test_a_worker_loads_a_network_once(monkeypatch):
    monkeypatch.setattr(device, "_kept", None)
    first, _ = device.load_network(load_bundle("deepres-low"), "cpu")
    assert device.load_network(load_bundle("deepres-low"), "cpu")[0] is not first
    device.keep_networks()
    first, _ = device.load_network(load_bundle("deepres-low"), "cpu")
    assert device.load_network(load_bundle("deepres-low"), "cpu")[0] is first
    assert device.load_network(load_bundle("deepres-high"), "cpu")[0] is not first


def test_a_kept_network_answers_in_the_precision_and_threads_asked_for(monkeypatch):
    monkeypatch.setattr(device, "_kept", {})
    monkeypatch.setenv("CRYODL_THREADS", "1")
    networks = []
    for precision in ("single", "half", "single"):
        monkeypatch.setenv("CRYODL_PRECISION", precision)
        networks.append(device.load_network(load_bundle("deepres-low"), "cpu")[0])
    assert networks[0] is networks[2] is not networks[1]
    monkeypatch.setenv("CRYODL_THREADS", "2")
    networks.append(device.load_network(load_bundle("deepres-low"), "cpu")[0])
    assert networks[3] is not networks[2]


def test_what_a_row_sets_of_its_process_is_of_no_later_row(maps, monkeypatch):
    monkeypatch.setattr(
        device, "_kept", None
    )  # as a worker keeps them, and no other test's process
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    monkeypatch.setenv("CRYODL_PRECISION", "single")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("CRYODL_THREADS", "1")
    before = dict(os.environ)
    table = table_of(["a1.mrc,half,2,1", "b1.mrc,,,"], "map,precision,threads,gpus")
    rows = read_rows(table, ["classify", "--model", "dnn", "--device", "cpu"])
    seen = []
    run_it = worker._run
    monkeypatch.setattr(worker, "_run", lambda *given: [run_it(*given), seen.append(
        [os.environ[name] for name in ("CRYODL_PRECISION", "CRYODL_THREADS",
                                       "CUDA_VISIBLE_DEVICES")])][0])  # fmt: skip
    for row in rows:
        assert do_row(job_of(row))["status"] == "done"
        assert dict(os.environ) == before
    assert seen == [["half", "2", "1"], ["single", "1", "0,1"]]
    setup = worker.Setup(1)  # where the batch is started
    monkeypatch.setenv("CRYODL_PRECISION", "half")  # of a worker's own environment
    setup.setup(None)
    assert os.environ["CRYODL_PRECISION"] == "single"


def test_a_row_is_known_by_all_files_of_a_folder(maps, monkeypatch):
    def key():
        return identity(*parse(["filter", "a1.mrc", "--resolution", "res", "-o", "x"]))["key"]

    Path("res/inner").mkdir(parents=True)
    for name in ("stats.json", "resolution.mrc", "inner/words.txt"):
        Path("res", name).write_text("1", "utf-8")
    keys = [key()]
    for name in ("stats.json", "resolution.mrc", "inner/words.txt"):
        Path("res", name).write_text("2", "utf-8")
        keys.append(key())
    os.replace("res/inner/words.txt", "res/words.txt")
    keys.append(key())
    assert len(set(keys)) == 5 and key() == keys[-1]
    monkeypatch.setattr(worker, "LARGE", 1)
    keys = [key()]
    for name in ("words.txt", "stats.json", "resolution.mrc"):
        Path("res", name).write_text("3", "utf-8")
        keys.append(key())
    assert keys[0] == keys[1] and len(set(keys)) == 3


def test_a_row_is_known_by_its_precision_and_not_by_its_cores(maps, monkeypatch):
    monkeypatch.delenv("CRYODL_PRECISION", raising=False)

    def key(*words):
        return identity(*parse(["classify", "a1.mrc", *words]))["key"]

    plain, half = key(), key("--precision", "half")
    assert half not in (plain, key("--precision", "single"))
    assert key("--threads", "2", "--gpus", "0", "--precision", "auto") == plain
    monkeypatch.setenv("CRYODL_PRECISION", "half")
    assert key() == half != key("--precision", "single")


@pytest.mark.parametrize(("most", "kept"), [(0, 0), (1e15, 1)])
def test_what_a_large_map_left_in_memory_goes(maps, monkeypatch, most, kept):
    monkeypatch.setattr(device, "_kept", {})
    monkeypatch.setattr(worker, "MOST_IDLE", most)
    [row] = read_rows("a1*.mrc", ["classify", "--model", "dnn"])
    assert do_row(job_of(row))["status"] == "done"
    assert len(device._kept) == kept


def test_time_left_is_told_by_the_rows_judged_last(monkeypatch):
    now, said = [0.0], []
    monkeypatch.setattr(run.time, "monotonic", lambda: now[0])
    state = run._State(1000, said.append)
    for seconds in 200 * [1] + 200 * [60]:  # other programs begin
        now[0] += seconds
        state.add({"name": "a", "status": "done", "error": None})
    assert said[1].endswith("60.0 maps a minute, about 16 min")
    assert said[-1] == "400 done, 0 failed, 600 left, 1.0 maps a minute, about 10 h 0 min"


def test_a_bug_in_a_row_is_that_rows_alone(maps):
    row = Row("a", 2, {"map": "a1.mrc"}, ("localres", "a1.mrc", "--mask", "\0"))
    outcome = do_row(job_of(row))
    assert outcome["status"] == "failed" and "\n" not in outcome["error"]
