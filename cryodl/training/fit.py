"""Train a network: batches in, checkpoints, log and weights out; stopped and resumed at will."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from cryodl.errors import InputError, OutputError, SettingError
from cryodl.training.state import CHECKPOINT, LOG, STATE, logged, read_state

BEST = "best.weights.h5"


@contextmanager
def in_half_precision(wanted: bool) -> Iterator[None]:
    """Networks that are built here compute in bfloat16 where that is wanted."""
    if wanted:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


def optimizer(config):
    """Adam, gradients clipped; with "averaging" in the config it also averages the weights.

    averaging : share of the average that a step keeps: 0.999 averages about the last 1000 steps
    """
    momentum = config.get("averaging")
    averaging = {"use_ema": True, "ema_momentum": momentum} if momentum else {}
    return keras.optimizers.Adam(config["learning_rate"], clipnorm=1.0, **averaging)


def fit(
    model,
    data: Callable[[int], Iterator],
    validation,
    out_dir,
    config,
    *,
    steps: int,
    minutes: float | None = None,
    resume: bool = False,
    verbose: int = 1,
) -> Path:
    """Train until `steps` or `minutes` are used up, or validation stops improving.

    Where the optimizer averages weights, the averaged network is validated and kept as the best;
    the checkpoint holds both.

    model : compiled keras.Model to begin with; a resumed run takes its checkpoint's instead
    data : from the step to begin at to an endless iterator of batches (x, y)
    validation : (x, y), ndarrays
    out_dir : folder for checkpoint.keras, state.json, log.csv, best.weights.h5
    config : dict with learning_rate, warm_up (steps), epoch (steps between validations), patience
        (epochs without gain before the run stops early) and monitor (the figure that is to fall;
        "val_error" without it)
    steps : int;  minutes : float or None, whichever ends first, earlier sittings counted in
    resume : go on from the checkpoint in out_dir

    Returns the path of the best weights (of the network as it is trained).
    """
    out_dir = Path(out_dir)
    state: dict[str, Any] = {"step": 0, "seconds": 0.0, "best": math.inf, "epochs_since_best": 0}
    if resume:
        if not (out_dir / CHECKPOINT).is_file():
            raise InputError(f"nothing to resume: '{out_dir / CHECKPOINT}' does not exist")
        model = _read_checkpoint(out_dir / CHECKPOINT)
        state = _state_of(model, out_dir, config)
    else:
        if (out_dir / CHECKPOINT).is_file():
            raise OutputError(
                f"'{out_dir}' holds a training run; give resume=True or another folder"
            )
        out_dir.mkdir(parents=True, exist_ok=True)
        (out_dir / BEST).unlink(missing_ok=True)  # of a run that was killed before its checkpoint
        state["monitor"] = monitor = _monitor(config)
        figures = model.evaluate(*validation, batch_size=1, verbose=0, return_dict=True)
        state["start"] = float(figures[monitor.replace("val_", "", 1)])
    for name in (BEST, CHECKPOINT, STATE):
        (out_dir / f"new.{name}").unlink(missing_ok=True)  # a killed run had begun to write it
    progress = _Progress(config, state, out_dir, steps, minutes)
    # The first epoch of a sitting also compiles; it is logged like the others.
    epoch = state["step"] // config["epoch"]
    log = keras.callbacks.CSVLogger(str(out_dir / LOG), append=resume)
    averaged = [keras.callbacks.SwapEMAWeights()] if model.optimizer.use_ema else []
    model.fit(
        data(state["step"]),
        initial_epoch=epoch,
        epochs=max(epoch + 1, math.ceil(steps / config["epoch"])),
        steps_per_epoch=config["epoch"],
        validation_data=validation,
        validation_batch_size=1,
        callbacks=[log, progress, *averaged],  # they end a validation in this order
        shuffle=False,  # what a generator yields cannot be
        verbose=verbose,
    )
    if not (out_dir / BEST).is_file():
        raise SettingError(
            f"training came to nothing: {_monitor(config)} is not a number in any epoch; lower the "
            "learning rate"
        )
    return out_dir / BEST


def _monitor(config) -> str:
    return config.get("monitor", "val_error")


def _read_checkpoint(path: Path):
    try:
        return keras.models.load_model(path)
    except Exception as error:  # of Keras, zip or HDF5
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            f"'{path}' cannot be gone on with ({reason}): remove it and train anew, or give "
            "another folder"
        ) from None


def _state_of(model, out_dir: Path, config) -> dict[str, Any]:
    """The state of a run as its checkpoint is: a run may be killed before it has written both."""
    step = int(model.optimizer.iterations)
    try:
        return {**read_state(out_dir), "step": step}
    except InputError:
        found = logged(out_dir / LOG, _monitor(config))
    best = min(found, default=math.inf)
    since = len(found) - 1 - found.index(best) if found else 0
    return {"step": step, "seconds": 0.0, "best": best, "epochs_since_best": since}


class _Progress(keras.callbacks.Callback):
    """Learning rate by the share of the run that is over, checkpoints, early stop."""

    def __init__(self, config, state, out_dir, steps, minutes):
        super().__init__()
        self.config, self.state, self.out_dir = config, state, out_dir
        self.steps, self.minutes = steps, minutes
        self.earlier, self.began = state["seconds"], None

    def seconds(self):
        """Of training; what the first step of a sitting takes, to compile, is not counted."""
        return self.earlier + (time.monotonic() - self.began if self.began else 0.0)

    def share(self):
        done = self.state["step"] / self.steps
        if self.minutes:
            done = max(done, self.seconds() / (60 * self.minutes))
        return min(done, 1.0)

    def on_train_batch_begin(self, batch, logs=None):
        # Warm up, then half a cosine to nothing: the shape that needs no tuning by the clock.
        warm = min(1.0, (self.state["step"] + 1) / self.config["warm_up"])
        rate = self.config["learning_rate"] * warm * (0.5 + 0.5 * math.cos(math.pi * self.share()))
        self.model.optimizer.learning_rate.assign(max(rate, 1e-7))

    def on_train_batch_end(self, batch, logs=None):
        self.state["step"] += 1
        self.began = self.began or time.monotonic()
        if self.share() >= 1:
            self.model.stop_training = True

    def on_test_end(self, logs=None):
        # here, as averaged weights are in the network only while it is validated
        state, name = self.state, _monitor(self.config).replace("val_", "", 1)
        found = float(logs[name])
        if found < state["best"]:
            state["best"], state["epochs_since_best"] = found, 0
            self._store(BEST, self.model.save_weights)
        else:
            state["epochs_since_best"] += 1

    def on_epoch_end(self, epoch, logs=None):
        state = self.state
        state["seconds"] = self.seconds()
        self._store(CHECKPOINT, self.model.save)
        self._store(STATE, lambda path: path.write_text(json.dumps(state)))
        if state["epochs_since_best"] >= self.config["patience"] or self.share() >= 1:
            self.model.stop_training = True

    def _store(self, name, write):
        """Write a file of the run at once, so that no half of it is ever there."""
        temporary = self.out_dir / f"new.{name}"
        write(temporary)
        temporary.replace(self.out_dir / name)
