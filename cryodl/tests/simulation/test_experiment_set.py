"""Sets of simulated experiments on disk, and the streams of samples made from them."""

from __future__ import annotations

import json
from functools import partial
from itertools import islice

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import InputError, SettingError
from cryodl.simulation.experiment_set import (
    CONFIG,
    LEAST_ATOMS,
    make_experiment_set,
    open_experiment_set,
)
from cryodl.simulation.simulated_experiment import MAPS, simulate_experiment
from cryodl.tests.simulation.test_simulate import write_model
from cryodl.tests.simulation.test_simulated_experiment import molecule  # noqa: F401
from cryodl.training.stream import SampleStream

COARSE = (5.0, 7.0)


@pytest.fixture(scope="module")
def stored(tmp_path_factory, molecule):  # noqa: F811
    folder = tmp_path_factory.mktemp("set")
    list(make_experiment_set([molecule], folder, count=2, seed=4, resolution=COARSE))
    return folder


def test_stored_maps_are_those_of_the_experiment_cut_to_the_molecule(stored, molecule):  # noqa: F811
    experiment = open_experiment_set(stored)[1]
    info = experiment.info
    made = simulate_experiment(
        molecule, {**CONFIG, "resolution": info["config"]["resolution"]}, info["seed"]
    )
    shape = experiment.load("mask").shape
    cut = tuple(slice(s, s + n) for s, n in zip(info["first_voxel"], shape))
    assert all(n % 4 == 0 for n in shape)
    assert experiment.load("mask").sum() == made.mask.sum()  # nothing of the molecule is cut off
    assert np.allclose(experiment.load("snr"), made.snr[cut], rtol=1e-3)
    for name in MAPS[:3]:
        first, second = experiment.load(name).ravel(), getattr(made, name)[cut].ravel()
        assert np.corrcoef(first, second)[0, 1] > 0.9999
    mean = (experiment.load("half1") + experiment.load("half2")) / 2
    assert abs(mean.std() - 1) < 0.01
    assert COARSE[0] <= experiment.resolution <= COARSE[1]


def test_a_set_goes_on_where_it_ended(stored, molecule):  # noqa: F811
    before = {p: p.stat().st_mtime_ns for p in stored.glob("*/half1.npy")}
    (stored / "00001" / "experiment.json").rename(stored / "kept.json")
    redone = list(make_experiment_set([molecule], stored, count=2, seed=4, resolution=COARSE))
    assert [p.name for p in redone] == ["00001"]
    assert json.loads((stored / "kept.json").read_text()) == open_experiment_set(stored)[1].info
    first = stored / "00000" / "half1.npy"
    assert first.stat().st_mtime_ns == before[first]


def test_a_map_is_added_and_read_back(stored):
    experiment = open_experiment_set(stored)[0]
    assert not experiment.has("target")
    with pytest.raises(InputError, match="holds no target"):
        experiment.load("target")
    ramp = np.linspace(-2, 2, experiment.load("mask").size).reshape(experiment.load("mask").shape)
    experiment.add("target", ramp)
    assert experiment.has("target")
    assert np.allclose(experiment.load("target"), ramp, atol=2e-3)


def test_bad_sets(tmp_path, molecule):  # noqa: F811
    with pytest.raises(InputError, match="not a set of experiments"):
        open_experiment_set(tmp_path)
    with pytest.raises(InputError, match="no structures"):
        list(make_experiment_set([], tmp_path / "a", count=1))
    with pytest.raises(SettingError, match="no ingredient 'colour'"):
        list(make_experiment_set([molecule], tmp_path / "b", count=1, config={"colour": 1}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resolution", "5"], "is not BEST,WORST"),
        (["--resolution", "7,5"], "is not BEST,WORST"),
        (["--resolution", "0.1,5"], "is not between 0.5 and 40 Å"),
        (["--seed", "-1"], "from 0 up"),
        (["--kind", "density"], f"no structure has the {LEAST_ATOMS} atoms"),
    ],
)
def test_bad_requests(options, message, tmp_path, molecule, capsys):  # noqa: F811
    write_model(tmp_path / "a.pdb", molecule)
    assert main(["experiments", tmp_path, "-o", tmp_path / "set", *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_command_makes_a_set_with_two_workers(tmp_path, molecule, capsys, monkeypatch):  # noqa: F811
    from cryodl.simulation import experiment_set

    monkeypatch.setattr(experiment_set, "LEAST_ATOMS", 100)
    write_model(tmp_path / "a.pdb", molecule)
    command = ["experiments", tmp_path, "-o", tmp_path / "set", "--count", 2, "--workers", 2,
               "--kind", "density", "--resolution", "6,7"]  # fmt: skip
    assert main(command) == 0
    assert "wrote 2 experiments" in capsys.readouterr().out
    assert len(open_experiment_set(tmp_path / "set")) == 2


def numbered(step, item, rng):
    """Two samples that say where they come from."""
    return [(np.array([item, k]), np.array([step * item + rng.random()])) for k in range(2)]


@pytest.mark.parametrize("workers", [0, 1])
def test_streams_repeat_with_their_seed_and_use_every_sample_once(workers):
    stream = SampleStream(partial(numbered, 10), range(50), 3, workers=workers)
    seen = list(islice(stream.batches(4, buffer=12), 40))
    stream.close()
    again = SampleStream(partial(numbered, 10), range(50), 3, workers=0)
    for (x, y), (u, v) in zip(seen, again.batches(4, buffer=12)):
        assert x.dtype == np.float32 and x.shape == (4, 2) and y.shape == (4, 1)
        assert np.array_equal(x, u) and np.array_equal(y, v)
        assert np.all(np.floor(y[:, 0] / 10) == x[:, 0])  # x and y stay together
    values = np.concatenate([np.hstack([x, y]) for x, y in seen])
    assert len(np.unique(values, axis=0)) == len(values)


def test_streams_show_a_sample_as_often_as_asked():
    stream = SampleStream(partial(numbered, 4), range(500), 3, workers=0)
    seen = [tuple(row) for _, y in islice(stream.batches(4, buffer=60, reuse=3), 600) for row in y]
    assert 2.5 < len(seen) / len(set(seen)) < 3.1
    assert all(len(set(seen[i : i + 4])) == 4 for i in range(0, len(seen), 4))


def test_streams_draw_items_by_weight():
    stream = SampleStream(partial(numbered, 1), [0, 1, 2], 0, workers=0, weights=[0, 1, 3])
    drawn = [chunk[0][0][0] for chunk in islice(stream.chunks(), 2000)]
    assert 0 not in drawn and abs(drawn.count(2) / 2000 - 0.75) < 0.03
