"""`cryodl train METHOD`, and `cryodl evaluate METHOD`: functions of the registry, by options."""

from __future__ import annotations

import argparse
import inspect
from contextlib import ExitStack
from pathlib import Path

from cryodl.cli.command import PARAMS
from cryodl.cli.common import Progress
from cryodl.methods import registry
from cryodl.methods.options import add_arguments as add_options
from cryodl.methods.options import keywords
from cryodl.training.state import CHECKPOINT, run_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_methods(parser, registry.TRAIN)


def run(args: argparse.Namespace) -> None:
    try:
        run_method(args)
    except KeyboardInterrupt:
        folder = run_folder(Path(args.output))
        if not (folder / CHECKPOINT).is_file():
            raise
        raise KeyboardInterrupt(
            f"the training as far as its last epoch is in {folder}: --resume goes on with it"
        ) from None


def add_methods(parser: argparse.ArgumentParser, methods: dict[str, registry.Method]) -> None:
    """Give a command a method to choose, each with its own options."""
    chosen = parser.add_subparsers(dest="method", metavar="METHOD", title="methods", required=True)
    for name, method in methods.items():
        its_parser = chosen.add_parser(
            name,
            help=method.help,
            description=method.help[0].upper() + method.help[1:] + ".",
            allow_abbrev=False,
            formatter_class=parser.formatter_class,
        )
        options = (*method.load_options(), PARAMS)
        add_options(its_parser, options)
        its_parser.set_defaults(method_line=method, options=options)


def run_method(args: argparse.Namespace) -> None:
    """Call the function of the chosen method with what was given."""
    function, values = args.method_line.load(), keywords(args.options, args)
    with ExitStack() as stack:
        if "progress" in inspect.signature(function).parameters:
            values["progress"] = stack.enter_context(Progress())
        function(**values)
