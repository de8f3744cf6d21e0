"""Shells and frequencies of a transform: numbered, cut and put back as they should be."""

import numpy as np
import pytest

from cryodl.filters.shells import (
    inverse,
    low_frequencies,
    radial_frequencies,
    shell_planes,
    transform,
)

SHAPE = 12, 18, 20


def test_shells_are_the_radial_frequencies_in_steps_of_the_longest_edge():
    radius = radial_frequencies(SHAPE, 1.5)
    assert radius.shape == (12, 18, 11) and radius[0, 0, -1] == pytest.approx(0.5 / 1.5)
    for steps in (1, 4):
        shells = np.stack(list(shell_planes(SHAPE, steps)))
        assert np.abs(shells - radius * 1.5 * 20 * steps).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("sizes", [(6, 9, 10), (12, 8, 14), (4, 6, 5)])
def test_low_frequencies_are_the_same_wave_on_a_coarser_grid(sizes):
    def wave(shape):
        z, y, x = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
        return np.cos(2 * np.pi * (z - y + 2 * x)) + 0.5 * np.sin(2 * np.pi * (y + x))

    part = low_frequencies(transform(wave(SHAPE)), SHAPE, sizes)
    found = inverse(part, sizes) * (np.prod(sizes) / np.prod(SHAPE))
    assert found == pytest.approx(wave(sizes), abs=1e-5)


def test_zeros_are_added_before_the_transform():
    data = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    padded = np.pad(data, [(0, 3), (0, 2), (0, 1)])
    assert transform(data, padded.shape) == pytest.approx(transform(padded), abs=1e-4)
