"""Maps of the wrong sign, and maps of nothing, are told from maps."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryodl.engine.maps.check import check_map
from cryodl.engine.maps.contrast import INVERTED, NOISE, contrast_warning
from cryodl.engine.maps.masked import masked_support
from cryodl.engine.maps.mrc_io import read_map
from cryodl.engine.maps.volume import Volume

EXAMPLES = Path(__file__).parents[3] / "examples"


def judged(volume):
    return contrast_warning(volume, masked_support(volume.data))


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
