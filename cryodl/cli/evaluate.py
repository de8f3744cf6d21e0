"""`cryodl evaluate METHOD`: what a network reaches, as tables."""

from __future__ import annotations

import argparse

from cryodl.cli.train import add_methods, run_method
from cryodl.methods import registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_methods(parser, registry.EVALUATE)


def run(args: argparse.Namespace) -> None:
    run_method(args)
