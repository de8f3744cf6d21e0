"""`cryodl train METHOD`: a network trained and written as a bundle; one module per method."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryodl.cli.common import add_methods
from cryodl.cli.training import CHECKPOINT, run_folder

METHODS = {
    "single-map-resolution": (
        "cryodl.cli.train_single_map",
        "train mask, global and local resolution of a single map, from simulated experiments",
    ),
    "voxel-size": (
        "cryodl.cli.train_voxel_size",
        "train the check that doubts wrong voxel sizes, from simulated experiments",
    ),
    "local-resolution": (
        "cryodl.cli.train_local_resolution",
        "train local resolution as DeepRes gives it, from structures",
    ),
    "postprocess": (
        "cryodl.cli.train_postprocess",
        "train post-processing in the manner of DeepEMhancer, from simulated experiments",
    ),
    "local-classes": (
        "cryodl.cli.train_local_classes",
        "train ten classes of local resolution, from maps and their local resolutions",
    ),
    "resolution-class": (
        "cryodl.cli.train_resolution_class",
        "train the resolution of a whole map, from structures and simulated experiments",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_methods(parser, METHODS)


def run(args: argparse.Namespace) -> None:
    try:
        args.run_method(args)
    except KeyboardInterrupt:
        folder = run_folder(Path(args.output))
        if not (folder / CHECKPOINT).is_file():
            raise
        raise KeyboardInterrupt(
            f"the training as far as its last epoch is in {folder}: --resume goes on with it"
        ) from None
