"""`cryodl train METHOD`: a network trained and written as a bundle; one module per method."""

from __future__ import annotations

import argparse

from .common import add_methods

METHODS = {
    "local-resolution": (
        "cryodl.cli.train_local_resolution",
        "train local resolution as DeepRes gives it, from structures",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_methods(parser, METHODS)


def run(args: argparse.Namespace) -> None:
    args.run_method(args)
