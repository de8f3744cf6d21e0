"""Pictures for windows: rows of slices, tables, probabilities of classes, ten colours."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from cryodl.report import page, palette
from cryodl.report.chimerax import write_view
from cryodl.report.classes import (
    COLOURS,
    COUNT,
    ENDS,
    LABELS,
    TICKS,
    class_colour_map,
    class_colours,
    draw_class_bars,
    draw_probabilities,
)
from cryodl.report.comparison import overlay_histograms
from cryodl.report.enhancement import draw_resolution_change
from cryodl.report.figure import draw_table, new_figure
from cryodl.report.slice_grid import Row, draw_slice_grid, draw_slice_rows
from cryodl.tests.report.test_report_windows import misplaced

SHAPE = (7, 10, 13)
WHOLE = tuple(slice(0, n) for n in SHAPE)


def rows(count=2):
    rng = np.random.default_rng(0)
    return [Row(rng.random(SHAPE), "viridis", 0.0, 1.0 + i, f"map {i}") for i in range(count)]


def draw(given, **options):
    how = dict(axis="z", planes=[1, 4], voxel_size=2.0, box=WHOLE)
    figure = new_figure(1, 1)
    return figure, draw_slice_rows(figure, given, **{**how, **options})


@pytest.mark.parametrize("axis", "zyx")
def test_rows_show_the_same_planes_of_every_map(axis):
    given = rows(3)
    figure, panels = draw(given, axis=axis, origin=(10.0, 20.0, 30.0))
    assert not misplaced(figure)
    for row, line in zip(given, panels):
        for plane, axes in zip((1, 4), line):
            expected = np.take(row.values, plane, axis="zyx".index(axis))
            np.testing.assert_array_equal(axes.images[-1].get_array(), expected)
            assert axes.images[-1].get_clim() == (row.vmin, row.vmax)
    place = {"z": 38, "y": 28, "x": 18}[axis]
    assert panels[0][1].get_title() == f"5: {axis} = {place:.1f} Å"
    keys = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert keys == ["map 0", "map 1", "map 2"]


def test_what_is_outside_shows_the_density_instead():
    inside = np.zeros(SHAPE, bool)
    inside[:, 2:5] = True
    (row,) = rows(1)
    _, ((first, _),) = draw(
        [row._replace(inside=inside)], density=np.ones(SHAPE), density_ends=(0, 2)
    )
    faint, shown = (image.get_array() for image in first.images)
    assert np.allclose(faint, 1 - 0.35 / 2)
    np.testing.assert_array_equal(~np.ma.getmaskarray(shown), inside[1])


def test_rows_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="nothing to draw"):
        draw([])
    with pytest.raises(ValueError, match="not within"):
        draw(rows(), planes=[7])
    with pytest.raises(ValueError, match="has shape"):
        draw([rows(1)[0], Row(np.zeros((7, 10, 12)), "viridis", 0, 1, "other")])


def test_an_outline_follows_the_borders_of_the_voxels():
    inside = np.zeros(SHAPE, bool)
    inside[3, 2:5, 4:9] = True
    (panel,) = draw_slice_grid(
        new_figure(1, 1), np.zeros(SHAPE), planes=[3], voxel_size=2.0, colours="gray_r", vmin=0,
        vmax=1, label="Density", outline=inside,
    )  # fmt: skip
    (line,) = panel.collections
    x, y = np.concatenate([path.vertices for path in line.get_paths()]).T
    # half a voxel beyond the middles of the outermost voxels, to a sixth of a voxel
    np.testing.assert_allclose([x.min(), x.max()], [7, 17], atol=0.4)
    np.testing.assert_allclose([y.min(), y.max()], [3, 9], atol=0.4)
    assert panel.get_xlim() == (-1, 25)


def test_a_table_has_its_texts_in_place():
    columns = ["Map", "Median (Å)", "Better than 5 Å (%)"]
    body = [["a map with quite a long name", "4.32", "100"], ["b", "12.50", "3"]]
    figure = new_figure(1, 1)
    drawn = draw_table(figure, columns, body, notes=["In 100 voxels."], title="a run")
    assert [[cell.get_text() for cell in row] for row in drawn] == [columns, *body]
    assert not misplaced(figure)
    heights = [row[0].get_position()[1] for row in drawn]
    assert heights == sorted(heights, reverse=True)
    with pytest.raises(ValueError, match="3 columns"):
        draw_table(figure, columns, [["too", "few"]])


def some_classes(count):
    probabilities = [{"high": 0.7 - 0.1 * i, "medium": 0.3, "low": 0.1 * i} for i in range(count)]
    resolutions = [4.0 + i for i in range(count)]
    return probabilities, resolutions, [(r - 1, r + 2) for r in resolutions]


@pytest.mark.parametrize("count, claimed", [(1, 5.0), (5, None)])
def test_bars_of_probability_and_estimates(count, claimed):
    probabilities, resolutions, intervals = some_classes(count)
    figure = new_figure(1, 1)
    names = [f"emd_{i}.map" for i in range(count)]
    bars, estimates = draw_probabilities(
        figure, names, probabilities, resolutions=resolutions, intervals=intervals,
        claimed=claimed, title="classes",
    )  # fmt: skip
    assert not misplaced(figure)
    assert [label.get_text() for label in bars.get_yticklabels()] == names
    for container, name, colour in zip(bars.containers, ("high", "medium", "low"), COLOURS):
        np.testing.assert_allclose(
            [bar.get_width() for bar in container], [100 * p[name] for p in probabilities]
        )
        assert to_hex(container[0].get_facecolor()) == colour
    high, medium, low = (container[0] for container in bars.containers)
    assert medium.get_x() == pytest.approx(high.get_width())
    assert low.get_x() + low.get_width() == pytest.approx(100)
    points = [line for line in estimates.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == resolutions
    low, high = estimates.get_xlim()
    assert low < min(i[0] for i in intervals) and max(i[1] for i in intervals) < high


def test_probabilities_need_a_map_and_as_many_of_each():
    with pytest.raises(ValueError, match="0 names"):
        draw_probabilities(new_figure(1, 1), [], [], resolutions=[], intervals=[])
    with pytest.raises(ValueError, match="2 names"):
        draw_probabilities(
            new_figure(1, 1), ["a", "b"], [{}], resolutions=[1, 2], intervals=[(1, 2)] * 2
        )


def test_ten_colours_from_the_palette_with_a_key_of_ten_steps():
    colours = class_colours()
    assert [number for number, _ in colours] == list(range(1, 11))
    assert len({colour for _, colour in colours}) == COUNT == len(LABELS)
    scale = class_colour_map()
    for number, colour in colours:
        assert to_hex(scale((number - ENDS[0]) / (ENDS[1] - ENDS[0]))) == colour
    figure = new_figure(1, 1)
    draw_slice_grid(
        figure, np.ones(SHAPE), planes=[3], voxel_size=1.0, colours=scale, vmin=ENDS[0],
        vmax=ENDS[1], label="Local resolution (Å)", ticks=TICKS,
    )  # fmt: skip
    key = figure.axes[-1]
    assert [label.get_text() for label in key.get_yticklabels()] == list(LABELS)
    assert [tick.get_loc() for tick in key.yaxis.get_major_ticks()] == list(range(1, 11))


def test_bars_of_classes_count_the_voxels():
    classes = np.repeat([0, 1, 3, 10], [500, 10, 70, 20])
    figure = new_figure(1, 1)
    axes = draw_class_bars(figure, classes, title="classes")
    assert not misplaced(figure)
    heights = [bar.get_height() for bar in axes.containers[0]]
    np.testing.assert_allclose(heights, [10, 0, 70, 0, 0, 0, 0, 0, 0, 20])
    with pytest.raises(ValueError, match="no voxel"):
        draw_class_bars(figure, np.zeros(5))


def test_a_script_of_classes_colours_in_steps(tmp_path):
    path = tmp_path / "view.cxc"
    write_view(
        path, map_file=tmp_path / "map.mrc", resolution_file=tmp_path / "classes.mrc", level=1.0,
        vmin=1.0, vmax=10.0, colours=class_colours(), labels=LABELS,
    )  # fmt: skip
    lines = path.read_text(encoding="utf-8").splitlines()
    sample = next(line for line in lines if line.startswith("color sample")).split("palette ")[1]
    stops = [stop.split(",") for stop in sample.split(":")]
    places, names = [float(value) for value, _ in stops], [name for _, name in stops]
    assert places == sorted(places)
    for number, colour in class_colours():
        for value in np.clip([number - 0.4, number, number + 0.4], 1, COUNT):
            after = np.searchsorted(places, value)
            assert {names[after - 1], names[after]} == {colour}
    key = next(line for line in lines if line.startswith("key "))
    assert "colorTreatment distinct" in key
    entries = key.split()[1 : 1 + COUNT]
    assert entries == [f"{c}:{label}" for (_, c), label in zip(class_colours(), LABELS)]


def test_histograms_over_each_other_on_a_given_figure():
    rng = np.random.default_rng(1)
    figure = new_figure(1, 1)
    axes = overlay_histograms(
        figure, [rng.normal(4, 0.5, 900), rng.normal(6, 0.5, 900)], ["one", "two"], title="run"
    )
    assert not misplaced(figure)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [label.split(":")[0] for label in labels] == ["one", "two"]  # the best first
    assert axes.get_xlabel() == "Local resolution (Å)"


def test_long_numbers_beside_histograms_have_room():
    """A map that is the same nearly everywhere has thousands of per cent per Å."""
    rng = np.random.default_rng(1)
    figure = new_figure(1, 1)
    axes = overlay_histograms(figure, [rng.normal(4, 0.002, 9000)], ["narrow"])
    figure.draw_without_rendering()
    assert axes.get_ylim()[1] > 5000 and not misplaced(figure)


def test_resolution_before_and_after_as_bars_and_histograms():
    rng = np.random.default_rng(2)
    values = {"Input": rng.normal(5, 0.5, 2000), "Enhanced": rng.normal(4, 0.4, 2000)}
    figure = new_figure(1, 1)
    bars, histograms = draw_resolution_change(figure, values, title="a run")
    assert not misplaced(figure)
    heights = [container[0].get_height() for container in bars.containers]
    np.testing.assert_allclose(heights, [np.median(v) for v in values.values()])
    assert [label.get_text() for label in bars.get_xticklabels()] == ["Input", "Enhanced"]
    for outline, colour in zip(histograms.patches, ("#0072b2", "#d55e00")):
        counts, _, _ = outline.get_data()
        assert counts.sum() == pytest.approx(100)
        assert to_hex(outline.get_edgecolor()) == colour
    with pytest.raises(ValueError, match="two maps"):
        draw_resolution_change(figure, {"Input": values["Input"]})


@pytest.mark.parametrize(
    "values, ends",
    [([0, 3, 5], "neither"), ([2, 4], "min"), ([4, 6, np.nan], "max"), ([2, 6], "both")],
)
def test_a_key_has_an_arrow_where_values_go_beyond_it(values, ends):
    values = np.array(values, float)
    key = palette.draw_key(new_figure(2, 2), (0.1, 0.1, 0.1, 0.8), "viridis", 3, 5,
                           values=values)  # fmt: skip
    assert key.extend == ends
    display = page.Display(values, values, 1.0, (0, 0, 0), 0.0, 3, 5, "")
    text = "".join(page._key(display, ["#000000", "#ffffff"]))
    assert ("≤ 3.0<" in text) == (ends in ("min", "both"))
    assert ("≥ 5.0<" in text) == (ends in ("max", "both"))
