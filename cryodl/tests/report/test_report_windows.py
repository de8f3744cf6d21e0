"""Pictures on a figure that is given: slices of one axis, histogram and radial profile."""

import numpy as np
import pytest

from cryodl.report.figure import new_figure
from cryodl.report.histogram import bin_edges, draw_bars, draw_radius, radial_profile
from cryodl.report.palette import colour_map
from cryodl.report.slice_grid import draw_slice_grid, pick_planes

SHAPE = (7, 10, 13)


def misplaced(figure):
    """Texts that are seen and leave the page, and pairs that lie over each other."""
    renderer = figure.canvas.get_renderer()
    page = figure.bbox
    texts = list(figure.texts) + [t for legend in figure.legends for t in legend.get_texts()]
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            texts += [label for tick in ticks for label in (tick.label1, tick.label2)]
    seen = [text for text in texts if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in seen]
    out = [name for name, b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > page.x1 or b.y1 > page.y1]
    over = [
        (one, other) for i, (one, a) in enumerate(boxes) for other, b in boxes[:i] if a.overlaps(b)
    ]
    return out + over


@pytest.mark.parametrize("axis, length", [("z", 7), ("y", 10), ("x", 13)])
def test_planes_spread_over_the_mask(axis, length):
    everywhere = np.ones(SHAPE)
    assert pick_planes(everywhere, axis, length) == list(range(length))
    assert pick_planes(everywhere, axis, 1) == [length // 2]
    assert len(pick_planes(everywhere, axis, 50)) == length
    with pytest.raises(ValueError, match="empty"):
        pick_planes(np.zeros(SHAPE), axis)


@pytest.mark.parametrize("axis", "zyx")
def test_a_voxel_is_drawn_where_it_lies(axis):
    voxel, origin = 2.0, (10.0, -20.0, 30.0)
    z, y, x = index = (4, 7, 2)
    values = np.zeros(SHAPE)
    values[index] = 5.0
    plane = dict(zip("zyx", index))[axis]
    figure = new_figure(1, 1)
    (panel,) = draw_slice_grid(
        figure, values, axis=axis, planes=[plane], voxel_size=voxel, origin=origin,
        colours="viridis", vmin=0, vmax=5, label="Å",
    )  # fmt: skip
    image = panel.images[0]
    left, right, bottom, top = image.get_extent()
    data = image.get_array()
    row, column = (int(n[0]) for n in np.nonzero(data))
    seen = (
        left + (column + 0.5) * (right - left) / data.shape[1],
        bottom + (row + 0.5) * (top - bottom) / data.shape[0],
    )
    true = {"x": origin[0] + voxel * x, "y": origin[1] + voxel * y, "z": origin[2] + voxel * z}
    up, across = [name for name in "zyx" if name != axis]
    assert seen == pytest.approx((true[across], true[up]))
    assert panel.get_title() == f"{plane + 1}: {axis} = {true[axis]:.1f} Å"


@pytest.mark.parametrize("shape", [(30, 30, 30), (90, 20, 20), (16, 16, 90), (16, 90, 16)], ids=str)
@pytest.mark.parametrize("axis", "zyx")
@pytest.mark.parametrize("count", [1, 9])
def test_nothing_is_written_over_another_or_cut_off(shape, axis, count):
    values = np.random.default_rng(0).uniform(3, 9, shape)
    figure = new_figure(1, 1)
    draw_slice_grid(
        figure, values, axis=axis, planes=pick_planes(values, axis, count), voxel_size=1.3,
        origin=(-100.0, -100.0, -100.0), colours=colour_map(), vmin=3.1, vmax=9.15,
        label="Local resolution (Å)", title="a run of mine",
    )  # fmt: skip
    assert misplaced(figure) == []


def test_panels_share_one_scale_of_length_and_colour():
    values = np.ones((20, 24, 30))
    figure = new_figure(1, 1)
    panels = draw_slice_grid(
        figure, values, planes=[3, 9, 15], voxel_size=1, colours="viridis", vmin=0, vmax=2,
        label="Å",
    )  # fmt: skip
    boxes = {tuple(np.round(panel.get_window_extent().size, 3)) for panel in panels}
    assert len(boxes) == 1
    width, height = boxes.pop()
    assert width / height == pytest.approx(30 / 24, rel=1e-3)
    assert {panel.images[-1].get_clim() for panel in panels} == {(0, 2)}


def test_wrong_planes_and_shapes_are_refused():
    values, how = np.ones(SHAPE), dict(voxel_size=1, colours="gray", vmin=0, vmax=1, label="")
    for planes in ([], [7], [-1]):
        with pytest.raises(ValueError, match="planes"):
            draw_slice_grid(new_figure(1, 1), values, planes=planes, **how)
    with pytest.raises(ValueError, match="inside has shape"):
        draw_slice_grid(new_figure(1, 1), values, planes=[1], inside=values[1:] > 0, **how)


def test_radial_profile_of_a_known_map():
    grid = np.indices((31, 35, 39)) - np.reshape((15, 17, 19), (3, 1, 1, 1))
    radius = np.linalg.norm(grid, axis=0)
    mask = radius < 14
    profile = radial_profile(np.where(mask, 3 + 0.2 * radius, 0), mask, 1.5)
    np.testing.assert_allclose(profile.median, 3 + 0.2 * profile.radius / 1.5, atol=0.06)
    assert np.all(profile.low <= profile.median) and np.all(profile.median <= profile.high)
    assert np.all(np.diff(profile.radius) > 0)
    assert profile.radius[-1] == pytest.approx(14 * 1.5, abs=1.5)


def test_radial_profile_leaves_out_what_is_not_known():
    mask = np.ones((9, 9, 9))
    values = np.full(mask.shape, 4.0)
    values[0], values[1] = 0, np.nan
    assert set(radial_profile(values, mask, 1.0).high) == {4.0}
    with pytest.raises(ValueError, match="nothing to draw"):
        radial_profile(np.zeros_like(values), mask, 1.0)
    with pytest.raises(ValueError, match="shape"):
        radial_profile(values[1:], mask, 1.0)
    one = np.zeros(mask.shape)
    one[4, 4, 4] = 1
    assert radial_profile(values, one, 1.0).median.tolist() == [4.0]


def test_dots_have_the_colours_of_the_key():
    mask = np.ones((12, 12, 12))
    values = np.indices(mask.shape).sum(0) / 6.0 + 2
    profile = radial_profile(values, mask, 1.0)
    figure = new_figure(1, 1)
    axes = draw_radius(figure, profile, vmin=2, vmax=8, palette="plasma", title="a run of mine")
    dots = axes.collections[-1]
    expected = colour_map("plasma")((profile.median - 2) / 6)
    np.testing.assert_allclose(dots.to_rgba(dots.get_array()), expected)
    assert figure.axes[1].get_ylim() == (2, 8)
    assert misplaced(figure) == []


def test_bars_count_voxels_in_the_colours_of_the_key():
    values = np.random.default_rng(1).normal(5, 0.5, 4000)
    figure = new_figure(1, 1)
    axes = draw_bars(figure, values, vmin=4, vmax=6, palette="cividis", claimed=3.9, title="run")
    (bars,) = axes.containers
    edges = bin_edges(values, abs(3.9 - float(np.median(values))))
    assert sum(bar.get_height() for bar in bars) == pytest.approx(100)
    for bar, left in zip(bars, edges):
        assert bar.get_x() == pytest.approx(left)
        middle = np.clip((left + bar.get_width() / 2 - 4) / 2, 0, 1)
        assert bar.get_facecolor() == pytest.approx(colour_map("cividis")(middle))
    assert misplaced(figure) == []
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_bars(new_figure(1, 1), np.zeros(3), vmin=0, vmax=1)
