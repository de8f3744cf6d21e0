"""The picture of an FSC."""

import re

import numpy as np
import pytest

from cryodl.report.half_map_curves import LINES, draw_fsc

FREQUENCIES = np.arange(65) / 128


@pytest.fixture(scope="module")
def curves():
    falling = 1 / (1 + np.exp((FREQUENCIES - 0.3) / 0.02))
    zero = np.zeros_like(falling)
    return {"unmasked": falling**2, "masked": falling, "randomised": zero, "corrected": falling}


def draw(curves, base, **options):
    draw_fsc(FREQUENCIES, curves, base, **options)
    return base.with_suffix(".svg").read_text(encoding="utf-8")


def test_it_names_curves_thresholds_and_both_units(curves, tmp_path):
    found = {0.143: 3.01, 0.5: 3.33}
    text = draw(curves, tmp_path / "fsc", resolutions=found, randomised_from=4.0, title="half1.mrc")
    assert (tmp_path / "fsc.png").stat().st_size > 10_000
    for label in ("unmasked", "phases randomised", "corrected", "half1.mrc", "0.143: 3.01 Å",
                  "0.5: 3.33 Å", "Spatial frequency (1/Å)", "Resolution (Å)"):  # fmt: skip
        assert f">{label}<" in text
    for colour in ("#2a9d8f", "#1f6f8b", "#d1495b"):
        assert colour in text


def test_without_randomised_phases_their_curve_is_left_out(curves, tmp_path):
    text = draw(curves, tmp_path / "fsc", resolutions={0.143: None}, randomised_from=None)
    assert "phases randomised" not in text and "0.143: no resolution" in text


@pytest.mark.parametrize("nyquist", [0.1, 0.5, 0.8])
def test_labels_in_angstrom_stand_apart(nyquist, curves, tmp_path):
    frequencies = FREQUENCIES * 2 * nyquist
    draw_fsc(frequencies, curves, tmp_path / "fsc", resolutions={0.143: 1.05 / nyquist})
    text = (tmp_path / "fsc.svg").read_text(encoding="utf-8")
    labels = [float(v) for v in re.findall(r">(\d+(?:\.\d+)?)</text>", text)]
    assert 1 / nyquist * 1.25 in labels or len(labels) > 10
    assert set(LINES) >= set(curves)


def test_a_curve_that_does_not_cross_has_an_arrow_and_no_point(curves, tmp_path):
    def points(resolution):
        text = draw(curves, tmp_path / "fsc", resolutions={0.143: resolution})
        return text.count("<use "), "or better" in text

    (crossed, better), (beyond, at_end) = points(3.0), points(2.0)
    assert not better and at_end and beyond == crossed - 1


def test_unequal_lengths_are_refused(curves, tmp_path):
    with pytest.raises(ValueError, match="64 values for 65"):
        draw_fsc(FREQUENCIES, {"masked": curves["masked"][1:]}, tmp_path / "x", resolutions={})
