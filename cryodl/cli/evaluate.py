"""`cryodl evaluate METHOD`: what a network reaches, as tables; one module per method."""

from __future__ import annotations

import argparse

from .common import add_methods

METHODS = {
    "local-resolution": (
        "cryodl.cli.evaluate_local_resolution",
        "run the tests of the DeepRes paper, and tables of real maps",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_methods(parser, METHODS)


def run(args: argparse.Namespace) -> None:
    args.run_method(args)
