"""Every shipped post-processing network: noise, tiles, ways to tell the noise; and sizes of all."""

import numpy as np
import pytest

from cryodl.filters.sharpen import apply_bfactor
from cryodl.maps.volume import Volume
from cryodl.methods.enhance import estimate as enhancing
from cryodl.methods.enhance.estimate import MODELS, Enhancer
from cryodl.tests.methods.test_enhance import correlation, full, halves, molecule  # noqa: F401


@pytest.fixture(scope="module", params=MODELS)
def network(request):
    return Enhancer(request.param, device="cpu")


def noise(outline, size=64):
    """Coloured noise everywhere, three times as strong in a ball, or cut out around one."""
    axis = np.arange(size) - size / 2
    away = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2) / (0.3 * size)
    ball = np.clip((1 - away) / 0.1, 0, 1)
    white = np.random.default_rng(1).normal(size=(size,) * 3).astype(np.float32)
    data = apply_bfactor(Volume(white, 1.0), 200.0).data
    weight = {"everywhere": 1.0, "stronger in a ball": 1 + 2 * ball, "cut out": ball}[outline]
    return Volume((data * weight).astype(np.float32), 1.0)


@pytest.mark.parametrize("outline", ["everywhere", "stronger in a ball", "cut out"])
def test_noise_of_any_outline_shows_next_to_nothing(network, outline):
    """The network's own answer, before the audit takes anything out."""
    shown = network.enhance(noise(outline)).density.data > 0.5
    assert shown.mean() < 0.05


def test_a_molecule_stands_out(network, molecule, full):  # noqa: F811
    _, parts = molecule
    model, mask = sum(p for p, _ in parts), np.any([m for _, m in parts], axis=0)
    found = network.enhance(full).density.data
    assert correlation(found[mask], model[mask]) > correlation(full.data[mask], model[mask])
    assert np.abs(found[~mask]).mean() < 0.2 * np.abs(found[mask]).mean()


def test_tiles_do_not_show(network, full, monkeypatch):  # noqa: F811
    whole = network.enhance(full)
    monkeypatch.setitem(enhancing.ACTIVATIONS, "cpu", 3e7)
    parts = network.enhance(full)
    assert parts.steps > whole.steps  # so there were more tiles, which overlap
    assert np.abs(parts.density.data - whole.density.data).max() < 1e-3


def test_told_noise_gives_what_found_noise_gives(full, molecule):  # noqa: F811
    from cryodl.methods.enhance.run import run_enhance

    _, parts = molecule
    mask = full.with_data(np.any([m for _, m in parts], axis=0).astype(np.float32))
    auto = run_enhance(full, model="tight", device="cpu")
    told = {"noise_mean": auto.stats["noise_mean"], "noise_std": auto.stats["noise_std"]}
    for options in ({"normalisation": "mask", "mask": mask}, {"normalisation": "stats", **told}):
        result = run_enhance(full, model="tight", device="cpu", **options)
        assert result.stats["normalisation"] == options["normalisation"]
        assert result.stats["noise_std"] == pytest.approx(told["noise_std"], rel=0.1)
        same = correlation(result.volumes["enhanced"].data, auto.volumes["enhanced"].data)
        assert same > 0.97


def test_statistics_and_a_mask_contradict_each_other():
    from cryodl.errors import SettingError
    from cryodl.methods.enhance.prepare import check_normalisation

    with pytest.raises(SettingError, match="leave out noise_mean="):
        check_normalisation("mask", 0.0, 1.0, np.ones((2, 2, 2)))
    assert check_normalisation("auto", 0.0, 1.0, np.ones((2, 2, 2))) == "stats"


def test_shipped_bundles_fit_into_a_wheel():
    from cryodl.networks.spec import SHIPPED

    sizes = {
        folder.name: sum(file.stat().st_size for file in folder.iterdir())
        for folder in SHIPPED.iterdir()
        if folder.is_dir() and (folder / "spec.json").is_file()
    }
    assert len(sizes) >= 10
    assert max(sizes.values()) < 8e6 and sum(sizes.values()) < 60e6
