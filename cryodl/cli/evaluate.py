"""`cryodl evaluate METHOD`: what a network reaches, as tables; one module per method."""

from __future__ import annotations

import argparse

from cryodl.cli.common import add_methods

METHODS = {
    "experiments": (
        "cryodl.cli.evaluate_experiments",
        "measure every method on experiments from particles, simulated or reconstructed by RELION",
    ),
    "resolution-class": (
        "cryodl.cli.evaluate_resolution_class",
        "measure whole-map classes: the tables of the paper, boundaries, real maps",
    ),
    "local-classes": (
        "cryodl.cli.evaluate_local_classes",
        "measure local classes on labelled experiments: the four-way table of the paper",
    ),
    "single-map-resolution": (
        "cryodl.cli.evaluate_single_map",
        "measure masks and resolutions of single maps on experiments and real maps",
    ),
    "postprocess": (
        "cryodl.cli.evaluate_postprocess",
        "compare enhanced maps with targets and models, simulated and real",
    ),
    "local-resolution": (
        "cryodl.cli.evaluate_local_resolution",
        "run the tests of the DeepRes paper, and tables of real maps",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_methods(parser, METHODS)


def run(args: argparse.Namespace) -> None:
    args.run_method(args)
