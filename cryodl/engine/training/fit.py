"""Train a network: batches in, checkpoints, log and weights out; stopped and resumed at will."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras

from ..errors import InputError, OutputError

CHECKPOINT = "checkpoint.keras"
STATE = "state.json"
LOG = "log.csv"
BEST = "best.weights.h5"


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
        model = keras.models.load_model(out_dir / CHECKPOINT)
        state = read_state(out_dir)
    else:
        if (out_dir / CHECKPOINT).is_file():
            raise OutputError(f"'{out_dir}' holds a training run; use --resume or another folder")
        out_dir.mkdir(parents=True, exist_ok=True)
    progress = _Progress(config, state, out_dir, steps, minutes)
    # The first epoch of a sitting also compiles; it is logged like the others.
    epoch = state["step"] // config["epoch"]
    log = keras.callbacks.CSVLogger(str(out_dir / LOG), append=resume)
    model.fit(
        data(state["step"]),
        initial_epoch=epoch,
        epochs=max(epoch + 1, math.ceil(steps / config["epoch"])),
        steps_per_epoch=config["epoch"],
        validation_data=validation,
        validation_batch_size=1,
        callbacks=[log, progress],
        shuffle=False,  # what a generator yields cannot be
        verbose=verbose,
    )
    return out_dir / BEST


def read_state(out_dir) -> dict:
    """How far a run has come: step, seconds, best (of what is monitored), epochs_since_best."""
    try:
        return json.loads((Path(out_dir) / STATE).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"the run in '{out_dir}' cannot be gone on with: {error}") from None


class _Progress(keras.callbacks.Callback):
    """Learning rate by the share of the run that is over, checkpoints, early stop."""

    def __init__(self, config, state, out_dir, steps, minutes):
        super().__init__()
        self.config, self.state, self.out_dir = config, state, out_dir
        self.steps, self.minutes = steps, minutes
        self.earlier, self.began = state["seconds"], time.monotonic()

    def share(self):
        done = self.state["step"] / self.steps
        if self.minutes:
            seconds = self.earlier + time.monotonic() - self.began
            done = max(done, seconds / (60 * self.minutes))
        return min(done, 1.0)

    def on_train_batch_begin(self, batch, logs=None):
        # Warm up, then half a cosine to nothing: the shape that needs no tuning by the clock.
        warm = min(1.0, (self.state["step"] + 1) / self.config["warm_up"])
        rate = self.config["learning_rate"] * warm * (0.5 + 0.5 * math.cos(math.pi * self.share()))
        self.model.optimizer.learning_rate.assign(max(rate, 1e-7))

    def on_train_batch_end(self, batch, logs=None):
        self.state["step"] += 1
        if self.share() >= 1:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        state = self.state
        state["seconds"] = self.earlier + time.monotonic() - self.began
        found = float(logs[self.config.get("monitor", "val_error")])
        if found < state["best"]:
            state["best"], state["epochs_since_best"] = found, 0
            self._store(BEST, self.model.save_weights)
        else:
            state["epochs_since_best"] += 1
        self._store(CHECKPOINT, self.model.save)
        self._store(STATE, lambda path: path.write_text(json.dumps(state)))
        if state["epochs_since_best"] >= self.config["patience"] or self.share() >= 1:
            self.model.stop_training = True

    def _store(self, name, write):
        """Write a file of the run at once, so that no half of it is ever there."""
        temporary = self.out_dir / f"new.{name}"
        write(temporary)
        temporary.replace(self.out_dir / name)
