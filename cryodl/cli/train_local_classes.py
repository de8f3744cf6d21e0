"""`cryodl train local-classes`: from maps and their local resolutions to a bundle."""

from __future__ import annotations

import argparse
from functools import partial
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
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pairs", metavar="TABLE",
        help="tab-separated table with the columns map and resolution: maps and their local "
        "resolutions, of MonoRes, ResMap or any package")  # fmt: skip
    source.add_argument("--experiments", metavar="SET",
        help="set of simulated experiments that hold labels")  # fmt: skip
    add("--labels", choices=["monogenic", "sinusoid"], default="monogenic",
        help="of the experiments: as MonoRes or as ResMap")  # fmt: skip
    add("--label-first", metavar="N", type=count, help="run the estimator on the half maps of "
        "experiments, until N of each set have labels")  # fmt: skip
    add("--validation", metavar="TABLE_OR_SET",
        help="likewise, of other molecules; without it every fifth map is held out")  # fmt: skip
    add("--network", choices=["default", "paper"], default="default",
        help="paper: the published U-Net")  # fmt: skip
    add_training_options(parser)


def run(args: argparse.Namespace) -> None:
    from cryodl.compute.device import prepare_device
    from cryodl.methods.local_classes.export import make_local_classes_bundle
    from cryodl.methods.local_classes.samples import TRAINING, make_samples, validation_samples
    from cryodl.training.fit import fit
    from cryodl.training.losses import compiled_network
    from cryodl.training.state import read_state
    from cryodl.training.stream import SampleStream
    from cryodl.training.structures import hold_out

    output, work = training_folders(args)
    items = _items(args, args.pairs or args.experiments)
    if args.validation:
        held_out = _items(args, args.validation)
    else:
        items, held_out = hold_out(items, every=5)
    print(f"{len(items)} maps to train on, {len(held_out)} to validate on", flush=True)
    prepare_device("auto")
    if args.network == "paper":
        from cryodl.methods.local_classes.published import train_paper_unet

        train_paper_unet(items, held_out, output, args)
        return
    config = {**TRAINING, "seed": args.seed, "epoch": args.epoch}
    if args.batch_size:
        config["batch"] = args.batch_size
    if args.learning_rate:
        config["learning_rate"] = args.learning_rate
    validation = validation_samples(config, held_out, args.seed + 999)
    initial, name = initial_network(args)
    stream = SampleStream(partial(make_samples, config), items, args.seed, workers=args.workers)
    try:
        best = fit(
            compiled_network(config, initial),
            lambda step: stream.batches(
                config["batch"], buffer=config["buffer"], reuse=config["reuse"], start=step
            ),
            validation, work, config, steps=args.steps, minutes=args.minutes, resume=args.resume,
            verbose=verbosity(),
        )  # fmt: skip
    finally:
        stream.close()
    conclude(work)
    state = read_state(work)
    bundle = make_local_classes_bundle(
        best, config, held_out, output, data=_data(args, items), labels=_labels(args),
        seconds=state["seconds"], steps=state["step"],
        initial=name,
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    print(
        f"wrote {output}: {figures['exact']:.1%} of {figures['maps']} maps' blocks in the label's "
        f"class, {figures['within_one']:.1%} within one; log and curves in {work}"
    )


def _items(args, place):
    from cryodl.methods.local_classes.samples import labelled_experiments, read_pairs

    if args.pairs:
        return read_pairs(place)
    if args.label_first:
        from cryodl.methods.local_classes.samples import add_labels
        from cryodl.simulation.experiment_set import open_experiment_set

        for experiment in add_labels(open_experiment_set(place), args.labels, args.label_first):
            print(f"labelled {experiment.folder}", flush=True)
    return labelled_experiments(place, args.labels)


def _labels(args) -> str:
    return "the user's" if args.pairs else args.labels


def _data(args, items) -> str:
    if args.pairs:
        return f"{len(items)} pairs of {Path(args.pairs).name}"
    return f"{len(items)} simulated experiments of {Path(args.experiments).name}"
