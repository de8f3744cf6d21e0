"""Half maps that do not lie on each other are told, and sound ones are not."""

from functools import lru_cache

import numpy as np
import pytest

from cryodl import Volume, run_fsc
from cryodl.filters.shells import inverse, transform
from cryodl.half_maps.alignment import misfit, unlike
from cryodl.half_maps.pair import read_halves


def blurred(data, sigma):
    frequencies = np.fft.fftfreq(len(data)) ** 2
    s2 = frequencies[:, None, None] + frequencies[:, None] + frequencies[: len(data) // 2 + 1]
    spectrum = transform(data) * np.exp(-2 * np.pi**2 * sigma**2 * s2)
    return inverse(spectrum.astype(np.complex64), data.shape)


@lru_cache
def pair(n=64):
    """A lopsided molecule of bright blobs with noise, in a box of n voxels; ndarrays (z, y, x)."""
    rng = np.random.default_rng(7)
    molecule = np.zeros((n, n, n), np.float32)
    for place in rng.integers(n // 4, n * 3 // 4, (300, 3)):
        molecule[tuple(place)] = 1
    molecule = blurred(molecule, 1.5 * n / 64)
    molecule /= molecule.std()
    return [molecule + rng.standard_normal(molecule.shape, np.float32) for _ in range(2)]


def judged(half1, half2):
    return misfit(Volume(half1, 1.5), Volume(np.ascontiguousarray(half2), 1.5))


WRONG = {
    "multiply half map 2 by -1": lambda half: -half,
    "mirror one of the half maps": lambda half: half[:, ::-1],
    "multiply half map 2 by -1 and mirror one of the half maps": lambda half: -half[::-1],
    "give half maps that lie on each other": lambda half: np.roll(half, (1, 2, 3), (0, 1, 2)),
    "multiply half map 2 by -1 and give half maps that lie on each other": (
        lambda half: -np.roll(half, 5, 1)
    ),
}


@pytest.mark.parametrize("remedy", WRONG)
def test_what_is_wrong_with_a_half_is_told(remedy):
    half1, half2 = pair()
    found = judged(half1, WRONG[remedy](half2))
    assert found.remedy == remedy
    assert ("(-3, -2, -1) voxels" in found.evidence) == remedy.startswith("give")
    assert ("one is mirrored" in found.evidence) == remedy.endswith("maps")


def test_sound_halves_and_noise_are_left_alone():
    half1, half2 = pair()
    assert judged(half1, half2) is None
    assert judged(100 * half1, half2) is None
    rng = np.random.default_rng(3)
    assert judged(*(rng.standard_normal((48, 50, 44), np.float32) for _ in range(2))) is None


def test_a_shift_of_one_voxel_is_told_of_a_large_map():
    half1, half2 = pair(150)
    assert judged(half1, half2) is None
    assert "shifted by (-1, 0, 0) voxels" in judged(half1, np.roll(half2, 1, 2)).evidence


def test_commands_warn():
    half1, half2 = (Volume(half, 1.5) for half in pair())
    wrong = half2.with_data(half2.data[::-1].copy())
    (said,) = read_halves(half1, wrong)[2]
    assert "do not lie on each other" in said and "mirrored" in said
    assert said in run_fsc(half1, wrong).stats["warnings"]
    assert read_halves(half1, half2)[2] == []


@pytest.mark.parametrize(
    "made, said",
    [
        (lambda one, two: one + two, "half map 2 holds half map 1"),
        (lambda one, two: blurred(one + two, 1.0), "filtered or masked otherwise"),
        (lambda one, two: blurred(two, 1.0), "filtered or masked otherwise"),
        (lambda one, two: 7 * two, None),
    ],
)
def test_halves_of_two_kinds_are_told(made, said):
    half1, half2 = (Volume(each, 1.5) for each in pair())
    other = half1.with_data(made(half1.data, half2.data))
    notes = read_halves(half1, other)[2]
    assert notes == [] if said is None else said in notes[0]
    if said and "holds" in said:
        assert "half map 1 holds half map 2" in unlike(other, half1).evidence
