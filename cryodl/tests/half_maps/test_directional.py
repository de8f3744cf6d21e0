"""FSC in cones: known answers where noise differs by direction, and none where it does not."""

import numpy as np
import pytest

from cryodl.half_maps.cones import cell_centres, cells_and_shells
from cryodl.half_maps.directional import SURE, UNEVEN, directional_fsc
from cryodl.half_maps.fsc import estimate_fsc
from cryodl.maps.volume import Volume

N, VOXEL = 96, 1.5
AXIS = np.array([0.6, 0.0, 0.8])  # z, y, x
BEND = 0.27  # near the end of the whole map


def falling(s, beyond=40.0):
    """Amplitude of the signal by frequency, 1/voxel; with another B-factor beyond BEND."""
    return np.exp(-40 * np.minimum(s, BEND) ** 2 - beyond * np.maximum(s**2 - BEND**2, 0))


def halves(more: float, seed=0, beyond=40.0):
    """Two maps of one white signal that falls off, with noise `more` times as strong about AXIS."""
    rng = np.random.default_rng(seed)
    f = [np.fft.fftfreq(N)[:, None, None], np.fft.fftfreq(N)[:, None], np.fft.rfftfreq(N)]
    radius = np.maximum(np.sqrt(f[0] ** 2 + f[1] ** 2 + f[2] ** 2), 1e-9)
    along = np.abs(f[0] * AXIS[0] + f[1] * AXIS[1] + f[2] * AXIS[2]) / radius
    noise = np.where(along > np.cos(np.radians(35)), more, 1.0)
    signal = np.fft.rfftn(rng.normal(size=(N, N, N))) * falling(radius, beyond)

    def half():
        spectrum = signal + 0.1 * noise * np.fft.rfftn(rng.normal(size=(N, N, N)))
        return Volume(np.fft.irfftn(spectrum, s=(N, N, N)).astype(np.float32), VOXEL)

    return half(), half()


def found(more, seed=0, beyond=40.0):
    first, second = halves(more, seed, beyond)
    weights = np.ones((N, N, N), np.float32)
    return directional_fsc(first, second, weights, estimate_fsc(first, second, weights))


def known(noise: float, beyond=40.0) -> float:
    """Å at which the signal and noise 0.1 x `noise` correlate to 0.143."""
    s = np.linspace(0.01, 0.5, 5000)
    power = falling(s, beyond) ** 2
    return VOXEL / s[np.argmax(power / (power + (0.1 * noise) ** 2) < 0.143)]


def test_resolution_in_cones_is_that_of_their_noise():
    result = found(3.0)
    along = np.abs(result.directions @ AXIS)
    inner = along > np.cos(np.radians(10))
    outer = along < np.cos(np.radians(60))
    assert inner.sum() > 5 and outer.sum() > 100
    assert np.median(result.resolutions[inner]) == pytest.approx(known(3.0), rel=0.05)
    assert np.median(result.resolutions[outer]) == pytest.approx(known(1.0), rel=0.05)
    assert result.anisotropic and result.area_ratio < 0.8 and result.sphericity < 0.99
    assert result.uneven > UNEVEN and result.certainty > 5 * SURE
    axis = np.array(result.worst(1)[0]["axis"][::-1])
    assert np.degrees(np.arccos(abs(axis @ AXIS))) < 20


def test_finer_cones_follow_the_curve_that_they_show():
    result = found(0.3, beyond=20.0)  # the whole map ends where the signal begins to fall less
    inner = np.abs(result.directions @ AXIS) > np.cos(np.radians(10))
    fine = known(0.3, 20.0)
    assert fine < 0.9 * known(0.3)
    assert np.median(result.resolutions[inner]) == pytest.approx(fine, rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_even_noise_is_not_called_anisotropic(seed):
    result = found(1.0, seed)
    assert not result.anisotropic and result.sphericity > 0.99
    assert result.uneven < 0.1 and result.certainty < SURE
    assert result.areas.std() < 3 * result.chance
    # of four hundred cones not one is far off
    assert result.resolutions == pytest.approx(known(1.0), rel=0.05)


def test_the_map_of_directions_holds_the_curve_of_each_cone():
    result = found(3.0)
    data = result.volume().data
    middle = len(data) // 2
    assert data.shape == (2 * middle + 1,) * 3 and data[middle, middle, middle] == 1
    assert np.array_equal(data[..., :middle], data[::-1, ::-1, :middle:-1])
    for i in range(0, len(result.directions), 50):
        for shell in (12, 24):
            at = np.rint(middle + shell * result.directions[i]).astype(int)
            near = np.abs(result.directions @ result.directions[i]) > np.cos(np.radians(10))
            low, high = result.fsc[near, shell - 1 : shell + 2].min(), result.fsc[near].max()
            assert low - 1e-6 <= data[tuple(at)] <= high + 1e-6


def test_one_cone_does_not_lead_the_colours(tmp_path):
    from matplotlib.image import imread

    from cryodl.report.half_map_curves import draw_directional

    directions, curves = cell_centres(), np.ones((len(cell_centres()), 9))
    values = 4 + directions[:, 0] * 0.2
    for name, odd in (("without", 4.0), ("with", 40.0)):
        draw_directional(directions, np.append(values[:-1], odd), np.arange(9) / 20, curves,
                         tmp_path / name)  # fmt: skip
    first, second = (imread(tmp_path / f"{name}.png")[:, :900] for name in ("without", "with"))
    assert np.mean(np.abs(first - second).max(axis=2) > 0.1) < 0.01


def test_worst_directions_are_apart():
    axes = [np.array(worst["axis"]) for worst in found(1.0).worst()]
    assert len(axes) == 3
    angles = [np.degrees(np.arccos(abs(a @ b))) for i, a in enumerate(axes) for b in axes[:i]]
    assert min(angles) >= 39


def test_every_coefficient_lies_in_the_cell_of_its_direction():
    centres = cell_centres()
    assert np.allclose(np.linalg.norm(centres, axis=1), 1) and (centres[:, 2] >= 0).all()
    shape = (12, 14, 16)
    for z, (cells, shells) in zip(np.fft.fftfreq(12), cells_and_shells(shape)):
        y, x = np.meshgrid(np.fft.fftfreq(14), np.fft.rfftfreq(16), indexing="ij")
        direction = np.stack([np.full(y.shape, z), y, x], axis=-1)
        length = np.linalg.norm(direction, axis=-1)
        there = length > 0
        cosine = np.abs((direction * centres[cells]).sum(-1)[there]) / length[there]
        assert np.degrees(np.arccos(cosine.clip(0, 1))).max() < 5
        assert np.array_equal(shells, np.rint(length * 16))
