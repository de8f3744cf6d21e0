"""Half precision: chosen where it is fast, said in the result, and hardly another answer."""

import json
from pathlib import Path

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.compute import precision
from cryodl.compute.precision import choose_precision, in_half
from cryodl.errors import SettingError
from cryodl.maps.mrc import read_map
from cryodl.networks.openvino_backend import can_run_openvino

ZONE = Path(__file__).parents[3] / "examples" / "emd_30342_zone.mrc.gz"


@pytest.mark.parametrize("units", [True, False])
def test_half_is_taken_where_the_processor_has_matrix_units(units, monkeypatch):
    monkeypatch.setattr(precision, "_has_matrix_units", lambda: units)
    monkeypatch.delenv(precision.VARIABLE)
    assert in_half() is units
    for word, half in (("single", False), ("half", True), ("auto", units)):
        monkeypatch.setenv(precision.VARIABLE, word)
        assert in_half() is half
    choose_precision(None)
    assert in_half() is units


def test_another_word_is_refused(monkeypatch):
    monkeypatch.setenv(precision.VARIABLE, "double")
    with pytest.raises(SettingError, match="precision 'double' is unknown: choose one of auto, "):
        in_half()


@pytest.mark.skipif(not can_run_openvino(), reason="OpenVINO is not installed")
@pytest.mark.parametrize("method", ["cryores", "deepres"])
def test_resolutions_of_both_are_within_a_twentieth_of_an_angstrom(method, tmp_path, monkeypatch):
    found = {}
    for word in ("single", "half"):
        monkeypatch.setenv(precision.VARIABLE, word)
        words = ["localres", str(ZONE), "--method", method, "-o", str(tmp_path / word)]
        assert main([*words, "--precision", word]) == 0
        stats = json.loads((tmp_path / word / "stats.json").read_text())
        assert stats["precision"] == word
        found[word] = read_map(tmp_path / word / "resolution.mrc").data
    both = (found["single"] > 0) & (found["half"] > 0)
    off = np.abs(found["single"] - found["half"])[both]
    assert off.mean() < 0.05 and both.sum() > 0.99 * (found["single"] > 0).sum()
