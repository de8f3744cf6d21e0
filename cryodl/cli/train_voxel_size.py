"""`cryodl train voxel-size`: the small network that doubts wrong voxel sizes."""

from __future__ import annotations

import argparse

from cryodl.cli.training import seed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--experiments", metavar="SET", required=True,
        help="folder that 'cryodl experiments' wrote")  # fmt: skip
    add("--validation", metavar="SET", required=True,
        help="likewise, on other structures; sets the threshold and measures")  # fmt: skip
    add("-o", "--output", metavar="FILE", required=True, help="weights to write, .npz")
    add("--count", metavar="N", type=int, default=9, help="inputs made of every experiment")
    add("--workers", metavar="N", type=int, default=2, help="processes that make inputs")
    add("--seed", metavar="N", type=seed, default=0, help="of everything drawn")
    add("--overwrite", action="store_true", help="replace a file that exists")


def run(args: argparse.Namespace) -> None:
    from pathlib import Path

    from cryodl.compute.device import prepare_device
    from cryodl.errors import OutputError
    from cryodl.simulation.experiment_set import open_experiment_set

    output = Path(args.output)
    if output.exists() and not args.overwrite:
        raise OutputError(f"{output} exists: give another name, or --overwrite")
    sets = [open_experiment_set(folder) for folder in (args.experiments, args.validation)]
    prepare_device("auto")
    from cryodl.training import voxel_size

    trained, validation = (
        voxel_size.all_samples(experiments, args.count, args.seed + number, args.workers)
        for number, experiments in enumerate(sets)
    )
    print(f"{len(trained[0])} inputs to train on, {len(validation[0])} to measure on", flush=True)
    figures = voxel_size.train_voxel_size(trained, validation, output, args.seed)
    for name, value in figures.items():
        print(f"{name}: {value:.3f}")
    print(f"wrote {output}")
