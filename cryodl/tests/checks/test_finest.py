"""No answer is finer than what a map holds: its voxels, or the end of its spectrum."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter, zoom

from cryodl.checks.finest import coarser_by, finest_possible, finest_stats, finest_warning
from cryodl.maps.mrc import read_map
from cryodl.maps.resample import resample
from cryodl.maps.volume import Volume

EXAMPLES = Path(__file__).parents[3] / "examples"
N = 64


def molecule(seed=0, noise=0.3):
    """Points in a ball, blurred a little, with noise of so many standard deviations."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(900, 3))
    places *= rng.random((900, 1)) ** (1 / 3) / np.linalg.norm(places, axis=1, keepdims=True)
    density = np.zeros((N,) * 3)
    np.add.at(density, tuple((places * 18 + N / 2).astype(int).T), 1)
    density = gaussian_filter(density, 0.7)
    return density / density.std() + noise * rng.normal(size=density.shape)


def filtered(data, gain):
    z, y, x = map(np.fft.fftfreq, data.shape)
    s = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x[: len(x) // 2 + 1] ** 2)
    return np.fft.irfftn(np.fft.rfftn(data) * gain(s), s=data.shape)


def cropped_and_back(data, n):
    """In Fourier space a cube of n voxels is left."""
    cut = (len(data) - n) // 2
    kept = np.zeros_like(data)
    kept[(slice(cut, cut + n),) * 3] = 1
    return np.fft.ifftn(np.fft.fftn(data) * np.fft.ifftshift(kept)).real


def voxels(data):
    return finest_possible(Volume(data, 1.7)) / 1.7


@pytest.mark.parametrize("noise", [0.0, 0.3, 100.0])
@pytest.mark.parametrize("cut", [0.12, 0.25, 0.4])
def test_a_hard_low_pass_is_an_end(noise, cut):
    """Told not coarser than it is, and finer by one shell and a half at most."""
    found = voxels(filtered(molecule(noise=noise), lambda s: s < cut))
    assert 1 / (cut + 1.5 / N) < found < 1.01 / cut


@pytest.mark.parametrize("noise", [0.0, 0.3, 100.0])
@pytest.mark.parametrize("n", [24, 44])
def test_so_is_the_cube_of_a_coarser_grid(noise, n):
    found = voxels(cropped_and_back(molecule(noise=noise), n))
    assert 2 * N / (n + 4) < found < 2.02 * N / n


def test_and_a_cosine_edge_but_only_where_it_has_fallen():
    """RELION's filters fall within some five shells; signal in them counts."""
    cosine = lambda s: 0.5 + 0.5 * np.cos(np.pi * np.clip((s - 0.2) * N / 5, 0, 1))  # noqa: E731
    assert 1 / (0.2 + 6 / N) < voxels(filtered(molecule(), cosine)) < 1 / (0.2 + 3 / N)


def test_a_map_brought_to_finer_voxels_and_cut_out_keeps_its_end():
    finer = resample(Volume(molecule(), 1.4), 1.0)
    assert 2.6 < finest_possible(finer) < 2.83
    part = Volume(finer.data[8:-5, 3:-10, 6:], 1.0)
    assert 2.6 < finest_possible(part) < 2.83


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_ordinary_maps_have_none(noise):
    data = molecule(noise=noise)
    for sd in (0.0, 1.0, 2.0, 5.0):
        smooth = gaussian_filter(data.astype(np.float32), sd)
        assert voxels(smooth) == pytest.approx(2), sd
        fall = filtered(data, lambda s, sd=sd: np.exp(-2 * (np.pi * sd * s) ** 2))
        assert voxels(fall) == pytest.approx(2), sd
        assert voxels(np.rint(30 * smooth / smooth.std())) == pytest.approx(2), sd
    soft = gaussian_filter((gaussian_filter(data, 3) > 0.3).astype(float), 2)
    for other in (uniform_filter(data, 3), data * soft, data * (soft > 0.5), 1e-12 * data,
                  filtered(data, lambda s: 1 / (1 + (s / 0.2) ** 8))):  # fmt: skip
        assert voxels(other) == pytest.approx(2)


def test_neither_constant_maps_nor_tiny_ones_nor_zones_have_one():
    assert voxels(np.full((40, 40, 40), 3.0)) == pytest.approx(2)
    assert voxels(filtered(molecule(), lambda s: s < 0.2)[:20]) == pytest.approx(2)
    zone = read_map(EXAMPLES / "emd_30342_zone.mrc.gz")
    assert finest_possible(zone) == pytest.approx(2 * zone.voxel_size)


def test_the_end_is_said():
    whole = Volume(molecule(), 1.5)
    assert finest_warning(whole, 3.0) is None
    assert finest_stats(whole, 3.0) == {"finest_possible": 3.0,
                                        "finest_possible_from": "two voxels"}  # fmt: skip
    assert "ends at 5.00 Å" in finest_warning(whole, 5.0)
    assert finest_stats(whole, 5.0)["finest_possible_from"] == "end of the spectrum"


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("factor", [2, 3])
def test_voxels_that_were_repeated_or_joined_by_lines_hold_no_more(order, factor):
    rng = np.random.default_rng(5)
    coarse = gaussian_filter(rng.normal(size=(20, 22, 24)), 0.6).astype(np.float32)
    if order == 0:
        fine = coarse.repeat(factor, 0).repeat(factor, 1).repeat(factor, 2)
    else:
        size = [factor * (n - 1) + 1 for n in coarse.shape]
        fine = zoom(coarse, [s / n for s, n in zip(size, coarse.shape)], order=1, grid_mode=False)
    fine = np.pad(fine, 9, constant_values=-0.123)  # as a mask leaves it
    volume = Volume(fine * 3e4 + 7, 1.3)
    assert finest_possible(volume) == pytest.approx(2 * 1.3 * factor, rel=0.06)
    assert "by repeating them or by lines" in finest_warning(volume, finest_possible(volume))
    assert "coarser grid" in finest_stats(volume, 2.6 * factor)["finest_possible_from"]


def test_flat_and_rounded_maps_come_from_no_coarser_grid():
    rng = np.random.default_rng(6)
    smooth = gaussian_filter(rng.normal(size=(40, 40, 40)), 4)
    rounded = np.round(smooth / smooth.std() * 20)
    masked = np.where(np.indices(smooth.shape)[0] > 25, 0, smooth)
    for data in (smooth, rounded, masked):
        assert coarser_by(Volume(data.astype(np.float32), 1.0)) == 1
