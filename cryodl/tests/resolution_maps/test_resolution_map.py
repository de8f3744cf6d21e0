"""What every package writes where it knows nothing becomes 0; what is no resolution is refused."""

import numpy as np
import pytest

from cryodl.errors import InputError, SettingError
from cryodl.maps.volume import Volume
from cryodl.resolution_maps.resolution_map import read_resolution


def truth(shape=(20, 22, 24)):
    """Resolutions of 3 to 5 Å in a ball."""
    z, y, x = (i - n / 2 for i, n in zip(np.indices(shape), shape))
    inside = z**2 + y**2 + x**2 < 7**2
    values = np.random.default_rng(0).uniform(3, 5, shape).astype(np.float32)
    return values, inside


def in_volume(data):
    return Volume(data, 1.2, (3.0, 4.0, 5.0))


@pytest.mark.parametrize("fill", [0, 100, 1e6, 4.0, 50.0, -1, np.nan, np.inf])
def test_any_fill_around_the_molecule_is_background(fill):
    values, inside = truth()
    found = read_resolution(in_volume(np.where(inside, values, fill)))
    np.testing.assert_array_equal(found.mask, inside)
    np.testing.assert_array_equal(found.resolution.data, np.where(inside, values, 0))
    assert found.resolution.origin == (3.0, 4.0, 5.0)
    assert found.background == (fill if np.isfinite(fill) else None)
    assert "background" in found.note and not found.warnings


def test_unresolved_voxels_inside_are_background_too():
    values, inside = truth()
    holes = inside & (np.random.default_rng(1).random(values.shape) < 0.1)
    for unknown in (0, 100, np.nan):
        data = np.where(inside, values, 100)
        data[holes] = unknown
        np.testing.assert_array_equal(read_resolution(in_volume(data)).mask, inside & ~holes)


def test_a_true_value_equal_to_the_fill_is_kept_where_the_background_does_not_reach():
    values, inside = truth()
    data = np.where(inside, values, 4.0)
    data[8:13, 9:13, 10:14] = 4.0
    found = read_resolution(in_volume(data))
    np.testing.assert_array_equal(found.mask, inside)
    assert any("background does not reach" in line for line in found.warnings)


def test_steps_of_resmap_are_not_background():
    values, inside = truth()
    data = np.where(inside, np.round(values * 2) / 2, 100)
    found = read_resolution(in_volume(data))
    np.testing.assert_array_equal(found.mask, inside)
    assert not found.warnings


def test_a_doubtful_repeated_value_is_kept_and_named():
    values, inside = truth()
    data = np.where(inside, values, 0)
    data[:, :11][inside[:, :11]] = 12.0
    found = read_resolution(in_volume(data))
    np.testing.assert_array_equal(found.mask, inside)
    assert any("12 Å" in line and "--background" in line for line in found.warnings)
    given = read_resolution(in_volume(data), background=12)
    np.testing.assert_array_equal(given.mask, inside & (data != 12))
    assert not given.warnings


def test_a_mask_limits_what_is_known():
    values, inside = truth()
    half = inside.copy()
    half[10:] = False
    found = read_resolution(in_volume(values), mask=half)
    np.testing.assert_array_equal(found.mask, half)
    assert read_resolution(in_volume(values)).warnings  # solvent among them


def test_a_better_resolution_than_the_voxels_hold_is_named():
    values, inside = truth()
    found = read_resolution(in_volume(np.where(inside, values / 2, 0)))
    assert any("cannot hold" in line for line in found.warnings)


@pytest.mark.parametrize(
    "data, said",
    [
        (np.random.default_rng(0).normal(size=(9, 9, 9)), "looks like a density"),
        (np.where(truth()[1], 1.0, 0.0), "looks like a mask"),
        (np.where(truth()[1], 1 / truth()[0], 0.0), "frequencies"),
        (np.where(truth()[1], 200.0, 0.0), "no voxel with a resolution"),
    ],
    ids=["density", "mask", "frequency", "too large"],
)
def test_what_is_no_local_resolution_is_refused(data, said):
    with pytest.raises(InputError, match=said):
        read_resolution(in_volume(data))


def test_background_must_be_a_number():
    with pytest.raises(SettingError, match="neither auto nor a finite number"):
        read_resolution(in_volume(truth()[0]), background="white")
    for value in ("nan", float("inf"), "-inf"):
        with pytest.raises(SettingError, match="inf|nan.*is neither auto nor a finite number"):
            read_resolution(in_volume(truth()[0]), background=value)
    found = read_resolution(in_volume(truth()[0]), background="-1")
    assert found.note.startswith("background (-1 given): ")
