"""`cryodl train single-map-resolution`: from a set of simulated experiments to a bundle."""

from __future__ import annotations

import argparse

from cryodl.cli.training import (
    add_training_options,
    conclude,
    initial_network,
    training_folders,
    verbosity,
)

CHECKED = 80  # experiments that calibrate and measure at the end
DATA = {
    True: "reconstructions from particles, deposited anew for every sample in all the ways that "
    "people deposit",
    False: "simulated experiments: maps as deposited, raw, and with B-factors of -200 to 200 Å², "
    "masked or not",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--experiments", metavar="SET", required=True,
        help="folder that 'cryodl experiments' wrote, of either kind; of particles, every sample "
        "is deposited anew")  # fmt: skip
    add("--validation", metavar="SET",
        help="likewise, on other structures; without it every tenth is held out")  # fmt: skip
    add("--network", choices=["default", "backbone", "paper"], default="default",
        help="backbone: a larger one, for experiments from particles; paper: as CryoRes's slides "
        "tell it")  # fmt: skip
    add_training_options(parser, steps=6000, epoch=150)
    add("--half-precision", action="store_true",
        help="compute in bfloat16: faster on GPUs and on processors that have it")  # fmt: skip


def run(args: argparse.Namespace) -> None:
    from cryodl.compute.device import prepare_device
    from cryodl.errors import InputError
    from cryodl.simulation.reconstruction_set import StoredReconstruction
    from cryodl.training.reconstructions import training_experiments
    from cryodl.training.structures import hold_out

    output, work = training_folders(args)
    experiments = training_experiments(args.experiments)
    if args.validation:
        validation = training_experiments(args.validation)
    else:
        experiments, validation = hold_out(experiments)
    print(
        f"{len(experiments)} experiments to train on, {len(validation)} to validate on", flush=True
    )
    prepare_device("auto")
    particles = isinstance(experiments[0], StoredReconstruction)
    if args.network == "paper":
        if particles:
            raise InputError(
                f"{args.experiments} holds experiments from particles, from which the published "
                "network cannot learn: make some with 'cryodl experiments --kind density'"
            )
        from cryodl.methods.cryores.published import train_paper

        train_paper(experiments, validation, output, args)
        return
    import keras

    from cryodl.methods.cryores.samples import (
        BACKBONE_TRAINING,
        PARTICLES,
        TRAINING,
        compiled,
        sample_maker,
        validation_crops,
    )
    from cryodl.training.fit import fit
    from cryodl.training.state import read_state
    from cryodl.training.stream import SampleStream

    config = {**TRAINING, "seed": args.seed, "epoch": args.epoch}
    if particles:
        config |= BACKBONE_TRAINING if args.network == "backbone" else PARTICLES
    if args.batch_size:
        config["batch"] = args.batch_size
    if args.learning_rate:
        config["learning_rate"] = args.learning_rate
    initial, name = initial_network(args)
    if args.half_precision:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
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
        keras.mixed_precision.set_global_policy("float32")
    conclude(work)
    from cryodl.methods.cryores.export import make_bundle

    state = read_state(work)
    bundle = make_bundle(
        best, config, validation[:CHECKED], output,
        data=f"{len(experiments)} {DATA[particles]}", seconds=state["seconds"],
        steps=state["step"],
        initial=name,
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    print(
        f"wrote {output}: RMSE {figures['rmse']:.2f} Å, mask IoU {figures['iou']:.2f}, 90 % "
        f"interval covers {100 * figures['coverage']:.0f} % of validation voxels; log and curves "
        f"in {work}"
    )
