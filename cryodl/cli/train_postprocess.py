"""`cryodl train postprocess`: from simulated experiments, or half maps and models, to a bundle."""

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
    add("--experiments", metavar="SET", help="folder of simulated experiments (cryodl "
        "experiments); targets that are missing are added to it")  # fmt: skip
    add("--validation", metavar="SET", help="likewise, on other structures; without it every tenth "
        "experiment is held out")  # fmt: skip
    add("--pairs", metavar="TABLE", help="tab-separated table with the columns half1, half2 and "
        "model (files; paths as seen from the table's folder): trains on these, too")  # fmt: skip
    add("--model", choices=["tight", "wide", "highres"], default="tight",
        help="how close to mask; highres: close, from maps of 4 Å and better")  # fmt: skip
    add("--network", choices=["default", "paper"], default="default",
        help="paper: DeepEMhancer as published")  # fmt: skip
    add("--validation-count", metavar="N", type=count, default=40,
        help="experiments to validate on")  # fmt: skip
    add_training_options(parser, epoch=150)


def run(args: argparse.Namespace) -> None:
    import numpy as np

    from cryodl.compute.device import prepare_device

    output, work = training_folders(args)
    config = _config(args)
    experiments, validation, data = _experiments(args, config)
    print(
        f"{len(experiments)} experiments to train on, {len(validation)} to validate on", flush=True
    )
    prepare_device("auto")
    if args.network == "paper":
        from cryodl.methods.enhance.published import train_published_postprocess

        train_published_postprocess(config, experiments, validation, data, output, args)
        return
    from cryodl.methods.enhance.export import make_bundle
    from cryodl.methods.enhance.samples import make_samples, whole_sample
    from cryodl.methods.enhance.training_network import compiled_network
    from cryodl.training.fit import fit
    from cryodl.training.state import read_state
    from cryodl.training.stream import SampleStream

    print("making validation samples", flush=True)
    held = [sample for sample in (whole_sample(e, config) for e in validation) if sample]
    initial, name = initial_network(args)
    stream = SampleStream(
        partial(make_samples, config=config), experiments, args.seed, workers=args.workers
    )
    try:
        best = fit(
            compiled_network(config, initial),
            lambda step: stream.batches(config["batch"], buffer=config["buffer"], start=step),
            tuple(np.stack(part).astype(np.float32) for part in zip(*held)),
            work,
            config,
            steps=args.steps,
            minutes=args.minutes,
            resume=args.resume,
            verbose=verbosity(),
        )
    finally:
        stream.close()
    conclude(work)
    state = read_state(work)
    bundle = make_bundle(
        best, config, held, output, data=data, seconds=state["seconds"], steps=state["step"],
        initial=name,
    )  # fmt: skip
    figures = bundle.spec["metrics"]
    print(
        f"wrote {output}: correlation with the target {figures['correlation']:.3f} in the median "
        f"of {figures['experiments']} validation experiments; log and curves in {work}"
    )


def _experiments(args, config):
    """Experiments to train on and to validate on, and words for the model card."""
    from cryodl.errors import InputError, SettingError
    from cryodl.simulation.experiment_set import open_experiment_set
    from cryodl.training.structures import hold_out

    if not args.experiments and not args.pairs:
        raise SettingError("nothing to train on: give --experiments, --pairs, or both")
    best, worst = config["limits"]
    found, words = [], []
    if args.experiments:
        found = [e for e in open_experiment_set(args.experiments) if e.resolution <= worst]
        words.append(f"{len(found)} simulated experiments of {best:g} to {worst:g} Å")
    if args.pairs:
        from cryodl.methods.enhance.samples import store_pairs

        folder = Path(args.output).with_name(Path(args.output).name + ".pairs")
        pairs = store_pairs(args.pairs, folder, config["voxel_size"])
        words.append(f"{len(pairs)} pairs of half maps with models")
        found += pairs
    if args.validation:
        held = [e for e in open_experiment_set(args.validation) if e.resolution <= worst]
    elif found:
        found, held = hold_out(found)
    else:
        held = []
    if not found or not held:
        raise InputError(
            f"no experiment of {worst:g} Å or better to {'validate' if found else 'train'} on"
        )
    return found, held[: args.validation_count], " and ".join(words)


def _config(args):
    from cryodl.methods.enhance.training_network import TRAINING

    config = {**TRAINING[args.model], "seed": args.seed, "epoch": args.epoch}
    if args.batch_size:
        config["batch"] = args.batch_size
    if args.learning_rate:
        config["learning_rate"] = args.learning_rate
    return config
