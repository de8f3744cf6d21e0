"""Pictures and scripts of the report room: what they say, not only that they exist."""

import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.transforms import Bbox

from cryodl.report import chimerax, curves, figure, histogram, palette, slices


@pytest.fixture(scope="module")
def scene():
    """An off-centre ball in a non-cubic box: density, resolution, uncertainty, mask."""
    shape, middle = (30, 44, 60), (9, 30, 40)
    z, y, x = np.indices(shape)
    distance = np.sqrt(sum((a - c) ** 2 for a, c in zip((z, y, x), middle)))
    mask = distance < 8
    noise = np.random.default_rng(1).normal(0, 0.02, shape)
    density = (np.exp(-((distance / 5) ** 2)) + noise).astype(np.float32)
    resolution = np.where(mask, 3.0 + 0.2 * distance, 0).astype(np.float32)
    return density, resolution, (0.1 * resolution).astype(np.float32), mask, middle


def image(path):
    from matplotlib.image import imread

    assert path.stat().st_size > 2000
    return imread(str(path))[..., :3]


def contains(picture, colour, tolerance=0.004):
    """Number of pixels of a '#rrggbb' colour."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    return int((np.abs(picture - rgb).max(axis=-1) < tolerance).sum())


# Palette


@pytest.mark.parametrize(
    "values",
    [[4.0], [4.03] * 9, [2.5, 13.0], [3.12, 4.9], [0.3, 0.31], [7.4, 9.2], [30, 80], [0.02, 0.03]],
)
def test_range_holds_the_values_and_has_round_labels(values):
    vmin, vmax = palette.resolution_range(np.array(values))
    low, high = np.percentile(values, (2.5, 97.5))
    assert 0 <= vmin <= low + 1e-6 and high - 1e-6 <= vmax
    assert vmax - vmin >= 0.5 - 1e-9
    for tick in palette.key_ticks(vmin, vmax):
        assert abs(tick * 10 - round(tick * 10)) < 1e-6


def test_range_is_robust_and_ignores_what_is_no_resolution():
    values = np.linspace(3, 5, 1000)
    polluted = np.concatenate([values, [np.nan, -np.inf, 300.0], [np.inf] * 99, np.zeros(5000)])
    assert palette.resolution_range(polluted) == palette.resolution_range(values)
    for nothing in ([], [0.0, np.nan]):
        with pytest.raises(ValueError, match="mask"):
            palette.resolution_range(np.array(nothing))


@pytest.mark.parametrize("name", sorted(palette.PALETTES))
def test_stops_ascend_and_equal_the_colour_map(name):
    from matplotlib.colors import to_hex

    stops = palette.palette_colours(3.0, 5.5, 11, name)
    values, colours = zip(*stops)
    assert values[0] == 3.0 and values[-1] == 5.5 and list(values) == sorted(set(values))
    drawn = palette.colour_map(name)(np.linspace(0, 1, 11))
    for colour, rgba in zip(colours, drawn):
        ours, theirs = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)])
                        for c in (colour, to_hex(rgba)))  # fmt: skip
        assert np.abs(ours - theirs).max() <= 1


def test_default_palette_keeps_its_order_in_grey():
    """Lightness rises all the way: readable without colour vision and on a grey printer."""
    for name in ("viridis", "cividis", "plasma"):
        stops = [c for _, c in palette.palette_colours(0.0, 1.0, 21, name)]
        rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in stops])
        assert (np.diff(rgb @ [0.2126, 0.7152, 0.0722]) > 0).all()


def test_unknown_palette_and_empty_key_are_refused():
    with pytest.raises(ValueError, match="jet.*viridis"):
        palette.palette_colours(3, 4, name="jet")
    with pytest.raises(ValueError):
        palette.palette_colours(4, 4)


def test_labels_are_exact():
    assert palette.key_labels([3.0, 4.0]) == ["3", "4"]
    assert palette.key_labels([3.0, 3.5]) == ["3.0", "3.5"]
    assert palette.key_labels([3.25, 3.5]) == ["3.25", "3.50"]


# Histogram


@pytest.mark.parametrize(
    "values", [np.full(50, 4.0), np.array([3.7]), np.linspace(3, 5, 999), np.array([2.0, 90.0])]
)
def test_bins_are_equal_positive_and_hold_the_values(values):
    edges = histogram.bin_edges(values)
    widths = np.diff(edges)
    assert widths.min() > 0 and np.ptp(widths) < 1e-9 and 4 <= len(widths) <= 60
    counts, _ = np.histogram(values, bins=edges)
    assert counts.sum() >= 0.99 * values.size


def test_bars_carry_the_colours_of_the_key(tmp_path):
    values = np.linspace(3.0, 5.5, 5001)
    histogram.draw_histogram(values, tmp_path / "h", vmin=3.0, vmax=5.5, title="ball", claimed=4.4)
    picture = image(tmp_path / "h.png")
    edges = histogram.bin_edges(values)
    assert 20 <= len(edges) <= 60
    centres = (edges[1:] + edges[:-1]) / 2
    shown = centres[(centres > 3.0) & (centres < 5.5)]
    for value in shown[:: len(shown) // 8]:
        place = (value - 3.0) / 2.5 * 1000
        colour = palette.palette_colours(0.0, 1000.0, 1001)[int(round(place))][1]
        assert contains(picture, colour, 0.006) > 50, value
    svg = (tmp_path / "h.svg").read_text(encoding="utf-8")
    for text in ("Local resolution (Å)", "Voxels (%)", "median 4.25 Å", "claimed 4.40 Å", "ball"):
        assert text in svg
    assert not list(tmp_path.glob("*.part"))


def test_histogram_states_the_numbers_of_the_table(tmp_path):
    stats = {"median": 4.01, "percentiles": {"2.5": 3.33, "97.5": 5.07}}
    histogram.draw_histogram(np.full(9, 4.0), tmp_path / "h", stats=stats)
    svg = (tmp_path / "h.svg").read_text(encoding="utf-8")
    assert "median 4.01 Å" in svg and "3.33–5.07 Å" in svg
    assert "<text" in svg  # letters an author can edit, not outlines
    with pytest.raises(ValueError, match="mask"):
        histogram.draw_histogram(np.zeros(5), tmp_path / "none")
    assert not (tmp_path / "none.png").exists()


# Slices


def test_slices_pass_through_the_molecule(scene):
    mask, middle = scene[3], scene[4]
    assert slices.molecule_centre(mask) == middle
    box = slices.crop_box(mask)
    assert mask[box].sum() == mask.sum()
    assert all(part.stop - part.start <= 23 for part in box)
    assert box[0].start == 0  # the margin ends at the box


def test_centre_between_two_parts_moves_to_one_of_them():
    mask = np.zeros((40, 12, 10), bool)
    mask[2:6, 3:6, 4:7] = mask[30:35, 3:6, 4:7] = True
    assert mask[slices.molecule_centre(mask)[0]].any()
    with pytest.raises(ValueError, match="empty"):
        slices.molecule_centre(np.zeros((4, 4, 4), bool))


def test_grey_scale_survives_masked_and_constant_maps(scene):
    density, mask = scene[0], scene[3]
    low, high = slices.density_limits(density, mask)
    spiked = density.copy()
    spiked[9, 30, 40] = 1e6
    assert abs(low) < 0.05 and 0.5 < high <= density.max()
    assert slices.density_limits(spiked, mask)[1] < 2 * high
    low, high = slices.density_limits(np.zeros(9), np.ones(9, bool))
    assert low < high


@pytest.mark.parametrize("name", ["viridis", "rainbow"])
def test_slice_colours_are_the_keys(scene, tmp_path, name):
    density, resolution, uncertainty, mask, _ = scene
    path = tmp_path / "s.png"
    flat = np.where(mask, 4.0, 0).astype(np.float32)
    slices.draw_slices(
        density, flat, mask, path, voxel_size=1.2, vmin=3.0, vmax=5.0, palette=name, title="ball"
    )
    middle = palette.palette_colours(3.0, 5.0, 3, name)[1][1]
    picture = image(path)
    height, width = picture.shape[:2]
    assert contains(picture[:, : int(0.85 * width)], middle, 0.006) > 0.1 * height * width
    assert contains(picture[:, int(0.85 * width) :], middle, 0.006) > 20  # in the key itself
    # density and two keys: a third row makes the page taller, not wider
    slices.draw_slices(density, resolution, mask, path, voxel_size=1.2, uncertainty=uncertainty)
    taller = image(path)
    assert taller.shape[1] == width and taller.shape[0] > 1.25 * height
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("shapes", [[(20, 50), (10, 50), (10, 20)], [(9, 20), (200, 20), (200, 9)]])
def test_panels_share_one_scale_and_do_not_overlap(shapes):
    page = slices._Page(shapes, 3, True)
    boxes = [page.panel(r, c).get_position() for r in range(3) for c in range(3)]
    boxes += [Bbox.from_bounds(*page.key(r)) for r in range(3)]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(0 <= b.x0 < b.x1 <= 1 and 0 <= b.y0 < b.y1 <= 1 for b in boxes)
    for box, (rows, columns) in zip(boxes, shapes):
        assert np.isclose(box.width * page.width / columns, page.inch)
        assert np.isclose(box.height * page.height / rows, page.inch)


def test_slices_refuse_another_shape(scene, tmp_path):
    density, resolution, _, mask, _ = scene
    with pytest.raises(ValueError, match="mask has shape"):
        slices.draw_slices(density, resolution, mask[1:], tmp_path / "s.png", voxel_size=1.0)


# ChimeraX


def view(tmp_path, **changes):
    how = {
        "map_file": tmp_path / "data" / "my map;1.mrc", "resolution_file": tmp_path / "r.mrc",
        "level": 1.5e-8, "vmin": 3.0, "vmax": 5.5, "colours": palette.palette_colours(3.0, 5.5),
    }  # fmt: skip
    how.update(changes)
    chimerax.write_view(tmp_path / "view.cxc", **how)
    return (tmp_path / "view.cxc").read_text(encoding="utf-8").splitlines()


def test_script_opens_relative_names_and_shows_the_surface(tmp_path):
    lines = view(tmp_path)
    assert lines[1:3] == ['open "data/my map;1.mrc"', 'open "r.mrc"']
    level = re.search(r"^volume #1 .*level (\S+)$", "\n".join(lines), re.M)
    assert float(level.group(1)) == 1.5e-8
    assert "volume #2 hide" in lines and "set bgColor white" in lines and lines[-1] == "view"
    assert str(tmp_path) not in "\n".join(lines)


def test_script_colours_are_the_keys_and_background_is_grey(tmp_path):
    text = "\n".join(view(tmp_path))
    stops = re.search(r"^color sample #1 map #2 palette (\S+)$", text, re.M).group(1).split(":")
    pairs = [(float(v), c) for v, c in (stop.split(",") for stop in stops)]
    values = [v for v, _ in pairs]
    assert values == sorted(set(values))
    expected = palette.palette_colours(3.0, 5.5)
    assert pairs[-len(expected) :] == expected
    # what is mixed with background 0 is grey, not well resolved
    below = [c for v, c in pairs if v < 1.5]
    assert pairs[0][0] == 0 and set(below) == {chimerax.UNKNOWN}
    key = re.search(r"^key ((?:#\S+ )+)numericLabelSpacing equal pos", text, re.M).group(1).split()
    assert [entry.split(":")[0] for entry in key] == [c for _, c in expected]
    labels = [entry.split(":")[1] for entry in key]
    assert labels[::2] == ["3.0", "3.5", "4.0", "4.5", "5.0", "5.5"] and not any(labels[1::2])


def test_script_quotes_or_refuses_awkward_names(tmp_path):
    assert view(tmp_path, map_file=tmp_path / 'a "b".mrc')[1] == "open 'a \"b\".mrc'"
    with pytest.raises(ValueError, match="rename"):
        view(tmp_path, map_file=tmp_path / "a\"b'.mrc")
    with pytest.raises(ValueError, match="ascend"):
        view(tmp_path, colours=[(3.0, "#000000"), (3.0, "#ffffff")])


def test_level_follows_the_map_and_stays_inside_the_mask(scene):
    density, _, _, mask, _ = scene
    level = chimerax.surface_level(density, mask)
    assert density[mask].min() < level < density[mask].max()
    for scale, offset in ((1e-6, 0.0), (1e6, 0.0), (1.0, 5.0), (2e-3, -1e-3)):
        moved = chimerax.surface_level(density.astype(float) * scale + offset, mask)
        assert np.isclose((moved - offset) / scale, level, rtol=1e-3)
    # without a mask the surface is still the molecule's, well above the noise (SD 0.02)
    everything = chimerax.surface_level(density, np.ones_like(mask))
    assert everything > 0.1 and (density >= everything).sum() < 3 * (density >= level).sum()
    assert chimerax.surface_level(np.full((4, 4, 4), 2.0), np.ones((4, 4, 4))) == 2.0
    with pytest.raises(ValueError, match="empty"):
        chimerax.surface_level(density, np.zeros_like(mask))


def test_tight_mask_still_shows_a_quarter():
    density = np.random.default_rng(0).normal(size=(12, 12, 12))
    mask = np.zeros(density.shape, bool)
    mask[4:8, 4:8, 4:8] = True  # nothing but border around a core of eight voxels
    level = chimerax.surface_level(density, mask)
    assert (density[mask] >= level).mean() >= 0.25


def test_fill_takes_the_nearest_value_of_the_mask():
    from scipy.ndimage import distance_transform_edt

    rng = np.random.default_rng(2)
    mask = np.zeros((14, 11, 17), bool)
    mask[0:4, 5:11, 2:9] = mask[9:12, 0:3, 12:17] = True  # touching three sides of the box
    resolution = np.where(mask, rng.uniform(3, 9, mask.shape), 0).astype(np.float32)
    filled = chimerax.fill_outside(resolution, mask, voxels=3)
    distance, nearest = distance_transform_edt(~mask, return_indices=True)
    assert np.array_equal(filled[mask], resolution[mask]) and filled.dtype == np.float32
    assert np.array_equal(filled > 0, distance <= 3)
    agree = filled == resolution[tuple(nearest)]  # elsewhere one of several that are equally near
    assert agree[distance <= 1].all() and agree[distance <= 3].mean() > 0.9
    assert not chimerax.fill_outside(resolution, np.zeros_like(mask)).any()


# Curves


def write_log(path):
    lines = ["epoch,lr,loss,val_loss,mae,val_mae"]
    for i in range(12):
        validation = "" if i % 2 else 4.0 / (i + 1)
        lines.append(f"{i},1e-3,{3.0 / (i + 1)},{validation},0.5,0.6")
    path.write_text("\n".join(lines) + "\n12,1e-3")  # the last line is being written
    return path


def test_learning_curves_show_every_metric(tmp_path):
    log = write_log(tmp_path / "log.csv")
    read = curves.read_log(log)
    assert len(read["epoch"]) == 12 and np.isnan(read["val_loss"][1]) and read["loss"][0] == 3.0
    curves.draw_learning_curves(log, tmp_path / "c.svg")
    text = (tmp_path / "c.svg").read_text(encoding="utf-8")
    for word in ("Loss", "Mean absolute error (Å)", "Learning rate", "validation", "epoch 10"):
        assert word in text
    curves.draw_learning_curves(log, tmp_path / "c.png")
    picture = image(tmp_path / "c.png")
    assert contains(picture, curves.TRAINING) > 1000
    assert contains(picture, curves.VALIDATION) > 1000
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="epoch"):
        curves.draw_learning_curves(tmp_path / "bad.csv", tmp_path / "bad.png")


def test_scatter_leaves_out_what_is_unknown_and_states_the_error(tmp_path):
    x, y = [3.0, 4.0, 8.0, np.nan], [3.5, 4.0, 7.5, 4.0]
    curves.draw_scatter(x, y, tmp_path / "s.svg", "Claimed (Å)", "Median (Å)")
    text = (tmp_path / "s.svg").read_text(encoding="utf-8")
    assert all(word in text for word in ("Claimed (Å)", "n = 3", "0.33 Å"))
    curves.draw_scatter([3.0], [3.0], tmp_path / "s.png", "a", "b")
    assert image(tmp_path / "s.png").shape[0] > 500
    with pytest.raises(ValueError, match="length"):
        curves.draw_scatter([1, 2], [1], tmp_path / "s.png", "a", "b")


# The room


def test_report_needs_no_window_system_and_nothing_heavy(tmp_path):
    code = (
        "import sys; from cryodl.report import chimerax, curves, histogram, palette, slices;"
        "heavy = {'matplotlib', 'scipy', 'cryodl.maps', 'keras'} & set(sys.modules);"
        "assert not heavy, heavy; import numpy;"
        "histogram.draw_histogram(numpy.linspace(3, 5, 99), sys.argv[1]);"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "h")], check=True)


def test_planes_are_named_by_their_place():
    """With the map's origin, as ChimeraX and the pictures of classes have it."""
    page = slices._Page([(9, 9)] * 3, 1, False)
    page.name_planes((4, 5, 6), 2.0, (10.0, -20.0, 30.5))
    shown = [text.get_text() for text in page.figure.texts]
    assert shown == [
        "XY plane, z = 38.5 Å", "XZ plane, y = -10.0 Å", "YZ plane, x = 22.0 Å",
    ]  # fmt: skip


def test_headings_and_long_titles_stay_on_the_page():
    with figure.style():
        page = slices._Page([(9, 20), (200, 20), (200, 9)], 2, True)
        for column in range(3):
            page.heading(column, "XY plane, z = 1234.5 Å")
        page.title("a very long name of a map " * 9)
        renderer = page.figure.canvas.get_renderer()
        boxes = [text.get_window_extent(renderer) for text in page.figure.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(0 <= b.x0 and b.x1 <= page.width * page.figure.dpi for b in boxes)
    assert "…" in page.figure.texts[-1].get_text()


def test_interrupted_picture_leaves_nothing(tmp_path):
    class Broken:
        def savefig(self, path, **_):
            open(path, "w").close()
            raise OSError("disk full")

    with pytest.raises(OSError):
        figure.save_figure(Broken(), tmp_path / "p.png")
    assert not list(tmp_path.iterdir())
