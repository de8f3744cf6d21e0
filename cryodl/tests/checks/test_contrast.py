"""Maps of the wrong sign, and maps of nothing, are told from maps."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryodl.checks.input import check_map
from cryodl.checks.noise import INVERTED, NOISE, contrast_warning
from cryodl.checks.quiet import quiet_rim
from cryodl.maps.mask import existing_mask
from cryodl.maps.mrc import read_map
from cryodl.maps.volume import Volume

EXAMPLES = Path(__file__).parents[3] / "examples"


def judged(volume):
    return contrast_warning(volume, existing_mask(volume.data))


@pytest.mark.parametrize("name", ["emd_3186.map.gz", "emd_30342_zone.mrc.gz"])
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12])
def test_real_maps_are_fine_and_their_negatives_are_not(name, scale):
    """One whole, one masked; at any scale, and with any offset."""
    volume = read_map(EXAMPLES / name)
    scaled = volume.with_data(volume.data * np.float32(scale))
    assert judged(scaled) is None
    assert judged(volume.with_data(3 - volume.data)) == INVERTED
    assert judged(volume.with_data(-scaled.data)) == INVERTED


def test_noise_is_no_molecule_and_a_faint_molecule_is_no_noise():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(80, 84, 88))
    assert judged(Volume(noise, 1.0)) == NOISE
    z, y, x = np.indices(noise.shape) - 40
    ball = z**2 + y**2 + x**2 < 14**2
    molecule = gaussian_filter(ball * rng.normal(1, 2, noise.shape), 1.0)
    faint = molecule / molecule.std() * 0.35 + noise  # an eighth of the noise's power
    assert judged(Volume(faint, 1.0)) is None


SIZES = [(48, 1.0), (64, 1.0), (64, 1.35), (80, 2.0), (64, 3.0), (96, 1.2)]
KINDS = {
    "white": lambda noise: noise,
    "low-passed": lambda noise: low_passed(noise, 0.2),
    "low-passed further": lambda noise: low_passed(noise, 0.1),
    "smoothed": lambda noise: gaussian_filter(noise, 1.0, mode="wrap"),
    "smoothed further": lambda noise: gaussian_filter(noise, 2.5),
    "in bytes": lambda noise: np.rint(gaussian_filter(noise, 1.0) * 100),
}


def low_passed(data, cut):
    squares = sum(f**2 for f in np.meshgrid(*map(np.fft.fftfreq, data.shape), indexing="ij"))
    return np.fft.ifftn(np.fft.fftn(data) * (squares < cut**2)).real


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_known_for_noise_however_it_was_filtered(kind):
    for seed, (n, voxel) in enumerate(SIZES):
        noise = np.random.default_rng(seed).normal(size=(n, n, n))
        assert judged(Volume(KINDS[kind](noise), voxel)) == NOISE, (kind, n, voxel)


@pytest.mark.parametrize("kind", KINDS)
def test_a_molecule_in_filtered_noise_is_none_and_its_negative_is_inverted(kind):
    rng = np.random.default_rng(1)
    z, y, x = np.indices((72,) * 3) - 36
    ball = z**2 + (y / 1.3) ** 2 + x**2 < 13**2
    molecule = gaussian_filter(ball * rng.normal(1, 2, ball.shape), 1.0)
    data = KINDS[kind](molecule / molecule.std() * 0.6 + rng.normal(size=ball.shape))
    assert judged(Volume(data, 1.3)) is None
    assert judged(Volume(-data, 1.3)) == INVERTED


def test_a_small_masked_molecule_that_is_inverted_is_named():
    rng = np.random.default_rng(3)
    radius = np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0)
    inside = radius < 13
    grains = gaussian_filter(rng.gamma(1.0, size=radius.shape), 0.7)
    density = np.where(inside, grains - 0.9 * grains[inside].mean(), 0).astype(np.float32)
    assert contrast_warning(Volume(density, 1.0), inside) is None
    assert contrast_warning(Volume(-density, 1.0), inside) == INVERTED


def test_it_is_said_instead_of_a_wrong_voxel_size():
    volume = read_map(EXAMPLES / "emd_3186.map.gz")
    said = check_map(volume.with_data(-volume.data))
    assert INVERTED in said and not any("for its voxel size" in line for line in said)


def tube(n, voxel, inner, outer, seed=0):
    """Along z through the whole box; radii in Å."""
    rng = np.random.default_rng(seed)
    _, y, x = (np.indices((n,) * 3) - n / 2 + 0.5) * voxel
    radius = np.hypot(x, y)
    wall = gaussian_filter(((radius > inner) & (radius < outer)).astype(float), 8 / voxel)
    return wall + rng.normal(0, 0.05, wall.shape)


@pytest.mark.parametrize("voxel", [2.0, 6.0])
def test_filaments_that_fill_their_box_are_neither(voxel):
    n = round(288 / voxel)
    density = tube(n, voxel, 50, 125)
    part = slice(n // 8, -(n // 8))
    crowded = density[:, part, part]  # the molecule is most of it
    for data in (density, crowded):
        assert judged(Volume(data, voxel)) is None


def test_inverted_contrast_is_told_where_the_box_is_quiet_beyond_a_sphere():
    rng = np.random.default_rng(1)
    z, y, x = np.indices((72,) * 3) - 36
    ball = z**2 + (y / 1.3) ** 2 + x**2 < 16**2
    molecule = gaussian_filter(ball * rng.normal(1, 2, ball.shape), 1.0)
    data = molecule / molecule.std() + 0.3 * gaussian_filter(rng.normal(size=ball.shape), 0.7)
    data *= z**2 + y**2 + x**2 < 33**2
    assert quiet_rim(Volume(-data, 1.3)) is not None
    assert INVERTED not in check_map(Volume(data, 1.3))
    assert INVERTED in check_map(Volume(-data, 1.3))
