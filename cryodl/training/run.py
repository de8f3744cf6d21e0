"""A training run: its options, checked; what it starts from; how it trains and how it ends.

Every `train_*` function makes one of its keywords (`methods.training_options`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryodl.training.state import CHECKPOINT, LOG, read_state, run_folder

CURVES = "learning_curves.png"


def print_line(line: str) -> None:
    """Print a line at once, also into a log."""
    print(line, flush=True)


@dataclass(frozen=True)
class Run:
    """The options that every training has, checked.

    output : folder of the bundle to write
    network : name of the network; those that begin with "paper" are published ones
    steps : of training;  minutes : that it may take, or None, whichever ends first
    epoch : steps between validations
    batch_size, learning_rate : or None, for those of the training's config
    workers : processes that make samples;  seed : of everything drawn
    initial : name or folder of a bundle to start from, or None
    resume : go on from the last checkpoint;  overwrite : replace a bundle that exists
    log : called with each line of progress; None is silent. With `print_line` Keras prints its
        epochs, too

    Raises
    ------
    OutputError : the bundle exists, or another run's folder
    InputError : there is nothing to resume
    """

    output: Path
    network: str = "default"
    steps: int = 20000
    minutes: float | None = None
    epoch: int = 200
    batch_size: int | None = None
    learning_rate: float | None = None
    workers: int = 1
    seed: int = 0
    initial: str | Path | None = None
    resume: bool = False
    overwrite: bool = False
    log: Callable[[str], object] | None = print_line

    def __post_init__(self) -> None:
        from cryodl.errors import InputError, OutputError, SettingError
        from cryodl.networks.bundle import check_replaced

        object.__setattr__(self, "output", Path(self.output))
        if self.output.exists() and not self.overwrite:
            raise OutputError(f"{self.output} exists: give another name, or overwrite=True")
        check_replaced(self.output)
        begun = (self.folder / CHECKPOINT).is_file()
        if self.network.startswith("paper"):
            begun = False
            if self.resume:
                raise SettingError("published networks keep no checkpoints: leave resume= out")
        if self.resume and not begun:
            raise InputError(f"nothing to resume: '{self.folder / CHECKPOINT}' does not exist")
        if begun and not self.resume:
            raise OutputError(
                f"'{self.folder}' holds a training run; give resume=True or another folder"
            )

    @property
    def folder(self) -> Path:
        """Where the run keeps its checkpoint and log: next to the bundle that it will write."""
        return run_folder(self.output)

    def say(self, line: str) -> None:
        if self.log is not None:
            self.log(line)

    def config(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """A method's training config, with what this run changes about it."""
        changes = {"batch": self.batch_size, "learning_rate": self.learning_rate}
        changed = {name: value for name, value in changes.items() if value}
        return {**base, "seed": self.seed, "epoch": self.epoch, **changed}

    def initial_network(self) -> tuple[Any, str | None]:
        """The network to start from, and its name for the card; None without one."""
        from cryodl.networks.bundle import load_bundle

        if not self.initial:
            return None, None
        bundle = load_bundle(self.initial)
        return bundle.model, bundle.spec["name"]

    def fit(self, model, batches, validation, config, *, minutes: float | None = None) -> Path:
        """Train until the steps or minutes are used up; say how it went and draw the curves.

        batches : from the step to begin at to an endless iterator of (x, y)
        minutes : instead of the run's own

        Returns the path of the best weights.
        """
        from cryodl.training.fit import fit

        # Keras prints itself: a bar on a terminal, a line per epoch in a log
        verbose = 0 if self.log is not print_line else 1 if sys.stdout.isatty() else 2
        best = fit(
            model, batches, validation, self.folder, config, steps=self.steps,
            minutes=minutes or self.minutes, resume=self.resume, verbose=verbose,
        )  # fmt: skip
        conclude(self.folder, self.say)
        return best

    def history(self) -> dict[str, Any]:
        """How long it has trained, for the bundle's spec."""
        state = read_state(self.folder)
        return {"seconds": state["seconds"], "steps": state["step"]}

    def train_steps(
        self, batches: Iterable, train: Callable, *, most: int | None = None
    ) -> dict[str, Any]:
        """Train a published network, which has no schedule, until steps or minutes are used up.

        batches : of (x, y);  train : train(x, y) makes a step and returns the loss
        most : steps at most, whatever was asked for

        Returns {"seed", "steps", "seconds"}, for the bundle's spec.
        """
        began, step = time.monotonic(), 0
        last = self.steps if most is None else min(self.steps, most)
        for x, y in batches:
            loss = train(x, y)
            step += 1
            if step % self.epoch == 0:
                self.say(f"step {step}: loss {float(loss):.3f}")
            if step >= last or (self.minutes and time.monotonic() - began > 60 * self.minutes):
                break
        return {"seed": self.seed, "steps": step, "seconds": round(time.monotonic() - began)}


def conclude(folder: Path, say: Callable[[str], object] = print_line) -> None:
    """Say how far a run has come, and draw its learning curves into its folder."""
    from cryodl.report.curves import draw_learning_curves
    from cryodl.report.figure import drawing

    state = read_state(folder)
    if "start" in state:  # not in a run that an earlier version began
        start, best = state["start"], state["best"]
        say(f"{state['monitor']}: {start:.4g} at the start, {best:.4g} at best")
        if not best < start:
            say(
                "warning: no step of this training was useful, its network is no better than what "
                "it started from: give it more steps or minutes"
            )
    with drawing(CURVES, say):
        draw_learning_curves(folder / LOG, folder / CURVES)
