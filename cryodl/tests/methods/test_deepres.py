"""Local resolution: the network's answer lands at the right voxels, whatever the way there.

A small network with random weights stands in for a trained one: what is tested here is everything
around it.
"""

from dataclasses import replace

import numpy as np
import pytest

from cryodl.errors import BundleError, InputError, SettingError
from cryodl.maps.volume import Volume

keras = pytest.importorskip("keras")

NETWORK = {
    "architecture": "unet3d",
    "channels": 21,
    "half": 4,
    "quarter": 4,
    "quarter_blocks": 1,
    "stride": 2,
    "bins": 8,
    "bins_from": 2.2,
    "bins_to": 15.0,
}
SPEC = {
    "name": "small",
    "method": "local-resolution",
    "range": "low",
    "network": NETWORK,
    "voxel_size": 1.0,
    "normalisation": {"name": "local_features", "parameters": {"window": 8.0, "floor": 0.05}},
    "stride": 2,
    "overlap": 10,
    "resolution_limits": [2.5, 13.0],
    "calibration": {"interval": 0.9, "factor": 1.5},
    "training": {},
    "metrics": {},
    "licence": "CC0-1.0",
    "citation": "none",
}


CROPPED = 0.02  # Å


# What networks read: local features, as deepres-high does; those of the whole map, as deepres-low.
KINDS = {
    "local_features": (21, {"window": 8.0, "floor": 0.05}),
    "whole_features": (37, {"level": False}),
}


@pytest.fixture(scope="module", params=KINDS)
def bundle(tmp_path_factory, request):
    from cryodl.networks import build
    from cryodl.networks.bundle import save_bundle

    keras.utils.set_random_seed(1)
    channels, parameters = KINDS[request.param]
    network = {**NETWORK, "channels": channels}
    normalisation = {"name": request.param, "parameters": parameters}
    model = build(network)
    # Larger weights than at the start of a training, so that the answer varies from voxel to voxel.
    model.set_weights([2 * w if w.ndim > 2 else w for w in model.get_weights()])
    path = tmp_path_factory.mktemp("bundle") / "small"
    spec = {**SPEC, "network": network, "normalisation": normalisation}
    return save_bundle(path, model, spec, dtype="float32")


@pytest.fixture(scope="module")
def density():
    return blobs((44, 60, 52), 1.0)


def blobs(shape, voxel_size, noise=0.02):
    """Gaussian blobs of varied width within a ball, with a little noise."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(n) * voxel_size for n in shape], indexing="ij"), -1)
    centre = np.array(shape) * voxel_size / 2
    data = noise * np.random.default_rng(1).normal(size=shape)
    for _ in range(40):
        place = rng.normal(size=3)
        place = centre + 14 * place / np.linalg.norm(place) * rng.uniform() ** (1 / 3)
        data += np.exp(-((grid - place) ** 2).sum(-1) / (2 * rng.uniform(1.5, 3) ** 2))
    return Volume(data.astype(np.float32), voxel_size, origin=(10.0, -20.0, 30.0))


def run(volume, bundle, **options):
    from cryodl.methods.deepres.run import run_local_resolution

    return run_local_resolution(volume, bundle, device="cpu", **options)


@pytest.fixture(scope="module")
def result(density, bundle):
    return run(density, bundle)


def test_volumes_lie_on_the_input_grid_with_background_zero(result, density):
    mask = result.volumes["mask"].data != 0
    assert 0.01 < mask.mean() < 0.9
    for name in ("resolution", "uncertainty", "mask"):
        volume = result.volumes[name]
        assert volume.data.dtype == np.float32
        assert (volume.shape, volume.voxel_size, volume.origin) == (
            density.shape,
            density.voxel_size,
            density.origin,
        )
        assert not volume.data[~mask].any()
        assert (volume.data[mask] > 0).all()
    assert np.ptp(result.volumes["resolution"].data[mask]) > 0.1


def test_result_is_that_of_the_network_on_the_whole_map(result, density, bundle):
    """Tiling and calibration change nothing inside the mask, and cropping to it next to nothing:
    the coarsest filters reach a little beyond what is kept."""
    from cryodl.maps.resample import resample_to
    from cryodl.methods.deepres.prepare import prepare

    whole = prepare(density, bundle.spec)
    answer = bundle.model.predict_on_batch(whole.data[None])[0]
    mask = result.volumes["mask"].data != 0
    for name, channel, factor in (("resolution", 0, 1.0), ("uncertainty", 1, 1.5)):
        expected = resample_to(whole.volume(answer[..., channel]), density).data[mask]
        if name == "resolution":
            expected = np.clip(expected, *bundle.spec["resolution_limits"])
        np.testing.assert_allclose(result.volumes[name].data[mask], factor * expected, atol=CROPPED)


def test_small_mask_gives_the_same_values(result, density, bundle):
    mask = np.zeros(density.shape, np.float32)
    mask[19:24, 30:33, 20:30] = 1
    small = run(density, bundle, mask=mask)
    inside = mask > 0
    np.testing.assert_array_equal(small.volumes["mask"].data, mask)
    both = inside & (result.volumes["mask"].data > 0)
    assert both.any()
    found, expected = (one.volumes["resolution"].data[both] for one in (small, result))
    np.testing.assert_allclose(found, expected, atol=CROPPED)
    assert small.stats["voxels"] == inside.sum()
    assert small.stats["mask"] == "given"


def test_what_is_not_read_around_the_molecule_changes_nothing(monkeypatch):
    """`CONTEXT` is less than the receptive field: a property of the shipped weights."""
    from pathlib import Path

    from cryodl.maps.mrc import read_map
    from cryodl.methods.deepres import prepare as module

    volume = read_map(Path(__file__).parents[3] / "examples" / "emd_3186.map.gz")
    found = []
    for context in (module.CONTEXT, 30):
        monkeypatch.setattr(module, "CONTEXT", context)
        found.append(run(volume, "deepres-low").volumes["resolution"].data)
    assert found[0].any() and np.abs(found[0] - found[1]).max() < 2e-3


def test_any_tile_gives_the_same_map(result, density, bundle, monkeypatch):
    from cryodl.methods.deepres import run as module
    from cryodl.networks.tiles import TileGrid

    monkeypatch.setattr(
        module, "tile_grid", lambda shape, spec, device: TileGrid(shape, (4, 10, 32), 10, 2)
    )
    tiled = run(density, bundle, batch_size=2)
    for name in ("resolution", "uncertainty"):
        difference = tiled.volumes[name].data - result.volumes[name].data
        assert np.abs(difference).max() < 1e-3


@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0.0), (1e6, 0.0), (1e-6, 3e-6), (1.0, -5.0)])
def test_scale_and_offset_change_nothing(result, density, bundle, scale, offset):
    other = run(
        density.with_data(density.data * np.float32(scale) + np.float32(offset)),
        bundle,
        mask=result.volumes["mask"],
    )
    difference = other.volumes["resolution"].data - result.volumes["resolution"].data
    assert np.abs(difference).max() < 0.05


@pytest.mark.parametrize("voxel_size", [0.83, 1.37])
@pytest.mark.parametrize("kind", KINDS)
def test_values_come_back_to_their_place(voxel_size, kind):
    """A field that is linear in space is the same at every voxel, whatever the network's grid."""
    from cryodl.maps.crop import bounding_box, paste
    from cryodl.methods.deepres.prepare import prepare
    from cryodl.methods.deepres.run import _any_inside

    volume = blobs((37, 44, 31), voxel_size)
    inside = np.zeros(volume.shape, bool)
    inside[12:30, 9:40, 14:29] = True
    box = bounding_box(inside)
    spec = {**SPEC, "overlap": 4, "normalisation": {"name": kind, "parameters": KINDS[kind][1]}}
    prepared = prepare(volume, spec, box)

    def field(like):
        axes = [
            o + like.voxel_size * np.arange(n) for o, n in zip(like.origin, reversed(like.shape))
        ]
        return 50 + axes[2][:, None, None] + 2 * axes[1][:, None] - 3 * axes[0]

    values = field(prepared)
    for z in range(0, prepared.shape[0], 4):  # as tiles that are not predicted leave them
        part = (slice(z, z + 4), slice(0, prepared.shape[1]), slice(0, prepared.shape[2]))
        if not _any_inside(inside, volume, prepared, part):
            values[part] = 0
    assert not values.all()
    back = paste(prepared.volume(values), volume, inside, box)
    np.testing.assert_allclose(back.data[inside], field(volume)[inside], atol=2e-3)
    assert not back.data[~inside].any()
    assert back.origin == volume.origin


def test_other_voxel_size_gives_the_same_resolution(bundle):
    """One density sampled twice: the network sees it on its own grid either way."""
    fine, coarse = blobs((60, 60, 60), 0.8, noise=0), blobs((48, 48, 48), 1.0, noise=0)
    medians = [
        run(v, bundle, range="low", mask=(v.data > 0.3).astype(np.float32)).stats["median"]
        for v in (fine, coarse)
    ]
    assert abs(medians[0] - medians[1]) < 0.1


def test_stats_tell_what_was_done(result, bundle, density):
    stats, mask = result.stats, result.volumes["mask"].data != 0
    assert stats["median"] == pytest.approx(
        np.median(result.volumes["resolution"].data[mask]), abs=1e-3
    )
    assert list(stats["percentiles"]) == "2.5 5 20 25 50 75 80 95 97.5".split()
    assert stats["voxels"] == mask.sum()
    assert stats["bundle_sha256"] == bundle.sha256
    assert (stats["range"], stats["method"], stats["mask"]) == (
        "low",
        "local-resolution",
        "automatic",
    )
    assert set(stats["seconds"]) >= {"read", "mask", "prepare", "load", "predict", "finish"}
    import json

    assert json.loads(json.dumps(stats, allow_nan=False)) == stats


def test_sharpening_is_applied_and_reported(density, bundle):
    applied = run(density, bundle, sharpen=-50)
    assert applied.stats["sharpen"] == -50
    assert not np.allclose(applied.density.data, density.data)
    flat = run(density, bundle, sharpen="auto", claimed=4.0)
    assert (flat.stats["sharpen"], flat.stats["sharpen_resolution"]) == ("auto", 4.0)
    assert np.isfinite(flat.stats["guinier_bfactor"])


def test_warnings_are_told_and_kept(bundle):
    coarse = replace(blobs((14, 14, 14), 1.0), voxel_size=6.0)
    mask = np.zeros(coarse.shape)
    mask[5:9, 5:9, 5:9] = 1
    told = []
    result = run(coarse, bundle, mask=mask, notify=told.append)
    assert any("holds nothing better than 12.0 Å" in w for w in result.stats["warnings"])
    assert [f"warning: {w}" for w in result.stats["warnings"]] == told[1:]
    assert "14 x 14 x 14 voxels of 6 Å" in told[0]


def test_advice_on_values_at_the_limits():
    from cryodl.methods.deepres.sharpening import advise_on_result

    assert advise_on_result(np.linspace(3, 12, 100), SPEC) == []
    (low,) = advise_on_result(np.full(100, 2.51), SPEC)
    assert "100% of the voxels lie at 2.5 Å" in low
    (high,) = advise_on_result(np.r_[np.full(30, 12.9), np.full(70, 5.0)], SPEC)
    assert "30% of the voxels lie at 13 Å" in high
    (finest,) = advise_on_result(np.r_[np.full(40, 3.0), np.full(60, 5.0)], SPEC, 3.0)
    assert "40% of the voxels lie at 3 Å, the finest that the map can hold" in finest


def test_advice_on_an_unsharpened_map(density):
    from cryodl.methods.deepres.sharpening import Sharpened, advise_on_input

    said = advise_on_input(density, Sharpened(density, "none", None, -120.0), SPEC)
    assert len(said) == 1 and "B = 120 Å²" in said[0]
    for sharpen, bfactor in (("none", -20.0), ("none", 50.0), ("none", None), ("auto", -120.0)):
        assert advise_on_input(density, Sharpened(density, sharpen, None, bfactor), SPEC) == []


def test_range_follows_the_voxel_size():
    from cryodl.methods.deepres.config import choose_range

    assert [choose_range(v) for v in (0.5, 0.75, 0.76, 1.0, 2.0)] == ["high"] * 2 + ["low"] * 3
    assert choose_range(2.0, "high") == "high"


def test_calibration_may_depend_on_resolution():
    from cryodl.networks.method_bundle import interval_factor

    table = {"interval": 0.9, "resolution": [3.0, 5.0], "factor": [1.0, 2.0]}
    np.testing.assert_allclose(
        interval_factor(table, np.array([2.0, 3.0, 4.0, 9.0])), [1, 1, 1.5, 2]
    )
    assert interval_factor({"interval": 0.9, "factor": 1.7}, np.array([2.0, 3.0])) == 1.7


def test_plan_grows_with_the_map_and_shrinks_with_the_mask():
    from cryodl.methods.deepres.prepare import estimate_cost

    volumes = [Volume(np.broadcast_to(np.float32(0), (n, n, n)), 1.0) for n in (64, 128, 256)]
    plans = [estimate_cost(v, SPEC) for v in volumes]
    for small, large in zip(plans, plans[1:]):
        assert small.seconds < large.seconds and small.memory_bytes < large.memory_bytes
    masked = estimate_cost(volumes[2], SPEC, box=((100, 140),) * 3)
    assert masked.seconds < plans[2].seconds and masked.memory_bytes <= plans[2].memory_bytes
    assert masked.shape == (136, 136, 136)
    # features of the whole molecule cost what they do, however small the mask
    whole = {**SPEC, "normalisation": {"name": "whole_features"}}
    few, more = (
        estimate_cost(volumes[2], whole, box=((100, 140),) * 3, part=(slice(0, n),) * 3)
        for n in (60, 200)
    )
    assert few.shape == more.shape and more.memory_bytes > few.memory_bytes + 0.2e9


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_small_mask_little_is_read(density, kind):
    from cryodl.methods.deepres.prepare import prepare

    large = Volume(np.pad(density.data, 40), 1.0)
    spec = {**SPEC, "overlap": 4, "normalisation": {"name": kind, "parameters": KINDS[kind][1]}}
    small, wide = (prepare(large, spec, ((70, 70 + n),) * 3) for n in (4, 30))
    assert np.prod(small.shape) < 0.3 * np.prod(wide.shape)


@pytest.mark.parametrize("sharpen", [-60.0, "auto"])
def test_what_a_mask_left_out_stays_so_when_a_map_is_sharpened(density, sharpen):
    """The rings of the filter would pass for solvent, and the map for one without noise."""
    from cryodl.features.context import CHANNELS, context_features
    from cryodl.methods.deepres.sharpening import sharpen_map

    inside = np.pad(density.data > 0.2, 8)
    masked = Volume(np.pad(density.data, 8) * inside, 1.0)
    sharpened = sharpen_map(masked, inside, sharpen, 4.0).volume
    assert (sharpened.data[~inside] == 0).all()
    assert not np.allclose(sharpened.data[inside], masked.data[inside], rtol=0.05)
    _, _, extra = context_features(sharpened.data, 1.0, inside, flatten=False)
    assert extra.shape[-1] == 37 - CHANNELS and not extra[..., 2:].any()


def test_bad_requests_are_refused(density, bundle, tmp_path):
    from cryodl.networks.bundle import Bundle

    for options, error, message in (
        ({"sharpen": "some"}, SettingError, "sharpen 'some'"),
        ({"sharpen": float("nan")}, SettingError, "sharpen nan"),
        ({"claimed": 0.0}, SettingError, "claimed=0 is"),
        ({"batch_size": 0}, SettingError, "batch_size=0 is"),
        ({"range": "high"}, SettingError, "bundle small has range low"),
        ({"mask": np.zeros(density.shape)}, InputError, "mask is empty"),
        ({"mask": np.ones((4, 4, 4))}, InputError, "mask has"),
    ):
        with pytest.raises(error, match=message):
            run(density, bundle, **options)
    with pytest.raises(BundleError, match="unknown bundle"):
        run(density, "nonesuch")
    other = Bundle(tmp_path, {**SPEC, "method": "postprocess"})
    with pytest.raises(BundleError, match="is for postprocess"):
        run(density, other)
    unknown = Bundle(tmp_path, {**SPEC, "normalisation": {"name": "log"}})
    with pytest.raises(BundleError, match="normalisation.name is 'log', expected local_features"):
        run(density, unknown)


def test_saved_files_read_back(result, tmp_path):
    from cryodl.maps.mrc import read_map

    result.save(tmp_path / "out")
    names = ["mask.mrc", "resolution.mrc", "stats.json", "uncertainty.mrc"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    back = read_map(tmp_path / "out" / "resolution.mrc")
    np.testing.assert_array_equal(back.data, result.volumes["resolution"].data)
    assert back.origin == pytest.approx(result.volumes["resolution"].origin)


def test_automatic_sharpening_takes_a_first_look(density, bundle):
    """Without a claim the spectrum is flattened up to the median that a first look gives."""
    said = []
    result = run(density, bundle, sharpen="auto", notify=said.append)
    limit = result.stats["sharpen_resolution"]
    assert any(f"{limit:.2f} Å" in line for line in said)
    assert "probe" in result.stats["seconds"]
    claimed = run(density, bundle, sharpen="auto", claimed=limit)
    difference = (claimed.volumes["resolution"].data - result.volumes["resolution"].data)[
        result.volumes["mask"].data > 0
    ]
    assert np.abs(difference).max() < 0.05
    assert "probe" not in claimed.stats["seconds"]
