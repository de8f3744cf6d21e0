"""Bundles that a command cannot use: one line, exit code 2, and nothing is written."""

import json
import os
import shutil
from pathlib import Path

import pytest

from cryodl.cli.main import main
from cryodl.networks.openvino_backend import can_run_openvino
from cryodl.networks.spec import SHIPPED
from cryodl.tests.cli.test_cli_localres import ball
from cryodl.tests.cli.test_cli_localres import write as write_map
from cryodl.tests.networks.test_bundle_proof import as_earlier, read, relist, write

COMMANDS = {  # and a bundle of theirs, and one of another method
    "localres": (["localres", "{map}", "-o", "{out}"], "deepres-low", "class-dnn"),
    "cryores": (["localres", "{map}", "-o", "{out}", "--method", "cryores"],
                "cryores-single", "deepres-low"),
    "unet-monores": (["localres", "{map}", "-o", "{out}", "--method", "unet-monores"],
                     "unet-monores", "cryores-single"),
    "classify": (["classify", "{map}", "--json", "{out}"], "class-dnn", "enhance-tight"),
    "enhance": (["enhance", "{map}", "-o", "{out}", "--model", "tight"], "enhance-tight",
                "deepres-low"),
    "mask": (["mask", "{map}", "-o", "{out}.mrc"], "cryores-single", "unet-resmap"),
}  # fmt: skip


@pytest.fixture(scope="module")
def density(tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "map.mrc"
    write_map(path, ball())
    return path


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def swapped(folder):
    """OpenVINO files of another network under this one's names, and listed so."""
    other = SHIPPED / ("unet-resmap" if "unet-resmap" not in str(folder) else "deepres-low")
    for end in (".xml", ".bin"):
        shutil.copy(other / "light" / f"network{end}", folder / "light" / f"network{end}")
        relist(folder, f"light/network{end}")


def no_network(folder):
    path = folder / "light" / "network.xml"
    path.write_bytes(b"<net/>")
    relist(folder, "light/network.xml")


def cut(folder):
    path = folder / "light" / "network.bin"
    path.write_bytes(path.read_bytes()[:1000])
    relist(folder, "light/network.bin")


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


FAULTS = {
    "damaged weights": (lambda f: flip(f / "weights.json"), "checksum of .*json .*is damaged"),
    "damaged OpenVINO file": (lambda f: flip(f / "light" / "network.bin"), "checksum of .*bin .*"),
    "no network": (no_network, "OpenVINO cannot use .*network.xml"),
    "cut": (cut, "OpenVINO cannot use .*network.xml"),
    "swapped": (swapped, "OpenVINO (does not answer|cannot use)"),
    "empty folder": (empty, "has no spec.json: give a folder written by 'cryodl train'"),
    "future version": (lambda f: write(f, {**read(f), "format": 2}), "version 2, .* update cryodl"),
    "no JSON": (lambda f: (f / "spec.json").write_text("{'a': 1}"), "cannot be read as JSON"),
    "deep": (lambda f: (f / "spec.json").write_text("[" * 100000), "cannot be read as JSON"),
    "a pipe": (lambda f: [(f / "spec.json").unlink(), os.mkfifo(f / "spec.json")], "is a pipe"),
}


def run(name, density, folder, capsys):
    words, _, _ = COMMANDS[name]
    out = folder.parent / "out"
    given = [word.format(map=density, out=out) for word in words]
    code = main([*given, "--bundle", str(folder), "--device", "cpu"])
    lines = capsys.readouterr().err.strip().splitlines()
    assert not list(folder.parent.glob("out*"))
    return code, lines


@pytest.mark.parametrize("name", COMMANDS)
def test_a_bundle_of_another_method(name, density, tmp_path, capsys):
    folder = Path(shutil.copytree(SHIPPED / COMMANDS[name][2], tmp_path / "bundle"))
    code, lines = run(name, density, folder, capsys)
    assert code == 2 and len(lines) == 1
    assert f"is for {read(folder)['method']}, not for" in lines[0]


@pytest.mark.skipif(not can_run_openvino(), reason="OpenVINO is not installed")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["localres", "classify", "enhance", "mask"])
def test_a_bundle_that_cannot_be_used(name, fault, density, tmp_path, capsys):
    import re

    folder = Path(shutil.copytree(SHIPPED / COMMANDS[name][1], tmp_path / "bundle"))
    damage, message = FAULTS[fault]
    damage(folder)
    code, lines = run(name, density, folder, capsys)
    assert code == 2 and len(lines) == 1 and lines[0].startswith("cryodl: ")
    assert re.search(message, lines[0]), lines[0]


@pytest.mark.filterwarnings("default::cryodl.errors.BundleWarning")
def test_an_earlier_bundle_warns_once_in_one_line(density, tmp_path, capsys):
    folder = Path(shutil.copytree(SHIPPED / "class-dnn", tmp_path / "bundle"))
    as_earlier(folder)
    spec = read(folder)
    del spec["sha256"]
    write(folder, spec)
    (folder / "vector.npz").unlink()
    out = str(tmp_path / "found.json")
    words = ["classify", str(density), "--json", out, "--bundle", str(folder), "--device", "cpu"]
    assert main(words) == 0
    said = [x for x in capsys.readouterr().err.splitlines() if "earlier version" in x]
    assert len(said) == 1 and said[0].startswith("warning: bundle ")
    assert json.loads(Path(out).read_text(encoding="utf-8"))
