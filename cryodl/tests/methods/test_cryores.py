"""A single map's resolution: what the network reads, how its answer is read, masks, errors."""

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

import cryodl
from cryodl.cli.main import main
from cryodl.filters.sharpen import apply_bfactor, flatten_to_power_law
from cryodl.maps.crop import bounding_box, crop, significant_box
from cryodl.maps.volume import Volume
from cryodl.methods.cryores.predict import (
    CHANNELS,
    COUNTS,
    GLOBAL,
    LOCAL,
    LOCAL_SD,
    RATIO,
    RATIO_SD,
    centred,
    global_resolution,
    local_resolution,
    molecule,
    read_prediction,
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "emd_30342_zone.mrc.gz"
NETWORK = {
    "architecture": "single_map", "channels": 37, "half": 4, "quarter": 4, "quarter_blocks": 1,
    "stride": 2, "bins": 8, "bins_from": 2.2, "bins_to": 15.0,
    "ratios": 6, "ratios_from": 0.6, "ratios_to": 2.4,
}  # fmt: skip
SPEC = {
    "name": "small", "method": "single-map-resolution", "network": NETWORK, "voxel_size": 1.0,
    "stride": 2, "overlap": 10, "resolution_limits": [2.2, 10.5], "local": "relative",
    "normalisation": {"name": "whole_features", "parameters": {}},
    "calibration": {"interval": 0.9, "resolution": [3.0, 8.0], "factor": [1.5, 1.5]},
    "training": {}, "metrics": {}, "licence": "CC0-1.0", "citation": "none",
}  # fmt: skip


def blob(n=40, noise=0.02):
    """A textured ball in faint noise, and where it is."""
    rng = np.random.default_rng(0)
    z, y, x = np.indices((n, n + 4, n + 8)) - n / 2
    inside = np.sqrt(z**2 + y**2 + x**2) < n / 4
    data = inside * (1 + 0.5 * rng.normal(size=inside.shape))
    return (data + noise * rng.normal(size=data.shape)).astype(np.float32), inside


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    keras = pytest.importorskip("keras")
    from cryodl.networks import build
    from cryodl.networks.bundle import save_bundle

    keras.utils.set_random_seed(1)
    model = build(NETWORK)
    return save_bundle(tmp_path_factory.mktemp("bundle") / "small", model, SPEC)


def test_significant_box_is_the_smallest_that_holds_all_that_stands_out():
    data = np.random.default_rng(0).uniform(-1, 1, (20, 24, 28)).astype(np.float32)
    data[5, 6, 7], data[9, 20, 11], data[2, 10, 9] = 50, -50, 3.5  # the SD is 0.84
    assert significant_box(data) == ((2, 10), (6, 21), (7, 12))
    assert significant_box(np.zeros((4, 5, 6), np.float32)) == ((0, 4), (0, 5), (0, 6))


def test_a_part_keeps_its_place():
    volume = Volume(np.arange(60.0).reshape(3, 4, 5), 2.0, (10, 20, 30))
    part = crop(volume, (slice(1, 3), slice(2, 4), slice(3, 5)))
    assert part.origin == (16, 24, 32)
    assert part.data[0, 0, 0] == volume.data[1, 2, 3]
    assert bounding_box(volume.data > 45) == ((2, 3), (1, 4), (0, 5))


@pytest.mark.parametrize("bfactor", [-60.0, 80.0])
def test_a_levelled_map_has_forgotten_its_b_factor(bfactor):
    data, inside = blob()
    changed = apply_bfactor(Volume(data, 1.0), bfactor).data
    first, second = (flatten_to_power_law(each, inside) for each in (data, 3 * changed + 7))
    before = np.abs(data - changed)[inside].mean() / data[inside].std()
    after = np.abs(first - second)[inside].mean()
    assert after < 0.15 and after < before / 3


def test_frequencies_that_were_filtered_away_stay_empty():
    data, inside = blob(noise=0.0)
    spectrum = np.fft.rfftn(data)
    s = np.sqrt(sum(np.square(f) for f in np.meshgrid(
        np.fft.fftfreq(40), np.fft.fftfreq(44), np.fft.rfftfreq(48), indexing="ij")))  # fmt: skip
    low = np.fft.irfftn(spectrum * (s < 0.2), s=data.shape).astype(np.float32)
    levelled = flatten_to_power_law(low, inside)
    power = np.abs(np.fft.rfftn(levelled)) ** 2
    assert power[s > 0.35].mean() < 0.01 * power[(s > 0.1) & (s < 0.18)].mean()


def test_features_of_a_whole_map():
    from cryodl.features.context import CONTEXT_CHANNELS, context_features, stack

    data, inside = blob(noise=0.5)
    features = stack(*context_features(data, 1.0, inside))
    assert features.shape == (20, 22, 24, CONTEXT_CHANNELS) and np.isfinite(features).all()
    scaled = stack(*context_features(1e4 * data - 50, 1.0, inside))
    assert np.abs(features - scaled).max() < 0.05
    # the ball is stronger than the solvent in every band, and where no solvent is nothing is said
    assert (features[..., 23:36] > 0.1).all() and (features[..., 36] == 1).all()
    masked = stack(*context_features(data * inside, 1.0, inside))
    assert (masked[..., 23:] == 0).all()


def test_features_of_a_map_as_it_is_know_its_b_factor():
    from cryodl.features.context import context_features

    data, inside = blob(noise=0.5)
    changed = apply_bfactor(Volume(data, 1.0), 60.0).data
    moved = {}
    for level in (True, False):
        (first, *_), (second, *_) = (
            context_features(d, 1.0, inside, flatten=level) for d in (data, 1e-9 * changed + 3e-9)
        )
        moved[level] = np.abs(first - second)[inside].mean()
    assert moved[False] > 2 * moved[True]
    flat = context_features(np.full((16, 16, 16), 3.0, np.float32), 1.0, flatten=False)
    assert not flat[0].any() and all(np.isfinite(part).all() for part in flat)


def predicted(shape=(6, 8, 10)):
    rng = np.random.default_rng(0)
    prediction = rng.uniform(0.1, 1, (*shape, CHANNELS))
    prediction[..., LOCAL], prediction[..., RATIO], prediction[..., GLOBAL] = 5.0, 1.2, np.log(4.0)
    return prediction.astype(np.float32)


def test_global_resolution_is_a_weighted_mean_over_all_tiles():
    prediction = predicted()
    assert global_resolution(prediction) == pytest.approx(4.0, rel=1e-5)
    prediction[:3, ..., GLOBAL], prediction[:3, ..., COUNTS] = (
        np.log(8.0),
        3 * prediction[3:, ..., COUNTS],
    )
    assert global_resolution(prediction) == pytest.approx(8**0.75 * 4**0.25, rel=1e-4)


def test_ways_to_tell_local_resolution():
    prediction = predicted()
    assert local_resolution(prediction, 4.0, "alone")[0] == pytest.approx(5.0)
    assert local_resolution(prediction, 4.0, "relative")[0] == pytest.approx(4.8)
    prediction[..., LOCAL_SD], prediction[..., RATIO_SD] = 0.1, 10.0
    assert local_resolution(prediction, 4.0, "both")[0] == pytest.approx(5.0, abs=1e-3)


def test_aspect_resolution_is_a_backbone_s_and_within_its_range():
    spec = {"local": "alone", "resolution_limits": [2.2, 13.0]}
    assert read_prediction(predicted(), spec).aspect is None
    more = np.concatenate([predicted(), np.full((6, 8, 10, 2), 14.0, np.float32)], axis=-1)
    assert (read_prediction(more, spec).aspect == 13.0).all()


def test_blur_makes_a_map_look_coarser_and_sharpening_finer():
    pytest.importorskip("keras")
    volume = cryodl.read_map(EXAMPLE)
    medians = []
    for bfactor in (-60, 0, 300):
        result = cryodl.run_single_map_resolution(apply_bfactor(volume, bfactor))
        inside = result.volumes["mask"].data != 0
        aspect = result.volumes["aspect"].data
        assert (aspect[inside] >= result.stats["finest_possible"]).all() and not aspect[
            ~inside
        ].any()
        assert result.stats["aspect_median"] == pytest.approx(np.median(aspect[inside]), abs=1e-3)
        medians.append(result.stats["aspect_median"])
    assert medians[0] + 1 < medians[1] < medians[2] - 2


def test_the_border_of_the_mask_lies_where_it_was_measured():
    told = centred(np.array([0.0, 0.15, 0.3, 0.65, 1.0]), 0.3)
    assert told == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_islands_go_and_holes_are_filled():
    probability = np.zeros((20, 20, 20))
    probability[3:15, 3:15, 3:15] = 0.9
    probability[8, 8, 8] = 0.1
    probability[18, 18, 18] = 0.9
    inside = molecule(probability)
    assert inside.sum() == 12**3 and inside[8, 8, 8] and not inside[18, 18, 18]


def test_plan_counts_tiles_and_grows_with_the_map(bundle):
    import re

    from cryodl.features.context import prepare_context
    from cryodl.methods.cost import cost_estimate

    needs = []
    for n in (40, 128):
        data, inside = blob(n)
        volume = Volume(data, 1.0)
        line = cost_estimate(volume, prepare_context(volume, 1.0, inside), bundle.spec)
        assert f"map of {n + 8} x {n + 4} x {n} voxels of 1 Å" in line and "in 1 tile; " in line
        needs.append([float(x) for x in re.search(r"about (\d+) s and ([\d.]+) GB", line).groups()])
    assert needs[0][0] <= needs[1][0] < 60 and needs[0][1] < needs[1][1] < 2


def test_the_network_s_grid_lies_where_the_map_does():
    """A field linear in space, read off the middle of each step, is that of the map's voxels."""
    from cryodl.features.context import prepare_context
    from cryodl.maps.normalise import block_mean
    from cryodl.maps.resample import resample_to

    shape, voxel, origin = (90, 96, 110), 0.8, (3.0, -4.0, 5.0)
    z, y, x = np.indices(shape)
    inside = (abs(z - 40) < 9) & (abs(y - 60) < 12) & (abs(x - 50) < 10)
    noise = np.random.default_rng(0).normal(size=shape)
    volume = Volume((10 * inside + 0.1 * noise * inside).astype(np.float32), voxel, origin)
    more = np.zeros(shape, bool)
    more[70:74, 20:24, 90:94] = True
    made = prepare_context(volume, 1.0, inside, more)
    for mask in (inside, more):  # both with what is around them
        for (first, last), part, n in zip(bounding_box(mask), made.part, shape):
            assert part.start <= max(0, first - 18) and part.stop >= min(n, last + 18)
    axes = [made.grid.origin[i] + made.grid.voxel_size * np.arange(n)
            for i, n in enumerate(reversed(made.grid.shape))]  # fmt: skip
    field = axes[0] + 2 * axes[1][:, None] - 3 * axes[2][:, None, None]
    like = crop(volume, made.part)
    found = resample_to(made.volume(block_mean(field.astype(np.float32), 2)), like).data
    axes = [like.origin[i] + voxel * np.arange(n) for i, n in enumerate(reversed(like.shape))]
    expected = axes[0] + 2 * axes[1][:, None] - 3 * axes[2][:, None, None]
    inner = (slice(8, -8),) * 3
    assert np.abs(found - expected)[inner].max() < 0.05


def test_tiles_change_nothing(bundle, monkeypatch):
    from cryodl.features.context import prepare_context
    from cryodl.methods import cost as module
    from cryodl.methods.cryores.predict import predict

    data, inside = blob(56)
    prepared = prepare_context(Volume(data, 1.0), 1.0, inside)
    whole, _ = predict(prepared, bundle.spec, bundle.model)
    monkeypatch.setitem(module.TILE_MEMORY, "cpu", 2e7)
    assert len(module.tile_grid(prepared, bundle.spec)) > 1
    tiled, _ = predict(prepared, bundle.spec, bundle.model)
    assert tiled.whole == pytest.approx(whole.whole, abs=1e-3)
    assert np.abs(tiled.resolution - whole.resolution).max() < 1e-3
    assert np.abs(tiled.probability - whole.probability).max() < 1e-4


def write(path, data, voxel_size=1.2):
    with mrcfile.new(path, data, overwrite=True) as file:
        file.voxel_size = voxel_size
        file.header.origin = (5, 6, 7)
    return path


def test_command_writes_everything_on_the_map_grid(bundle, tmp_path):
    map_file = write(tmp_path / "map.mrc", blob()[0])
    out = tmp_path / "out"
    options = ["--method", "cryores", "--bundle", bundle.path, "--device", "cpu"]
    assert main(["localres", map_file, "-o", out, *options]) == 0
    names = {p.name for p in out.iterdir()}
    assert {"resolution.mrc", "uncertainty.mrc", "mask.mrc", "probability.mrc", "stats.json",
            "histogram.png", "slices.png", "view.cxc"} <= names  # fmt: skip
    stats = json.loads((out / "stats.json").read_text())
    assert stats["method"] == "single-map-resolution" and stats["global_resolution"] > 0
    with mrcfile.open(out / "mask.mrc") as mask, mrcfile.open(out / "resolution.mrc") as found:
        assert mask.data.shape == (40, 44, 48) and float(mask.voxel_size.x) == pytest.approx(1.2)
        assert ((found.data > 0) == (mask.data > 0)).all()
        assert (found.header.origin.x, found.header.origin.z) == (5, 7)


def test_mask_command(bundle, tmp_path):
    map_file = write(tmp_path / "map.mrc", blob()[0])
    options = ["--bundle", bundle.path, "--device", "cpu"]
    for name, more in (("a", []), ("b", ["--dilate", "2.4"]), ("c", ["--soft", "6"])):
        assert main(["mask", map_file, "-o", tmp_path / f"{name}.mrc", *options, *more]) == 0
    a, b, c = (mrcfile.read(tmp_path / f"{name}.mrc") for name in "abc")
    assert set(np.unique(a)) <= {0, 1} and 0 < a.sum()
    assert (b >= a).all() and b.sum() >= a.sum()
    assert (c >= a).all() and (c[a > 0] == 1).all()
    assert main(["mask", map_file, "-o", tmp_path / "a.mrc", *options]) == 2  # exists


def test_widened_masks():
    from cryodl.methods.cryores.mask import widened

    inside = np.zeros((30, 30, 30), bool)
    inside[10:20, 10:20, 10:20] = True
    assert (widened(inside, 2.0, 0, 0) == inside).all()
    assert (widened(np.ones((9, 9, 9), bool), 2.0, -4.0, 0) == 1).all()  # no border to move
    assert np.count_nonzero(widened(inside, 2.0, 4.0, 0)[15, 15]) == 14  # two voxels at each end
    assert np.count_nonzero(widened(inside, 2.0, -4.0, 0)[15, 15]) == 6
    soft = widened(inside, 2.0, 0, 8.0)[15, 15]
    assert soft[19] == 1 and soft[21] == pytest.approx(0.5) and soft[23] == 0


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--half1", "a.mrc"], "one map"),
        (["--claimed", "0.1"], "claimed"),
        (["--bundle", "deepres-low"], "single-map-resolution"),
    ],
)
def test_mistakes_draw_one_line(more, word, tmp_path, capsys):
    map_file = write(tmp_path / "map.mrc", blob(24)[0])
    arguments = ["localres", map_file, "-o", tmp_path / "out", "--method", "cryores"]
    if "--bundle" not in more:
        more = [*more, "--bundle", "deepres-low"]
    assert main([*arguments, *more]) == 2
    said = capsys.readouterr().err.strip()
    assert word in said and "\n" not in said
