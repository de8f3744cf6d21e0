"""Training end to end on every installed backend, resumed, seeded, and its parts by property."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from cryodl.methods.deepres import samples as dataset
from cryodl.methods.deepres.samples import TRAINING
from cryodl.tests.simulation.test_simulate import molecule, write_model  # noqa: F401
from cryodl.training import export

BACKENDS = [b for b in ("tensorflow", "jax", "torch") if importlib.util.find_spec(b)]

THREE_STEPS = """
import numpy as np, sys, json
from cryodl.compute.device import prepare_device
prepare_device("cpu")
import keras
assert keras.backend.backend() == sys.argv[1], keras.backend.backend()
from cryodl.networks.configs import LOW
from cryodl.networks.backbone import build_unet3d
from cryodl.training.losses import BinnedResolutionLoss, ResolutionError
network = {**LOW, "channels": 3, "half": 4, "quarter": 8, "quarter_blocks": 1, "bins": 8}
model = build_unet3d(network, with_logits=True)
model.compile("adam", BinnedResolutionLoss(network), metrics=[ResolutionError(network)])
rng = np.random.default_rng(0)
x = rng.normal(size=(2, 8, 8, 8, 3)).astype("float32")
y = np.stack([np.full((2, 8, 8, 8), 4.0), np.ones((2, 8, 8, 8))], -1).astype("float32")
losses = [float(model.train_on_batch(x, y)[0]) for _ in range(3)]
answer = build_unet3d(network)
answer.set_weights(model.get_weights())
found = np.asarray(keras.ops.convert_to_numpy(answer(x)))
finite = bool(np.isfinite(found).all())
print(json.dumps({"losses": losses, "shape": found.shape, "finite": finite}))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_three_steps_on_every_installed_backend(backend):
    done = subprocess.run(
        [sys.executable, "-c", THREE_STEPS, backend],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["losses"][-1] < found["losses"][0] and found["finite"]
    assert found["shape"] == [2, 8, 8, 8, 2]


def small(**changes):
    config = {**TRAINING["low"], "box": 40, "crop": 32, "buffer": 3, "batch": 2, "validation": 2}
    return {**config, "seed": 0, **changes}


@pytest.mark.parametrize("wanted", ["low", "high"])
def test_batches_repeat_with_their_seed_and_fit_the_loss(molecule, wanted):  # noqa: F811
    network = TRAINING[wanted]["network"]
    config = small(network={**TRAINING["low"]["network"], "channels": network["channels"]})
    first, second = (
        next(dataset.batches(dataset.BoxStream([molecule], config, 7, workers=0))) for _ in range(2)
    )
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])
    x, y = first
    assert x.shape == (2, 16, 16, 16, {"low": 37, "high": 21}[wanted])
    assert y.shape == (2, 16, 16, 16, 2)
    assert set(np.unique(y[..., 1])) <= {0.0, 0.25, 1.0}
    assert y[..., 0].min() >= 2.19 and y[..., 0].max() <= 15.01


def test_crops_turn_density_and_truth_together():
    n = 24
    ramp = np.indices((n, n, n)).astype(np.float32)
    density = ramp[0] * 10_000 + ramp[1] * 100 + ramp[2]
    blocks = density.reshape(n // 2, 2, n // 2, 2, n // 2, 2).mean(axis=(1, 3, 5))
    truth = np.stack([blocks, np.ones_like(blocks)], -1)
    rng = np.random.default_rng(0)
    bands = np.repeat(blocks[..., None], 13, axis=-1)
    for _ in range(20):
        x, y = dataset._crop_and_turn((density, bands, truth), 16, rng)
        assert np.allclose(x[..., :8].mean(axis=-1), y[..., 0])
        assert np.allclose(x[..., 8], y[..., 0])
        # Within a block the voxels differ along x, then y, then z, by one signed step each.
        steps = x[..., 1] - x[..., 0], x[..., 2] - x[..., 0], x[..., 4] - x[..., 0]
        assert {float(abs(s).min()) for s in steps} == {1.0, 100.0, 10_000.0}


def test_calibrated_interval_covers_nine_in_ten():
    rng = np.random.default_rng(0)
    truth = rng.uniform(3, 12, 40_000)
    sd = 0.05 * truth
    mean = truth + rng.normal(size=truth.size) * sd * 1.7  # the network is too sure of itself
    table = export.calibrate(truth, mean, sd)
    assert np.allclose(table["factor"], 1.7 * 1.645, rtol=0.05)
    assert abs(export.accuracy(truth, mean, sd, table)["coverage"] - 0.9) < 0.01


def run(*arguments):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "cryodl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_train_writes_a_bundle_log_and_curves_and_resumes(tmp_path, molecule):  # noqa: F811
    models = tmp_path / "models"
    models.mkdir()
    for name in "abc":
        write_model(models / f"{name}.pdb", molecule)
    (models / "broken.pdb").write_text("nothing\n")
    bundle = tmp_path / "mine"
    common = ["train", "local-resolution", "--structures", models, "-o", bundle, "--epoch", 1,
              "--batch-size", 1, "--validation-boxes", 2, "--workers", 0]  # fmt: skip
    done = run(*common, "--steps", 1)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "2 structures to train on, 1 to validate on, 1 skipped" in done.stdout
    spec = json.loads((bundle / "spec.json").read_text())
    assert spec["training"]["steps"] == 1 and len(spec["calibration"]["factor"]) == 5
    assert sum(path.stat().st_size for path in bundle.rglob("*")) < 4e6  # weights stored once
    card = (bundle / "MODEL_CARD.md").read_text("utf-8")
    assert spec["weights_sha256"] in card and "2 structures" in card and "seed 0" in card
    again = run(*common, "--steps", 2, "--resume", "--overwrite")
    assert again.returncode == 0, again.stderr[-2000:]
    with open(tmp_path / "mine.training" / "log.csv", newline="") as lines:
        epochs = [int(row["epoch"]) for row in csv.DictReader(lines)]
    assert epochs == [0, 1]
    assert (tmp_path / "mine.training" / "learning_curves.png").stat().st_size > 5000
    for refused in (run(*common), run(*common, "--overwrite")):
        assert refused.returncode == 2 and len(refused.stderr.strip().splitlines()) == 1
    assert json.loads((bundle / "spec.json").read_text())["training"]["steps"] == 2


@pytest.mark.parametrize("channels", [37, 21])
def test_averaged_weights_lie_between_trained_and_initial(tmp_path, channels):
    """Also where the initial network read fewer channels, which then weigh nothing in it."""
    from cryodl.networks.backbone import build_unet3d
    from cryodl.networks.configs import LOW
    from cryodl.training.losses import average_weights

    config = {"network": {**LOW, "half": 4, "quarter": 4, "quarter_blocks": 1, "bins": 6}}
    trained = build_unet3d(config["network"], with_logits=True)
    initial = build_unet3d({**config["network"], "channels": channels}, with_logits=True)
    for model, value in ((trained, 3.0), (initial, 1.0)):
        for weight in model.weights:
            weight.assign(np.full(weight.shape, value))
    trained.save_weights(tmp_path / "best.weights.h5")
    path = average_weights(tmp_path / "best.weights.h5", config, initial, 0.25)
    trained.load_weights(path)
    first, *others = (np.asarray(w) for w in trained.weights)
    assert all(np.allclose(w, 2.5) for w in (first[..., :channels, :], *others))
    assert np.allclose(first[..., channels:, :], 0.75 * 3.0)


def test_average_needs_something_to_average_with(tmp_path, capsys):
    from cryodl.cli.main import main

    command = ["train", "local-resolution", "--structures", str(tmp_path)]
    command += ["-o", str(tmp_path / "b")]
    for options in (["--average", "0.5"], ["--average", "2", "--initial", "deepres-low"]):
        assert main([*command, *options]) == 2
        assert "--average" in capsys.readouterr().err


def test_train_refuses_what_it_cannot_use(tmp_path):
    done = run("train", "local-resolution", "--structures", tmp_path, "-o", tmp_path / "b")
    assert done.returncode == 2 and "no readable PDB" in done.stderr
    assert not (tmp_path / "b").exists()


def test_parameters_of_a_method_come_from_a_file(tmp_path, capsys):
    from cryodl.cli.main import main

    params = tmp_path / "run.json"
    params.write_text(json.dumps({"structures": str(tmp_path), "output": str(tmp_path / "b")}))
    assert main(["train", "local-resolution", "--params", params]) == 2
    assert "no readable PDB" in capsys.readouterr().err  # so both options arrived
    params.write_text(json.dumps({"structure": "x"}))
    assert main(["train", "local-resolution", "--params", params]) == 2
    assert "train local-resolution has no option 'structure'" in capsys.readouterr().err


def test_published_network_sees_windows_of_unit_norm_about_their_voxel():
    from cryodl.methods.deepres.published import windows_of

    rng = np.random.default_rng(0)
    density = rng.normal(size=(32, 32, 32))
    truth = np.stack([np.indices((16, 16, 16))[0] + 3.0, np.ones((16, 16, 16))], -1)
    x, y = windows_of(density, truth, 20, rng)
    assert x.shape == (20, 13, 13, 13, 1)
    assert np.allclose(np.sqrt((x**2).sum(axis=(1, 2, 3, 4))), 1, atol=1e-5)
    for window, resolution in zip(x[..., 0], y):
        planes = density[int(2 * (resolution - 3))]  # where the label says the middle lies
        middle = window[6] / np.abs(window[6]).max()
        corners = [
            planes[a : a + 13, b : b + 13] / np.abs(planes[a : a + 13, b : b + 13]).max()
            for a in range(20)
            for b in range(20)
        ]
        assert min(np.abs(middle - corner).max() for corner in corners) < 1e-4
