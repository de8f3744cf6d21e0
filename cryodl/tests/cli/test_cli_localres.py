"""`cryodl localres`: what it writes, and one clear line for everything that can be wrong."""

import json
import subprocess
import sys
import time
import warnings

import mrcfile
import numpy as np
import pytest

from cryodl.cli.main import main

OUTPUTS = {
    "resolution.mrc", "uncertainty.mrc", "mask.mrc", "stats.json",
    "histogram.png", "histogram.svg", "slices.png", "view.cxc",
}  # fmt: skip
NETWORK = {
    "architecture": "unet3d", "channels": 21, "half": 4, "quarter": 4, "quarter_blocks": 1,
    "stride": 2, "bins": 8, "bins_from": 2.2, "bins_to": 15.0,
}  # fmt: skip


def ball(n=32):
    z, y, x = np.indices((n, n + 4, n + 8)) - n / 2
    rng = np.random.default_rng(0)
    inside = np.exp(-((np.sqrt(z**2 + y**2 + x**2) / 8) ** 4))
    return (inside * (1 + 0.5 * rng.normal(size=inside.shape))).astype(np.float32)


def write(path, data, voxel_size=1.1, origin=(5.0, 6.0, 7.0)):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mrcfile warns of values that are not finite
        with mrcfile.new(path, data, overwrite=True) as file:
            file.voxel_size = voxel_size
            file.header.origin = origin
    return path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A map, a mask and a bundle with random weights."""
    keras = pytest.importorskip("keras")
    from cryodl.networks import build
    from cryodl.networks.bundle import save_bundle

    folder = tmp_path_factory.mktemp("inputs")
    data = ball()
    write(folder / "map.mrc", data)
    write(folder / "mask.mrc", (data > 0.4).astype(np.float32))
    keras.utils.set_random_seed(1)
    spec = {
        "name": "small", "method": "local-resolution", "range": "low", "network": NETWORK,
        "voxel_size": 1.0, "stride": 2, "overlap": 10, "resolution_limits": [2.5, 13.0],
        "normalisation": {"name": "local_features", "parameters": {}},
        "calibration": {"interval": 0.9, "factor": 1.5},
        "training": {}, "metrics": {}, "licence": "CC0-1.0", "citation": "none",
    }  # fmt: skip
    save_bundle(folder / "bundle", build(NETWORK), spec)
    return folder


def command(inputs, out, *more):
    bundle = ["--bundle", inputs / "bundle", "--device", "cpu"]
    return main(["localres", inputs / "map.mrc", "-o", out, *bundle, *more])


@pytest.fixture(scope="module")
def done(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "new" / "out"
    assert command(inputs, out, "--claimed", "4") == 0
    return out


def test_all_outputs_are_written_on_the_input_grid(done, inputs):
    assert {p.name for p in done.iterdir()} == OUTPUTS
    assert [p.name for p in done.parent.iterdir()] == ["out"]
    with mrcfile.open(inputs / "map.mrc") as given:
        for name in ("resolution", "uncertainty", "mask"):
            with mrcfile.open(done / f"{name}.mrc") as file:
                assert file.data.shape == given.data.shape
                assert file.voxel_size.x == pytest.approx(1.1)
                assert tuple(file.header.origin.tolist()) == (5.0, 6.0, 7.0)
    stats = json.loads((done / "stats.json").read_text(encoding="utf-8"))
    assert stats["claimed"] == 4.0 and stats["bundle"] == "small"
    assert stats["seconds"]["total"] >= stats["seconds"]["predict"]


def test_view_names_the_map_from_its_folder(done, inputs):
    import os

    text = (done / "view.cxc").read_text(encoding="utf-8")
    opened = [line.split('"')[1] for line in text.splitlines() if line.startswith("open")]
    assert os.path.samefile(done / opened[0], inputs / "map.mrc")
    assert os.path.samefile(done / opened[1], done / "resolution.mrc")


def test_existing_output_is_kept_unless_asked(done, inputs, capsys):
    before = {p.name: p.read_bytes() for p in done.iterdir()}
    assert command(inputs, done) == 2
    assert "is not empty" in capsys.readouterr().err
    assert command(inputs, done, "--overwrite", "--mask", inputs / "absent.mrc") == 2
    assert {p.name: p.read_bytes() for p in done.iterdir()} == before


def test_overwriting_replaces_only_its_own_files(inputs, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "stats.json").write_text("old")
    more = ["--overwrite", "--mask", inputs / "mask.mrc", "--sharpen", "-20"]
    assert command(inputs, out, *more) == 0
    assert {p.name for p in out.iterdir()} == OUTPUTS | {"notes.txt", "density.mrc"}
    assert (out / "notes.txt").read_text() == "mine"
    assert json.loads((out / "stats.json").read_text(encoding="utf-8"))["sharpen"] == -20
    assert '"density.mrc"' in (out / "view.cxc").read_text(encoding="utf-8")
    printed = capsys.readouterr().out
    assert "about" in printed and "predict: 100 %" in printed and "median" in printed


def test_parameters_may_come_from_a_file(inputs, tmp_path):
    params = {
        "map": str(inputs / "map.mrc"),
        "output": str(tmp_path / "out"),
        "mask": None,
        "bundle": str(inputs / "bundle"),
        "voxel-size": 1.3,
        "batch_size": 2,
        "device": "cpu",
        "overwrite": False,
    }
    (tmp_path / "run.json").write_text(json.dumps(params))
    assert main(["localres", "--params", tmp_path / "run.json", "--voxel-size", "1.2"]) == 0
    stats = json.loads((tmp_path / "out" / "stats.json").read_text(encoding="utf-8"))
    assert stats["voxel_size"] == 1.2  # the command line prevails


# Bad input: a line, exit code 2, and nothing left.


def broken_header(path, **fields):
    with mrcfile.open(path, "r+", permissive=True) as file:
        for name, value in fields.items():
            setattr(file.header, name, value)


def truncated(folder):
    path = write(folder / "bad.mrc", ball())
    path.write_bytes(path.read_bytes()[:-5000])
    return path


def text(folder):
    (folder / "bad.mrc").write_text("ATOM      1  N   MET A   1\n" * 100)
    return folder / "bad.mrc"


def empty(folder):
    (folder / "bad.mrc").write_bytes(b"")
    return folder / "bad.mrc"


def with_value(value):
    def make(folder):
        data = ball()
        data[3, 4, 5] = value
        return write(folder / "bad.mrc", data)

    return make


def stack(folder):
    path = write(folder / "bad.mrcs", ball())
    broken_header(path, ispg=0, mz=1)
    return path


def anisotropic(folder):
    return write(folder / "bad.mrc", ball(), voxel_size=(1.0, 1.0, 1.5))


BAD_MAPS = {
    "missing": (lambda f: f / "absent.mrc", "no such file"),
    "folder": (lambda f: f, "is a directory"),
    "empty": (empty, "is empty"),
    "not an MRC": (text, "not an MRC file"),
    "truncated": (truncated, "truncated"),
    "NaN": (with_value(np.nan), "NaN or infinite"),
    "infinite": (with_value(np.inf), "NaN or infinite"),
    "constant": (lambda f: write(f / "bad.mrc", np.ones((8, 8, 8), np.float32)), "constant"),
    "image": (lambda f: write(f / "bad.mrc", ball()[0]), "single image"),
    "stack": (stack, "stack"),
    "anisotropic": (anisotropic, "anisotropic"),
    "no voxel size": (lambda f: write(f / "bad.mrc", ball(), voxel_size=0), "no voxel size"),
}


def refused(code, capsys, message, out):
    printed = capsys.readouterr().err
    assert code == 2
    assert printed.startswith("cryodl: ") and printed.count("\n") == 1, printed
    assert message in printed
    assert not out.exists()
    assert not [p.name for p in out.parent.iterdir() if p.name.endswith(".part")]


@pytest.mark.parametrize("case", BAD_MAPS)
def test_bad_maps(case, inputs, tmp_path, capsys):
    make, message = BAD_MAPS[case]
    out = tmp_path / "out"
    code = main(["localres", make(tmp_path), "-o", out, "--bundle", inputs / "bundle"])
    refused(code, capsys, message, out)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (lambda f: f / "absent.mrc", "no such file"),
        (lambda f: write(f / "mask.mrc", ball(20)), "mask has"),
        (lambda f: write(f / "mask.mrc", np.clip(ball(), 0, 0.4)), "mask is empty"),
        (lambda f: write(f / "mask.mrc", 0 * ball()), "mask is empty: its largest value is 0"),
    ],
)
def test_bad_masks(mask, message, inputs, tmp_path, capsys):
    out = tmp_path / "out"
    refused(command(inputs, out, "--mask", mask(tmp_path)), capsys, message, out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bundle", "nonesuch"], "unknown bundle 'nonesuch'"),
        (["--sharpen", "much"], "sharpen 'much'"),
        (["--claimed", "-3"], "--claimed=-3 is"),
        (["--voxel-size", "0"], "--voxel-size=0 is not above 0 Å"),
        (["--batch-size", "0"], "--batch-size=0 is"),
        (["--range", "high"], "has range low"),
        (["--palette", "jet"], "--palette: invalid choice: 'jet'"),
        (["--params", "absent.json"], "cannot read absent.json"),
    ],
)
def test_bad_options(options, message, inputs, tmp_path, capsys):
    out = tmp_path / "out"
    refused(command(inputs, out, *options), capsys, message, out)


@pytest.mark.parametrize(
    ("method", "option"),
    [
        ("cryores", "--sharpen=auto"),
        ("unet-resmap", "--range=low"),
        ("deepres", "--probabilities"),
        ("deepres", "--window=20"),
        ("localfsc", "--significance=0.9"),
        ("monogenic", "--bundle=mine"),
        ("sinusoid", "--batch-size=4"),
        ("monogenic", "--thorough"),
        ("localfsc", "--thorough"),
        ("sinusoid", "--thorough"),
    ],
)
def test_options_of_another_method_are_refused(method, option, inputs, tmp_path, capsys):
    out = tmp_path / "out"
    code = main(["localres", inputs / "map.mrc", "-o", out, "--method", method, option])
    refused(code, capsys, f"{option.split('=')[0]} does nothing with method {method}", out)


def test_damaged_bundle(inputs, tmp_path, capsys):
    import shutil

    shutil.copytree(inputs / "bundle", tmp_path / "bundle")
    weights = tmp_path / "bundle" / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    out = tmp_path / "out"
    refused(command(inputs, out, "--bundle", tmp_path / "bundle"), capsys, "checksum", out)


def test_output_that_cannot_be_written(inputs, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert command(inputs, tmp_path / "file") == 2
    assert command(inputs, tmp_path / "file" / "out") == 2
    assert command(inputs, "/proc/nowhere/out") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("cryodl: ") for line in lines)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "must hold a JSON object"),
        ('{"colour": 1}', "no option 'colour'"),
    ],
)
def test_bad_parameter_files(params, message, tmp_path, capsys):
    (tmp_path / "run.json").write_text(params)
    code = main(["localres", "--params", tmp_path / "run.json"])
    refused(code, capsys, message, tmp_path / "out")


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [(KeyboardInterrupt, 130, "interrupted"), (MemoryError, 2, "not enough memory")],
)
def test_stopped_in_the_middle_leaves_nothing(
    raised, code, said, inputs, tmp_path, capsys, monkeypatch
):
    from cryodl.methods.deepres import run as look

    def stop(*args, **kwargs):
        raise raised

    monkeypatch.setattr(look, "predict_tiled", stop)
    assert command(inputs, tmp_path / "deep" / "out") == code
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_version_and_help(capsys):
    from cryodl import __version__

    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert main([]) == 0
    assert "localres" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["localres", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    program = (
        "import sys; from cryodl.cli.main import main; main(sys.argv[1:]); "
        "heavy = {'numpy', 'scipy', 'keras', 'tensorflow', 'matplotlib', 'mrcfile'}; "
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    start = time.process_time()
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True)
    assert done.returncode == 0 and b"usage: cryodl" in done.stdout
    assert time.process_time() - start < 0.5


def test_python_writes_what_the_command_writes(inputs, tmp_path):
    import cryodl

    out = tmp_path / "out"
    result = cryodl.run_local_resolution(
        inputs / "map.mrc", inputs / "bundle", output=out, device="cpu"
    )
    assert {path.name for path in out.iterdir()} == OUTPUTS
    written = json.loads((out / "stats.json").read_text())
    assert written["median"] == result.stats["median"]
