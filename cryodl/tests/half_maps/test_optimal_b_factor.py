"""The B-factor of the highest expected correlation: on spectra that are known, and on maps."""

from pathlib import Path

import numpy as np
import pytest

from cryodl.filters.sharpen import apply_bfactor
from cryodl.half_maps.pair import (
    Spectrum,
    expected_correlation,
    half_sum,
    optimal_b_factor,
    signal_and_noise,
)
from cryodl.resolution_maps.local_filter import low_pass
from cryodl.simulation.simulated_experiment import simulate_experiment
from cryodl.simulation.structure import read_structure
from cryodl.tests.half_maps.simulated_half_maps import packed_ball, simulate_half_maps

PROTEIN = Path(__file__).parents[1] / "data" / "1c75.pdb"
S = np.linspace(0, 0.4, 81)
ATOMS = np.exp(-3 * S)


def spectrum(b_factor, noise):
    """Atoms blurred by a B-factor, and flat noise."""
    signal = (ATOMS * np.exp(-b_factor * S**2 / 4)) ** 2
    return Spectrum(S, signal, np.full_like(S, noise), ATOMS)


@pytest.mark.parametrize("b_factor", [0, 60, 240, 1400])
def test_without_noise_all_of_the_fall_off_is_made_up_for(b_factor):
    made = spectrum(b_factor, 0.0)
    assert optimal_b_factor(made) == -b_factor
    assert expected_correlation(made, [-b_factor])[0] == pytest.approx(1)
    assert expected_correlation(made, [-b_factor - 50, -b_factor + 50]).max() < 0.999


def test_noise_forbids_some_of_it():
    found = [optimal_b_factor(spectrum(200, noise)) for noise in (0, 1e-6, 1e-5, 1e-4, 1e-2)]
    assert found == sorted(found) and found[0] == -200 and found[1] < found[-1] - 50


@pytest.fixture(scope="module")
def halves():
    positions, elements = packed_ball(16)
    regions = np.zeros(len(elements), int)
    return simulate_half_maps(positions, elements, regions, [4.0], 1.2, (56,) * 3)


def recommended(half1, half2, inside, resolution=4.0):
    volume = low_pass(half_sum(half1, half2), resolution)
    return optimal_b_factor(signal_and_noise(volume, half1, half2, inside, resolution))


def test_a_blurred_map_asks_for_as_much_more(halves):
    half1, half2, inside, _ = halves
    first = recommended(half1, half2, inside)
    blurred = recommended(*(apply_bfactor(half, 80.0) for half in (half1, half2)), inside)
    assert blurred == pytest.approx(first - 80, abs=6)


@pytest.mark.parametrize("resolution", [3.5, 5.0])
def test_the_density_of_the_atoms_confirms_it(resolution):
    """Correlation with a protein's density, over all B-factors, is highest near it."""
    molecule = read_structure(PROTEIN)
    made = simulate_experiment(
        molecule, {"resolution": resolution, "voxel_size": 1.4, "fall_off": 8.0}, 3
    )
    half1, half2 = made.volume("half1"), made.volume("half2")
    model = low_pass(made.volume("model"), resolution).data[made.mask]
    volume = low_pass(half_sum(half1, half2), resolution)
    bfactors = np.arange(0, -401, -20)
    alike = [
        np.corrcoef(apply_bfactor(volume, float(b)).data[made.mask], model)[0, 1] for b in bfactors
    ]
    best = float(bfactors[int(np.argmax(alike))])
    assert recommended(half1, half2, made.mask, resolution) == pytest.approx(best, abs=40)
