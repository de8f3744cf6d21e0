"""`cryodl train local-resolution`: from a folder of structures to a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryodl.cli.training import (
    add_training_options,
    conclude,
    count,
    initial_network,
    training_folders,
    verbosity,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--structures", metavar="DIR", required=True,
        help="folder of PDB or mmCIF files, or a packed set (.npz)",
    )  # fmt: skip
    parser.add_argument(
        "--validation", metavar="DIR",
        help="likewise, for validation; without it every tenth structure is held out",
    )  # fmt: skip
    parser.add_argument(
        "--range", choices=["low", "high"], default="low",
        help="low: 2.5-13 Å on a 1 Å grid; high: 1.5-6 Å on a 0.5 Å grid",
    )  # fmt: skip
    parser.add_argument("--network", choices=["default", "paper"], default="default",
                        help="paper: DeepRes as published")  # fmt: skip
    parser.add_argument("--crop", metavar="N", type=count,
                        help="voxels along a training crop, at most the box's (low 96, high 64); "
                        "large crops last, as in use a network sees no borders")  # fmt: skip
    parser.add_argument("--validation-boxes", metavar="N", type=count, default=32,
                        help="simulated boxes to validate on")  # fmt: skip
    parser.add_argument(
        "--average", metavar="SHARE", type=float,
        help="end with a mean of the trained weights and the initial ones, of which it has this "
        "share; forgets less of what was learnt before",
    )  # fmt: skip
    add_training_options(parser)


def run(args: argparse.Namespace) -> None:
    from cryodl.compute.device import prepare_device
    from cryodl.errors import SettingError
    from cryodl.training.structures import hold_out, load_structures

    output, work = training_folders(args)
    config = _config(args)
    print("reading structures", flush=True)
    structures, skipped = load_structures(args.structures)
    if args.validation:
        validation, more = load_structures(args.validation)
        skipped += more
    else:
        structures, validation = hold_out(structures)
    for message in skipped:
        print(f"skipped: {message}")
    print(
        f"{len(structures)} structures to train on, {len(validation)} to validate on, "
        f"{len(skipped)} skipped",
        flush=True,
    )
    prepare_device("auto")
    if args.network == "paper":
        from cryodl.methods.deepres.published import train_paper

        train_paper(config, structures, validation, output, args)
        return
    from cryodl.methods.deepres.export import make_bundle
    from cryodl.methods.deepres.samples import BoxStream, batches, fixed_boxes
    from cryodl.training.fit import fit
    from cryodl.training.losses import average_weights, compiled_network
    from cryodl.training.state import read_state

    usable = [s for s in validation if len(s) >= config["atoms"]]
    if not usable or not any(len(s) >= config["atoms"] for s in structures):
        raise SettingError(f"no structure has the {config['atoms']} atoms that training needs")
    boxes = fixed_boxes(usable, config, args.seed + 999, config["validation"])
    initial, name = initial_network(args)
    stream = BoxStream(structures, config, args.seed, workers=args.workers)
    try:
        best = fit(
            compiled_network(config, initial),
            lambda step: batches(stream, start=step), boxes, work, config, steps=args.steps,
            minutes=args.minutes, resume=args.resume, verbose=verbosity(),
        )  # fmt: skip
    finally:
        stream.close()
    if args.average:
        best = average_weights(best, config, initial, args.average)
    conclude(work)
    state = read_state(work)
    bundle = make_bundle(
        best, config, validation, output, data=_data(args, structures), seconds=state["seconds"],
        steps=state["step"], initial=name,
        boxes=config["validation"],
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    print(
        f"wrote {output}: mean absolute error {figures['mean_absolute_error']:.2f} Å, "
        f"90 % interval covers {100 * figures['coverage']:.0f} % of validation voxels; "
        f"log and curves in {work}"
    )


def _data(args, structures) -> str:
    return f"{len(structures)} structures of {Path(args.structures).name}"


def _config(args):
    from cryodl.errors import SettingError
    from cryodl.methods.deepres.samples import TRAINING

    config = {**TRAINING[args.range], "seed": args.seed, "epoch": args.epoch}
    config["validation"] = args.validation_boxes
    if args.average is not None:
        if not args.initial or not 0 < args.average < 1:
            raise SettingError(
                f"--average {args.average:g}: give a share between 0 and 1, and --initial"
            )
        config["average"] = args.average
    if args.batch_size:
        config["batch"] = args.batch_size
    if args.learning_rate:
        config["learning_rate"] = args.learning_rate
    if args.crop:
        if args.crop % 4 or args.crop > config["box"]:
            raise SettingError(
                f"--crop {args.crop} is not a multiple of 4 up to the box's {config['box']} voxels"
            )
        config["crop"] = args.crop
    return config
