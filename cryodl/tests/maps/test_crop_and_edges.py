"""Boxes around a mask, soft edges, and orientations at random."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from cryodl.maps.crop import bounding_box, box_around
from cryodl.maps.edges import along, cosine_edge, distance_up_to, half_cosine
from cryodl.maps.rotations import Rotation


def test_a_cosine_edge_is_one_before_it_and_nothing_beyond():
    distance = np.array([-1.0, 2.0, 3.0, 4.0, 9.0])
    assert cosine_edge(distance, 2.0, 2.0) == pytest.approx([1, 1, 0.5, 0, 0])
    part = np.linspace(-0.5, 1.5, 9)
    assert half_cosine(part, rising=True) == pytest.approx(1 - half_cosine(part))
    assert cosine_edge(distance.astype(np.float32), 2.0, 2.0).dtype == np.float32


def test_values_lie_along_their_axis():
    box = np.zeros((2, 3, 4)) + along(1, np.arange(3))
    assert np.array_equal(box[1, :, 2], [0, 1, 2]) and np.ptp(box, axis=(0, 2)).max() == 0


def test_a_box_holds_the_mask_and_its_margin_as_far_as_the_map_goes():
    mask = np.zeros((20, 21, 22), bool)
    mask[1:4, 10:12, 5:17] = True
    assert bounding_box(mask) == ((1, 4), (10, 12), (5, 17))
    assert box_around(mask, 3) == (slice(0, 7), slice(7, 15), slice(2, 20))
    # of a long one the middle
    assert box_around(mask, 3, largest=8) == (slice(0, 7), slice(7, 15), slice(7, 15))


def test_orientations_are_all_met_and_turned_back():
    rng = np.random.default_rng(0)
    drawn = {Rotation.draw(rng) for _ in range(600)}
    assert len(drawn) == 48
    data = rng.normal(size=(3, 4, 5, 2))
    assert all(np.array_equal(one.back(one.turn(data)), data) for one in drawn)
    shapes = {one.turn(data).shape for one in drawn}
    assert len(shapes) == 6 and all(shape[-1] == 2 for shape in shapes)


@pytest.mark.parametrize("most", [0.5, 3.2, 40])
def test_distances_from_a_mask_are_exact_as_far_as_they_are_asked_for(most):
    inside = np.random.default_rng(0).random((13, 9, 24)) < 0.004
    found, known = distance_up_to(inside, most), distance_transform_edt(~inside)
    assert inside.sum() > 5 and known.max() > 4
    assert np.array_equal(found[known <= most], known[known <= most])
    assert (found[known > most] > most).all()
