"""The figure of the results window: what it shows is what lies there."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from cryodl.report.browser import (
    DENSITY,
    RESOLUTION,
    Browser,
    Layer,
    Scale,
    colour_names,
    draw_density_bars,
)
from cryodl.report.palette import colour_map
from cryodl.report.slice_grid import Row

SHAPE, VOXEL, ORIGIN = (10, 12, 14), 2.0, (5.0, -7.0, 9.0)
BOX = (slice(1, 9), slice(2, 11), slice(3, 13))


@pytest.fixture
def browser():
    z, y, x = np.indices(SHAPE)
    values = (3 + 0.01 * x + 0.1 * y + z).astype("f4")
    inside = (z > 1) & (y > 3) & (x > 4)
    shown = Layer(
        "Resolution", Row(values, "gray", 0, 1, "Resolution (Å)", True, inside), RESOLUTION
    )
    density = Layer("Map", Row(values - 8, "gray_r", -5, 5, "Density", False), DENSITY)
    charts = []
    browser = Browser(
        Figure(figsize=(13, 5)), voxel_size=VOXEL, origin=ORIGIN, box=BOX, inside=inside,
        background=density, chart=lambda axes, layer, scale: charts.append((layer.name, scale)),
    )  # fmt: skip
    browser.given = shown, density, charts
    return browser


@pytest.mark.parametrize("axis", "xyz")
def test_a_plane_shows_the_values_that_lie_in_it(browser, axis):
    shown, density, charts = browser.given
    scale = Scale("turbo", 3, 9)
    browser.show(shown, density, axis, 6, scale)
    browser.move(7)
    index = [7 if name == axis else part for name, part in zip("zyx", BOX)]
    left, right = (axes.images[-1].get_array() for axes in browser.panels)
    inside = shown.row.inside[tuple(index)]
    np.testing.assert_array_equal(~np.ma.getmaskarray(left), inside)
    np.testing.assert_allclose(left.filled(0), np.where(inside, shown.row.values[tuple(index)], 0))
    np.testing.assert_allclose(right, density.row.values[tuple(index)])
    place = ORIGIN["xyz".index(axis)] + 7 * VOXEL
    assert browser.panels[0].get_title() == f"Resolution, plane 8: {axis} = {place:.1f} Å"
    assert browser.panels[0].images[-1].get_clim() == (3, 9)
    assert browser.panels[1].images[-1].get_clim() == (-5, 5)  # a density keeps its own
    assert charts == [("Resolution", scale)]
    browser.move(99)
    assert browser.plane == SHAPE["zyx".index(axis)] - 1


def test_what_is_pointed_at_is_told_at_its_place(browser):
    shown, density, _ = browser.given
    browser.show(shown, density, "y", 5, Scale("viridis", 3, 9))
    # x and z of the voxel (4, 5, 6)
    said = browser.values_at(browser.panels[0], ORIGIN[0] + 6 * VOXEL + 0.9, ORIGIN[2] + 4 * VOXEL)
    assert said == "x = 17.0, y = 3.0, z = 17.0 Å   Resolution: 7.56 Å   Map: -0.44"
    assert "not known" in browser.values_at(browser.panels[1], ORIGIN[0], ORIGIN[2])
    assert browser.values_at(browser.panels[0], 500, 0) == ""
    assert browser.values_at(browser.plot, 0, 0) == ""


def test_steps_divide_the_colours(browser):
    smooth, four = Scale("viridis", 3, 9).map(), Scale("viridis", 3, 9, 4).map()
    assert four.N == 4
    np.testing.assert_allclose(four(0.1), smooth(0.125), atol=0.01)
    np.testing.assert_allclose(four(0.1), four(0.2))
    np.testing.assert_allclose(smooth(0.3), colour_map("viridis")(0.3))
    assert Scale("RdYlBu", 3, 9).map().name == "RdYlBu"


def test_all_colours_of_matplotlib_can_be_chosen():
    names = colour_names()
    assert names[0] == "viridis" and len(names) == len(set(names))
    assert {"jet", "RdYlBu", "inferno", "turbo"} <= set(names)
    for name in names:
        Scale(name, 3, 9).map()


def test_density_bars_count_every_voxel(browser):
    _, density, _ = browser.given
    axes = Figure().add_subplot()
    draw_density_bars(axes, density)
    assert sum(bar.get_height() for bar in axes.patches) == np.prod(SHAPE)
