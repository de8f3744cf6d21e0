"""Train a network: batches in, checkpoints, log and weights out; stopped and resumed at will."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import keras

from ..errors import InputError, OutputError
from ..networks.unet3d import build_unet3d
from .dataset import batches
from .losses import BinnedResolutionLoss, ResolutionError

CHECKPOINT = "checkpoint.keras"
STATE = "state.json"
LOG = "log.csv"
BEST = "best.weights.h5"


def fit(
    config,
    stream,
    validation,
    out_dir,
    *,
    steps,
    minutes=None,
    resume=False,
    initial=None,
    verbose=1,
) -> Path:
    """Train until `steps` or `minutes` are used up, or validation stops improving.

    config : dict, see `TRAINING`
    stream : BoxStream;  validation : (x, y) as from `fixed_boxes`
    out_dir : folder for checkpoint.keras, state.json, log.csv, best.weights.h5
    steps : int;  minutes : float or None, whichever ends first, earlier sittings counted in
    resume : go on from the checkpoint in out_dir
    initial : keras.Model of the same architecture to start from, or None

    Returns the path of the best weights (of the network that answers with logits).
    """
    out_dir = Path(out_dir)
    state = {"step": 0, "seconds": 0.0, "best": math.inf, "epochs_since_best": 0}
    if resume:
        if not (out_dir / CHECKPOINT).is_file():
            raise InputError(f"nothing to resume: '{out_dir / CHECKPOINT}' does not exist")
        model = keras.models.load_model(out_dir / CHECKPOINT)
        state = read_state(out_dir)
    else:
        if (out_dir / CHECKPOINT).is_file():
            raise OutputError(f"'{out_dir}' holds a training run; use --resume or another folder")
        out_dir.mkdir(parents=True, exist_ok=True)
        model = _compiled(config, initial)
    progress = _Progress(config, state, out_dir, steps, minutes)
    data = batches(stream, start=state["step"])
    # The first epoch of a sitting also compiles; it is logged like the others.
    epoch = state["step"] // config["epoch"]
    log = keras.callbacks.CSVLogger(str(out_dir / LOG), append=resume)
    model.fit(
        data,
        initial_epoch=epoch,
        epochs=max(epoch + 1, math.ceil(steps / config["epoch"])),
        steps_per_epoch=config["epoch"],
        validation_data=validation,
        validation_batch_size=1,
        callbacks=[log, progress],
        verbose=verbose,
    )
    return out_dir / BEST


def read_state(out_dir) -> dict:
    """How far a run has come: step, seconds, best (Å), epochs_since_best."""
    return json.loads((Path(out_dir) / STATE).read_text())


def _compiled(config, initial):
    keras.utils.set_random_seed(config.get("seed", 0))
    network = config["network"]
    model = build_unet3d(network, with_logits=True)
    if initial is not None:
        for weight, source in zip(model.weights, initial.weights):
            weight.assign(source)
    model.compile(
        optimizer=keras.optimizers.Adam(config["learning_rate"], clipnorm=1.0),
        loss=BinnedResolutionLoss(network, config["label_width"]),
        metrics=[ResolutionError(network)],
    )
    return model


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
        if logs["val_error"] < state["best"]:
            state["best"], state["epochs_since_best"] = float(logs["val_error"]), 0
            self.model.save_weights(self.out_dir / BEST)
        else:
            state["epochs_since_best"] += 1
        temporary = self.out_dir / f"new.{CHECKPOINT}"
        self.model.save(temporary)
        temporary.replace(self.out_dir / CHECKPOINT)
        (self.out_dir / STATE).write_text(json.dumps(state))
        if state["epochs_since_best"] >= self.config["patience"] or self.share() >= 1:
            self.model.stop_training = True
