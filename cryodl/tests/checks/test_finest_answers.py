"""Every method keeps to what a map can hold."""

import numpy as np
import pytest

from cryodl.checks.finest import finest_possible
from cryodl.maps.volume import Volume
from cryodl.methods.cryores.run import run_single_map_resolution
from cryodl.methods.deepres.run import run_local_resolution
from cryodl.methods.half_map_resolution import run_half_map_resolution
from cryodl.methods.local_classes.run import possible, run_local_classes
from cryodl.methods.resolution_class.estimate import Classifier, answer_of
from cryodl.tests.checks.test_quiet import SPHERE, VOXEL, N, molecule, noise

CUT = 8.6  # Å
INSIDE = SPHERE < 15


@pytest.fixture(scope="module")
def halves():
    """Two halves that were low-passed, with sharp noise within: networks would read far finer."""
    z, y, x = (np.abs(np.fft.fftfreq(N)), np.abs(np.fft.fftfreq(N)), np.fft.rfftfreq(N))
    kept = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) < VOXEL / CUT
    sharp = 3 * molecule()
    return [Volume(np.fft.irfftn(np.fft.rfftn(sharp + noise(seed, 0)) * kept, s=(N,) * 3), VOXEL)
            for seed in (1, 2)]  # fmt: skip


METHODS = {
    # told not to look beyond 6 Å
    "deepres": lambda m, h: run_local_resolution(m, mask=SPHERE < 5, range="high"),
    "cryores": lambda m, h: run_single_map_resolution(m, mask=INSIDE),
    "unet-monores": lambda m, h: run_local_classes(m, mask=INSIDE, probabilities=True),
    "monogenic": lambda m, h: run_half_map_resolution(
        volume=m, method="monogenic", mask=Volume(INSIDE, VOXEL)),
    "sinusoid": lambda m, h: run_half_map_resolution(*h, method="sinusoid"),
    "localfsc": lambda m, h: run_half_map_resolution(*h, method="localfsc"),
}  # fmt: skip


SLOW = "unet-monores", "sinusoid"


@pytest.mark.parametrize(
    "name", [pytest.param(m, marks=[pytest.mark.slow] * (m in SLOW)) for m in METHODS]
)
def test_no_voxel_is_finer(name, halves):
    first, second = halves
    whole = first.with_data((first.data + second.data) / 2)
    finest = finest_possible(whole)
    assert 7.5 < finest < 1.01 * CUT
    result = METHODS[name](whole, halves)
    values = result.volumes["resolution"].data[result.volumes["mask"].data > 0]
    assert values.min() >= finest * (1 - 1e-6)
    assert result.stats["finest_possible"] == pytest.approx(finest, rel=1e-3)
    assert result.stats["min"] >= result.stats["finest_possible"] - 1e-3
    assert result.stats.get("global_resolution", 99) >= round(finest, 3)
    assert any("spectrum of the map ends" in line for line in result.stats["warnings"])
    if name == "unet-monores":
        assert result.volumes["classes"].data[INSIDE].min() >= 7
        assert sum(result.volumes[f"class_{i}"].data.max() for i in range(1, 7)) == 0


@pytest.mark.parametrize("model", [pytest.param("cnn", marks=pytest.mark.slow), "dnn"])
def test_nor_is_a_whole_map(model, halves):
    answer = Classifier(model)(halves[0], mask=Volume(INSIDE, VOXEL))
    assert answer.finest == pytest.approx(finest_possible(halves[0]))
    assert answer.interval[0] >= answer.finest and answer.resolution >= answer.finest
    assert answer.resolution_class != "high" and answer.probabilities["high"] == 0


def test_what_cannot_be_goes_to_the_finest_that_can():
    answer = np.array([[0.5, 0.3, 0.2, 2.1], [0.0, 0.0, 1.0, 6.0]], np.float32)
    found = possible(answer.copy(), [2.0, 3.0], 2.5)
    assert found == pytest.approx(np.array([[0, 0.8, 0.2, 2.5], [0, 0, 1, 6]]))
    assert possible(answer.copy(), [2.0, 3.0], 1.0) == pytest.approx(answer)
    edges = np.geomspace(2, 16, 9)
    sure = np.r_[0.6, 0.3, np.full(6, 0.1 / 6)]
    before, after = answer_of(sure, edges), answer_of(sure, edges, finest=6.0)
    assert before.resolution_class == "high" and after.resolution_class == "medium"
    assert after.interval[0] == after.resolution == 6.0 and after.interval[1] >= 6.0
    assert sum(after.probabilities.values()) == pytest.approx(1)
