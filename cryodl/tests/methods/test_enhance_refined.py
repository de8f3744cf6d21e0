"""What a network adds to filtered half maps: nothing untrained, nothing beyond the resolution."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from cryodl.errors import BundleError, InputError, SettingError
from cryodl.filters.sharpen import radial_amplitude
from cryodl.maps.volume import Volume
from cryodl.methods.enhance import filtered
from cryodl.methods.enhance.linear import Linear
from cryodl.methods.enhance.prepare import choose_refining
from cryodl.methods.enhance.refined import correct as refining
from cryodl.methods.enhance.refined.correct import departure, refine, trusted
from cryodl.methods.enhance.run import run_enhance
from cryodl.methods.enhance.train import train_enhance
from cryodl.networks import build
from cryodl.networks.configs import CORRECTION
from cryodl.tests.methods.test_enhance_linear import case  # noqa: F401
from cryodl.tests.simulation.test_simulated_experiment import molecule  # noqa: F401
from cryodl.tests.training.test_reconstructions import made_set  # noqa: F401
from cryodl.training.export import write_bundle

TABLE = {"departure": [0.0, 1.0, 3.0], "share": [0.5, 0.8, 1.0]}


def bundle(path, strength, **tables):
    """An untrained network, whose answer is random and about so strong."""
    import keras

    keras.utils.set_random_seed(0)
    small = {"half": 8, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1}
    network = {**CORRECTION, **small}
    model = build(network)
    kernel, bias = model.get_layer("correction").get_weights()
    drawn = np.random.default_rng(0).normal(size=kernel.shape) * strength
    model.get_layer("correction").set_weights([drawn, bias])
    return write_bundle(
        path, model, {"voxel_size": 1.0, "crop": 48, "batch": 1}, lambda spec: "", data="none",
        method="postprocess", network=network, normalisation="filtered half maps",
        citation="SanchezGarcia2021", metrics={}, seconds=0, steps=0, model="refined",
        resolution_limits=[2.0, 13.0], trust=TABLE, **tables,
    )  # fmt: skip


@pytest.fixture(scope="module")
def random(tmp_path_factory):
    return bundle(tmp_path_factory.mktemp("random") / "random", 3.0)


def test_an_untrained_network_leaves_the_filtered_map(case, tmp_path):  # noqa: F811
    density, trust, _ = refine(case.found, bundle(tmp_path / "untrained", 0.0), device="cpu")
    assert np.allclose(density.data, case.found.full.data, atol=1e-5)
    inside = trust.data[case.inside]
    assert 0.5 <= inside.min() and inside.max() <= 1 and inside.std() > 0.05
    assert not trust.data[case.found.weights < 0.05].any()
    # With one doubt everywhere it follows what stands out, voxel by voxel of the map's own grid.
    away = np.abs(departure(density.data, case.found.resolution / density.voxel_size))
    middle = (case.found.weights == 1) & (trust.data < 1)
    assert spearmanr(away[middle], trust.data[middle])[0] > 0.99


def test_whatever_a_network_says_nothing_comes_beyond_the_resolution(case, random):  # noqa: F811
    density, _, _ = refine(case.found, random, device="cpu")
    added = density.with_data(density.data - case.found.full.data)
    s, amplitude = radial_amplitude(added)
    assert np.abs(added.data[case.inside]).mean() > 0.05  # it says something
    held = amplitude[(s > 0.02) & (s < 1 / case.found.resolution)].max()
    assert amplitude[s > 1.3 / case.found.resolution].max() < 0.03 * held


def test_tiles_do_not_show(random, monkeypatch):
    maps = [Volume(np.random.default_rng(n).normal(size=(96,) * 3), 1.0) for n in range(3)]
    found = Linear(maps[0], np.ones((96,) * 3, np.float32), maps[0].data, 3.0, tuple(maps[1:]))
    whole, _, _ = refine(found, random, device="cpu")
    tiles = []
    fitting = refining.fitting_grid

    def counted(*given):
        tiles.append(fitting(*given))
        return tiles[-1]

    monkeypatch.setattr(refining, "fitting_grid", counted)
    monkeypatch.setitem(refining.ACTIVATIONS, "cpu", 3e6)
    parts, _, _ = refine(found, random, device="cpu")
    assert len(tiles[0]) > 1
    assert np.abs(parts.data - whole.data).max() < 1e-3


def test_trust_grows_with_what_stands_out_of_the_doubt():
    density = np.zeros((16, 16, 16), np.float32)
    density[8, 8, 8] = 1.0
    away = departure(density)
    sure, doubtful = (trusted(away, np.full(away.shape, np.log(sd)), TABLE)[8, 8, 8]
                      for sd in (0.3, 3.0))  # fmt: skip
    assert sure > 0.95 and 0.5 < doubtful < 0.75
    assert trusted(away, np.zeros(away.shape), TABLE)[0, 0, 0] == pytest.approx(0.5, abs=0.01)


def test_the_command_s_results(case, random, tmp_path):  # noqa: F811
    first, second = case.halves
    result = run_enhance(half1=first, half2=second, model="refined", bundle=random,
                         output=tmp_path / "out", device="cpu")  # fmt: skip
    stats = result.stats
    assert (stats["model"], stats["bundle"]) == ("refined", "random")
    assert stats["fsc"]["before_0.143"] and stats["fsc"]["after_0.143"] is None
    assert 0 < stats["density_added"] < 1  # a random network invents, and that is said
    assert (result.volumes["audit"].data > 0).any()
    assert {"enhanced.mrc", "trust.mrc", "audit.mrc", "support.mrc"} <= set(stats["files"])


def test_one_map_is_corrected_by_a_network_that_learnt_of_one(case, tmp_path):  # noqa: F811
    network = bundle(tmp_path / "both", 3.0, trust_one_map={**TABLE, "share": [0.6, 0.8, 0.9]})
    made = run_enhance(case.full, model="refined", bundle=network, device="cpu").volumes
    plain = run_enhance(case.full, model="linear").volumes
    assert {"enhanced", "trust", "audit"} == set(made)
    assert np.abs(made["enhanced"].data - plain["enhanced"].data).max() > 0.05
    trust = made["trust"].data[made["trust"].data > 0]
    assert trust.min() >= 0.6 and trust.max() <= 0.9  # its own table


@pytest.mark.parametrize("model", ["auto", "linear"])
def test_noise_is_refused(model):
    noise = Volume(np.random.default_rng(3).normal(size=(48,) * 3).astype(np.float32), 1.5)
    with pytest.raises(InputError, match="no molecule stands out of the noise.*; give another map"):
        run_enhance(noise, model=model, device="cpu")


def test_beyond_its_resolutions_the_network_is_left_out(case, random, monkeypatch):  # noqa: F811
    monkeypatch.setattr(filtered, "COARSEST", 5.0)
    halves = dict(zip(("half1", "half2"), case.halves))
    result = run_enhance(model="refined", bundle=random, device="cpu", **halves)
    plain = run_enhance(model="linear", **halves)
    assert result.stats["model"] == "linear" and "trust" not in result.volumes
    assert any("beyond 5 Å the network knows nothing" in n for n in result.stats["warnings"])
    assert np.array_equal(result.volumes["enhanced"].data, plain.volumes["enhanced"].data)


def test_what_it_cannot_use_is_refused(case, random):  # noqa: F811
    halves = dict(zip(("half1", "half2"), case.halves))
    with pytest.raises(BundleError, match="'random' corrects half maps alone: give those"):
        run_enhance(case.full, model="refined", bundle=random)
    with pytest.raises(SettingError, match="no use for clean="):
        run_enhance(model="refined", clean=0.1, **halves)
    with pytest.raises(BundleError, match="filtered half maps"):
        run_enhance(model="refined", bundle="enhance-tight", **halves)


def test_it_trains_on_experiments_from_particles(made_set, tmp_path):  # noqa: F811
    """Two steps: a bundle that refines, and whose trust grows with the departure."""
    lines = []
    made = train_enhance(
        tmp_path / "net", experiments=made_set, validation=made_set, network="half-maps",
        steps=2, epoch=1, batch_size=2, workers=0, log=lines.append,
    )  # fmt: skip
    metrics = made.spec["metrics"]
    assert metrics["experiments"] == metrics["one_map"]["experiments"] == 1
    assert any("filtering 2" in each for each in lines)
    for table in ("trust", "trust_one_map"):
        share = made.spec[table]["share"]
        assert list(share) == sorted(share) and 0.5 <= share[0] and share[-1] <= 1
    assert choose_refining(tmp_path / "net").spec["name"] == "net"
    with pytest.raises(SettingError, match="learns from experiments= alone"):
        train_enhance(tmp_path / "other", network="half-maps", pairs="pairs.tsv")
