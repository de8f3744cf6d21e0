"""What the methods of `cryodl train` share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

CHECKPOINT = "checkpoint.keras"  # in the folder of a run


def add_training_options(
    parser: argparse.ArgumentParser, *, steps: int = 20000, epoch: int = 200
) -> None:
    """The options of every training."""
    add = parser.add_argument
    add("-o", "--output", metavar="BUNDLE", required=True, help="folder to write")
    add("--steps", metavar="N", type=count, default=steps, help="of training")
    add("--minutes", metavar="M", type=float,
        help="end the run, learning rate annealed, after M minutes")  # fmt: skip
    add("--epoch", metavar="N", type=count, default=epoch,
        help="steps between validations and checkpoints")  # fmt: skip
    add("--batch-size", metavar="N", type=count, help="samples in a step")
    add("--learning-rate", metavar="R", type=float, help="at its highest")
    add("--workers", metavar="N", type=int, default=1, help="processes that make samples")
    add("--seed", metavar="N", type=seed, default=0, help="of everything drawn")
    add("--initial", metavar="BUNDLE", help="start from this bundle's weights")
    add("--resume", action="store_true", help="go on from the last checkpoint")
    add("--overwrite", action="store_true", help="replace a bundle that exists")


def training_folders(args: argparse.Namespace) -> tuple[Path, Path]:
    """The bundle's folder and the one of the run beside it, checked.

    Raises
    ------
    OutputError : the bundle exists, or another run's folder
    InputError : there is nothing to resume
    SettingError : no positive time
    """
    from cryodl.errors import InputError, OutputError, SettingError
    from cryodl.networks.bundle import check_replaced

    output = Path(args.output)
    if output.exists() and not args.overwrite:
        raise OutputError(f"{output} exists: give another name, or --overwrite")
    check_replaced(output)
    work = run_folder(output)
    begun = (work / CHECKPOINT).is_file()
    if args.network.startswith("paper"):
        begun = False
        if args.resume:
            raise SettingError("published networks keep no checkpoints: leave --resume out")
    if args.resume and not begun:
        raise InputError(f"nothing to resume: '{work / CHECKPOINT}' does not exist")
    if begun and not args.resume:
        raise OutputError(f"'{work}' holds a training run; use --resume or another folder")
    if args.minutes is not None and args.minutes <= 0:
        raise SettingError(f"--minutes {args.minutes:g} is not a positive number")
    return output, work


def run_folder(output: Path) -> Path:
    """Where a training keeps its checkpoint and log: beside the bundle that it will write."""
    return output.with_name(output.name + ".training")


def initial_network(args: argparse.Namespace) -> tuple[Any, str | None]:
    """The network that a training starts from, and its name for the card; None without one."""
    from cryodl.networks.bundle import load_bundle

    if not args.initial:
        return None, None
    bundle = load_bundle(args.initial)
    return bundle.model, bundle.spec["name"]


def conclude(work: Path) -> None:
    """Say how far a run has come, and draw its learning curves beside its log."""
    from cryodl.cli.streams import picture
    from cryodl.report.curves import draw_learning_curves
    from cryodl.training.state import read_state

    state = read_state(work)
    if "start" in state:  # not in a run that an earlier version began
        start, best = state["start"], state["best"]
        print(f"{state['monitor']}: {start:.4g} at the start, {best:.4g} at best", flush=True)
        if not best < start:
            print(
                "warning: no step of this training was useful, its network is no better than what "
                "it started from: give it more --steps or --minutes",
                flush=True,
            )
    with picture("learning_curves.png"):
        draw_learning_curves(work / "log.csv", work / "learning_curves.png")


def verbosity() -> int:
    """Keras's progress bar on a terminal, a line per epoch in a log."""
    return 1 if sys.stdout.isatty() else 2


def seed(text: str) -> int:
    """A whole number from 0 up, for argparse."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return value


def count(text: str) -> int:
    """A whole number from 1 up, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return value
