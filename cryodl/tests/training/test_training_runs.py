"""Runs of training that were cut off, that began badly or that came to nothing."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import cryodl
from cryodl.cli.main import main
from cryodl.errors import InputError, OutputError, SettingError
from cryodl.training.run import conclude

keras = pytest.importorskip("keras")
from cryodl.training import fit  # noqa: E402

CONFIG = {"learning_rate": 0.1, "warm_up": 1, "epoch": 2, "patience": 9}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 3)).astype(np.float32)
Y = X @ np.float32([[1.0], [2.0], [3.0]])


def compiled(weight=0.0, optimizer=None):
    start = keras.initializers.Constant(weight)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer=start)])
    error = keras.metrics.MeanSquaredError(name="error")
    model.compile(optimizer or keras.optimizers.SGD(0.1), "mse", metrics=[error])
    return model


def train(folder, *, model=None, x=X, y=Y, config=CONFIG, batches=None, **options):
    def same(start):
        while True:
            yield x, y

    return fit.fit(model or compiled(), batches or same, (X, Y), folder, config, verbose=0,
                   **{"steps": 6, **options})  # fmt: skip


def without_state(folder):
    (folder / fit.STATE).unlink()


def half_a_state(folder):
    path = folder / fit.STATE
    path.write_bytes(path.read_bytes()[:5])


def state_of_the_epoch_before(folder):
    path = folder / fit.STATE
    path.write_text(json.dumps({**json.loads(path.read_text()), "step": 4}))


@pytest.mark.parametrize("cut", [without_state, half_a_state, state_of_the_epoch_before])
def test_a_checkpoint_whose_state_is_not_its_own_is_gone_on_with(tmp_path, cut):
    train(tmp_path)
    before = fit.read_state(tmp_path)
    cut(tmp_path)
    train(tmp_path, resume=True, steps=12)
    state = fit.read_state(tmp_path)
    assert before["step"] == 6 and state["step"] == 12 and state["best"] < before["best"]


def test_a_rebuilt_state_has_the_best_of_the_log(tmp_path):
    train(tmp_path)
    best = fit.read_state(tmp_path)["best"]
    without_state(tmp_path)
    model = keras.models.load_model(tmp_path / fit.CHECKPOINT)
    state = fit._state_of(model, tmp_path, CONFIG)
    assert state["step"] == 6 and state["epochs_since_best"] == 0
    assert state["best"] == pytest.approx(best, rel=1e-5)


def test_averaged_weights_are_what_is_validated_and_kept(tmp_path):
    def swinging(start):
        for step in itertools.count(start):
            yield X, Y + (-1) ** step * 5  # a bias of the step, and none in the mean

    model = compiled(optimizer=keras.optimizers.SGD(0.4, use_ema=True, ema_momentum=0.95))
    early = {"batches": swinging, "steps": 10**6, "config": {**CONFIG, "patience": 2}}
    train(tmp_path, model=model, **early)  # ends with the rate still high
    train(tmp_path, resume=True, **early)
    last = keras.models.load_model(tmp_path / fit.CHECKPOINT)
    best = keras.models.clone_model(model)
    best.load_weights(tmp_path / fit.BEST)
    errors = [float(np.mean((net.predict(X, verbose=0) - Y) ** 2)) for net in (last, best)]
    assert errors[1] < 0.2 * errors[0]
    state = fit.read_state(tmp_path)
    assert errors[1] == pytest.approx(state["best"], rel=1e-3) and state["step"] > 40
    assert not fit.optimizer(CONFIG).use_ema and fit.optimizer({**CONFIG, "averaging": 0.9}).use_ema


def test_a_damaged_checkpoint_says_what_to_do(tmp_path):
    train(tmp_path)
    path = tmp_path / fit.CHECKPOINT
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be gone on with .*remove it and train anew"):
        train(tmp_path, resume=True)


def test_the_start_stands_beside_the_end(tmp_path, capsys):
    train(tmp_path)
    conclude(tmp_path)
    told = capsys.readouterr().out
    start = float(np.mean(Y**2))
    assert f"val_error: {start:.4g} at the start, " in told and "warning" not in told
    train(tmp_path, resume=True, steps=8)
    assert fit.read_state(tmp_path)["start"] == pytest.approx(start)  # of the whole run


def test_a_run_without_a_useful_step_is_told(tmp_path, capsys):
    model = compiled()
    model.set_weights([np.float32([[1.0], [2.0], [3.0]]), np.zeros(1, np.float32)])
    train(tmp_path, model=model, y=-Y, steps=2)  # what is taught is wrong
    conclude(tmp_path)
    assert "warning: no step of this training was useful" in capsys.readouterr().out


def test_a_run_of_no_numbers_is_an_error(tmp_path):
    (tmp_path / fit.BEST).write_bytes(b"of a run that was killed before its checkpoint")
    with pytest.raises(SettingError, match="val_error is not a number in any epoch"):
        train(tmp_path, y=Y * np.nan)


def test_python_names_keywords_and_the_command_its_options(tmp_path, capsys):
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputError, match="b exists: give another name, or overwrite=True$"):
        cryodl.train_local_resolution(tmp_path, tmp_path / "b")
    with pytest.raises(InputError, match="nothing to resume"):
        cryodl.train_enhance(tmp_path / "c", resume=True)
    with pytest.raises(SettingError, match="give one of pairs= and experiments=$"):
        cryodl.train_local_classes(tmp_path / "c", pairs="a", experiments="b")
    words = ["--structures", str(tmp_path), "-o", str(tmp_path / "b")]
    assert main(["train", "local-resolution", *words]) == 2
    assert "b exists: give another name, or --overwrite\n" in capsys.readouterr().err


def test_a_curve_that_cannot_be_drawn_costs_no_training(tmp_path, capsys, monkeypatch):
    from cryodl.report import curves

    train(tmp_path)
    monkeypatch.setattr(curves, "draw_learning_curves", lambda *paths: 1 / 0)
    conclude(tmp_path)
    assert "warning: learning_curves.png could not be made (Zero" in capsys.readouterr().out
    assert Path(tmp_path / fit.BEST).is_file()
