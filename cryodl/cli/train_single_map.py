"""`cryodl train single-map-resolution`: from a set of simulated experiments to a bundle."""

from __future__ import annotations

import argparse

from .training import (
    add_training_options,
    conclude,
    initial_network,
    training_folders,
    verbosity,
)

CHECKED = 80  # experiments that calibrate and measure at the end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--experiments", metavar="SET", required=True,
        help="folder that 'cryodl experiments' wrote")  # fmt: skip
    add("--validation", metavar="SET",
        help="likewise, on other structures; without it every tenth is held out")  # fmt: skip
    add("--network", choices=["default", "paper"], default="default",
        help="paper: as CryoRes's slides tell it")  # fmt: skip
    add_training_options(parser, steps=6000, epoch=150)


def run(args: argparse.Namespace) -> None:
    from ..engine.device import prepare_device
    from ..engine.simulate.experiment_set import open_experiment_set
    from ..engine.training.structures import hold_out

    output, work = training_folders(args)
    experiments = open_experiment_set(args.experiments)
    if args.validation:
        validation = open_experiment_set(args.validation)
    else:
        experiments, validation = hold_out(experiments)
    print(
        f"{len(experiments)} experiments to train on, {len(validation)} to validate on", flush=True
    )
    prepare_device("auto")
    if args.network == "paper":
        from ..engine.training.published.single_map import train_paper

        train_paper(experiments, validation, output, args)
        return
    from ..engine.training.fit import fit
    from ..engine.training.single_map import (
        TRAINING,
        compiled,
        sample_maker,
        validation_crops,
    )
    from ..engine.training.state import read_state
    from ..engine.training.stream import SampleStream

    config = {**TRAINING, "seed": args.seed, "epoch": args.epoch}
    if args.batch_size:
        config["batch"] = args.batch_size
    if args.learning_rate:
        config["learning_rate"] = args.learning_rate
    initial, name = initial_network(args)
    stream = SampleStream(sample_maker(config), experiments, args.seed, workers=args.workers)
    try:
        best = fit(
            compiled(config, initial),
            lambda start: stream.batches(
                config["batch"], buffer=config["buffer"], reuse=config["reuse"], start=start
            ),
            validation_crops(validation[::4], config, args.seed + 999, 2),
            work, config, steps=args.steps, minutes=args.minutes, resume=args.resume,
            verbose=verbosity(),
        )  # fmt: skip
    finally:
        stream.close()
    conclude(work)
    from ..engine.training.single_map_finish import make_bundle

    state = read_state(work)
    bundle = make_bundle(
        best, config, validation[:CHECKED], output,
        data=f"{len(experiments)} simulated experiments", seconds=state["seconds"],
        steps=state["step"],
        initial=name,
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    print(
        f"wrote {output}: RMSE {figures['rmse']:.2f} Å, mask IoU {figures['iou']:.2f}, 90 % "
        f"interval covers {100 * figures['coverage']:.0f} % of validation voxels; log and curves "
        f"in {work}"
    )
