"""docs/add_a_method.rst is true: its steps, done in a copy of the package, give what it says."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import cryodl

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "add_a_method.rst"


def load_blocks():
    spec = importlib.util.spec_from_file_location("docs_blocks", ROOT / "docs" / "blocks.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.blocks(PAGE)


def put_in(path, place, text):
    """Put a step's lines into a file that exists, where its caption says."""
    before = path.read_text("utf-8")
    if place == "at the end":
        after = before + text + "\n"
    else:
        word = place.removeprefix("after ")
        lines = before.splitlines(keepends=True)
        [number] = [n for n, line in enumerate(lines) if re.search(rf'^{word} = |"{word}"', line)]
        lines.insert(number + 1, text + "\n")
        after = "".join(lines)
    path.write_text(after, "utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package and the pages' makers, with the steps of the page done."""
    root = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__", "tests", "weights")
    shutil.copytree(ROOT / "cryodl", root / "cryodl", ignore=ignored)
    (root / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "make_commands.py", root / "docs")
    made, changed = [], []
    for block in load_blocks():
        name, _, place = block.caption.partition(": ")
        path = root / name
        if place:
            put_in(path, place, block.text)
            changed.append(name)
        else:
            assert not path.exists(), f"{name} exists"
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text + "\n", "utf-8")
            made.append(name)
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[-16:16, -18:18, -20:20]
    ball = (z * z + y * y + x * x < 100).astype(np.float32)
    density = ball + rng.normal(0, 0.05, ball.shape).astype(np.float32)
    cryodl.write_map(root / "map.mrc", cryodl.Volume(density, 1.5, origin=(3, 4, 5)))
    return root, made, changed


def run(root, *words, code=0):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_it_touches_a_folder_a_registry_line_and_a_class_with_its_lines(copy):
    _, made, changed = copy
    folders = {name for name in made if name.startswith("cryodl/methods/local_mean/")}
    assert set(made) - folders == {"cryodl/protocols/protocol_local_mean.py"}
    assert sorted(changed) == [
        "cryodl/methods/registry.py",
        "cryodl/protocols.conf",
        "cryodl/protocols/__init__.py",
    ]


def test_command(copy):
    root = copy[0]
    said = run(root, "-m", "cryodl", "local-mean", "map.mrc", "-o", "out", "--width", "6")
    assert "map of 40 x 36 x 32 voxels" in said and "wrote out" in said
    found = cryodl.read_map(root / "out" / "resolution.mrc")
    assert found.shape == (32, 36, 40) and found.origin == (3, 4, 5)
    assert found.data[16, 18, 20] == pytest.approx(4, abs=0.05) and found.data[0, 0, 0] == 0
    stats = json.loads((root / "out" / "stats.json").read_text("utf-8"))
    assert stats["width"] == 6 and stats["seconds"]["total"] > 0
    assert {"slices.png", "histogram.png", "view.cxc"} <= set(stats["files"])


def test_params_and_help(copy):
    root = copy[0]
    (root / "run.json").write_text('{"map": "map.mrc", "output": "by_params", "width": 7}')
    run(root, "-m", "cryodl", "local-mean", "--params", "run.json")
    assert json.loads((root / "by_params" / "stats.json").read_text("utf-8"))["width"] == 7
    assert "local-mean" in run(root, "-m", "cryodl", "--help")
    assert "edge of the box whose mean is taken" in run(
        root, "-m", "cryodl", "local-mean", "--help"
    )


def test_what_cannot_be_used_is_one_line_and_writes_nothing(copy):
    root = copy[0]
    words = ("-m", "cryodl", "local-mean", "map.mrc", "-o", "none")
    said = run(root, *words, "--width", "0", code=2)
    assert "--width=0 is not between 1 and 100 Å" in said and "Traceback" not in said
    said = run(root, *words, "--mask", "missing.mrc", code=2)
    assert "missing.mrc" in said and "Traceback" not in said
    assert not (root / "none").exists()


def test_python_function(copy):
    said = run(
        copy[0],
        "-c",
        "import cryodl\n"
        "result = cryodl.run_local_mean('map.mrc', width=8)\n"
        "print(result.volumes['resolution'].data.shape)\n"
        "try:\n    cryodl.run_local_mean('map.mrc', widht=8)\n"
        "except TypeError as error:\n    print(error)\n",
    )
    assert "(32, 36, 40)" in said and "did you mean 'width'" in said


def test_it_has_the_properties_of_all_methods(copy):
    """The tests that every method of one map has, run in the copy on the new one alone."""
    shutil.copy(Path(__file__).parent / "methods" / "test_properties.py", copy[0])
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_properties.py", "-k")
    assert "4 passed" in run(copy[0], *words, "local-mean and not there_are")


def test_page_of_commands(copy):
    run(copy[0], "docs/make_commands.py")
    page = (copy[0] / "docs" / "commands.rst").read_text("utf-8")
    assert "cryodl local-mean\n=====" in page and "``--width Å``" in page


@pytest.mark.skipif(find_spec("pwem") is None, reason="Scipion is not installed")
def test_form(copy):
    said = run(
        copy[0],
        "-c",
        "from cryodl.protocols import CryodlProtLocalMean\n"
        "protocol = CryodlProtLocalMean()\n"
        "print(protocol.getParam('width').getDefault(), protocol.getParam('width').help.get())\n"
        "protocol.width.set(0)\n"
        "print(protocol._validate())\n",
    )
    assert "10.0 edge of the box whose mean is taken" in said
    assert "Width of the box: is not between 1 and 100 Å." in said
    json.loads((copy[0] / "cryodl" / "protocols.conf").read_text("utf-8").split("=", 1)[1])
