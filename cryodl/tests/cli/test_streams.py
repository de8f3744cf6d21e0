"""Output that cannot be printed stops nothing, and what could not be written is named."""

import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from cryodl.maps.mrc import write_map
from cryodl.maps.volume import Volume

CRYODL = [sys.executable, "-m", "cryodl"]


@pytest.fixture
def halves(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"half{i}.mrc" for i in (1, 2)]
    for path in paths:
        write_map(path, Volume(rng.normal(size=(16, 16, 16)), 2.0))
    return [str(path) for path in paths]


def closed_reader():
    """A pipe that nobody reads any more."""
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "wb")


def fsc(halves, out, **streams):
    words = ["fsc", *halves, "-o", str(out)]
    streams = {"stderr": subprocess.PIPE, **streams}
    return subprocess.run([*CRYODL, *words], timeout=120, text=True, **streams)


def complete(out):
    return {"fsc.csv", "fsc.png", "fsc.svg", "fsc.xml", "mask.mrc", "stats.json"} == set(
        os.listdir(out)
    )


@pytest.mark.parametrize("both", [False, True])
def test_a_reader_that_has_gone_loses_no_result(halves, tmp_path, both):
    with closed_reader() as pipe:
        more = {"stderr": pipe} if both else {}
        done = fsc(halves, tmp_path / "out", stdout=pipe, **more)
    assert done.returncode == 0 and complete(tmp_path / "out") and not done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
def test_output_on_a_full_disk_loses_no_result(halves, tmp_path):
    with open("/dev/full", "w") as full:
        done = fsc(halves, tmp_path / "out", stdout=full)
        words = "cannot write to standard output: No space left on device; the results are complete"
        assert done.stderr == f"cryodl: {words}\n" and done.returncode == 0
        assert complete(tmp_path / "out")
        done = subprocess.run([*CRYODL, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "cryodl: cannot write to standard output: No space left on device\n"


def test_closed_streams_take_nothing_of_a_result(halves, tmp_path):
    words = [*CRYODL, "fsc", *halves, "-o", str(tmp_path / "out")]
    done = subprocess.run(["sh", "-c", '"$@" >&- 2>&- <&-', "sh", *words], timeout=120)
    assert done.returncode == 0 and complete(tmp_path / "out")


def test_a_reader_that_has_gone_of_mere_words_is_told_by_the_code():
    with closed_reader() as pipe:
        done = subprocess.run([*CRYODL, "--help"], stdout=pipe, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 141 and not done.stderr


def test_a_full_folder_of_temporary_files_hinders_nobody(tmp_path, monkeypatch):
    import mrcfile

    from cryodl.methods.import_resolution import run_import_resolution

    values = np.linspace(3, 5, 512, dtype=np.float32).reshape(8, 8, 8)
    with mrcfile.new(tmp_path / "resolution.mrc", values) as file:
        file.voxel_size = 1.0
        file.data[0] = np.nan
    (tmp_path / "full").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    with pytest.raises(OSError):
        tempfile.TemporaryFile()
    run_import_resolution(tmp_path / "resolution.mrc", output=tmp_path / "out")
    assert (tmp_path / "out" / "resolution.mrc").is_file()


def test_nor_who_writes_a_network(tmp_path, monkeypatch):
    keras = pytest.importorskip("keras")
    pytest.importorskip("openvino")
    from cryodl.networks.openvino_backend import read_openvino, write_openvino

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    write_openvino(tmp_path / "bundle", {"network": network})
    assert sorted(p.name for p in (tmp_path / "bundle").iterdir()) == ["network.bin", "network.xml"]
    given = np.ones((1, 4), np.float32)
    answer = read_openvino(tmp_path / "bundle")["network"].predict_on_batch(given)
    np.testing.assert_allclose(answer, network(given), rtol=1e-3)


def test_a_terminal_obeys_no_name_of_a_file(halves, tmp_path):
    name = str(tmp_path / "\x1b]0;red\x07\x9b31m.mrc")
    os.rename(halves[0], name)
    done = fsc([name, halves[1]], tmp_path / "out", stdout=subprocess.PIPE)
    assert done.returncode == 0 and "\\x1b]0;red\\x07\\x9b31m.mrc" in done.stdout
    assert not set("\x1b\x07\x9b") & set(done.stdout + done.stderr)
