"""Commands that are methods: options in, the function called, its summary out."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cryodl.cli.common import PARAMS_HELP, Progress, apply_compute_options, say
from cryodl.methods.options import Option, add_arguments, keywords
from cryodl.methods.registry import Method

PARAMS = Option("params", help=PARAMS_HELP, metavar="FILE", process=True)


def fill(parser: argparse.ArgumentParser, method: Method) -> None:
    """Give a command's parser the options of its method."""
    options = (*method.load_options(), PARAMS)
    add_arguments(parser, options)
    parser.set_defaults(method_line=method, options=options)


def fill_methods(parser: argparse.ArgumentParser, methods: Mapping[str, Method]) -> None:
    """Give a command a method to choose, as of `cryodl train METHOD`, each with its own options."""
    chosen = parser.add_subparsers(dest="method", metavar="METHOD", title="methods", required=True)
    for name, method in methods.items():
        its_parser = chosen.add_parser(
            name,
            help=method.help,
            description=method.help[0].upper() + method.help[1:] + ".",
            allow_abbrev=False,
            formatter_class=parser.formatter_class,
        )
        fill(its_parser, method)


def run(args: argparse.Namespace) -> None:
    run_method(args, args.method_line, keywords(args.options, args))


def _loaded(args: argparse.Namespace, method: Method) -> Callable[..., Any]:
    """The function of a method. From here on it may write, and Ctrl-C has it clean up; before, the
    command line leaves at once. A row of a batch leaves this to its batch."""
    function = method.load()
    if hasattr(args, "begin"):
        args.begin()
    return function


def run_chosen(args: argparse.Namespace) -> None:
    """Call a method of training or evaluation; of a training that is stopped, say what is kept."""
    from cryodl.training.state import CHECKPOINT, run_folder

    function, values = _loaded(args, args.method_line), keywords(args.options, args)
    try:
        with ExitStack() as stack:
            if "progress" in inspect.signature(function).parameters:
                values["progress"] = stack.enter_context(Progress())
            function(**values)
    except KeyboardInterrupt:
        folder = run_folder(Path(args.output))
        if args.command != "train" or not (folder / CHECKPOINT).is_file():
            raise
        raise KeyboardInterrupt(
            f"the training as far as its last epoch is in {folder}: --resume goes on with it"
        ) from None


def run_method(args: argparse.Namespace, method: Method, values: dict[str, Any]) -> None:
    """Call the function of a method with what was given; say what it is about and what came out."""
    read = [values.get(one.name) for one in args.options if one.argument]
    if isinstance(read[0], list):
        read = read[0]
    names = [name for name in read if name] or [values.get("half1") or ""]
    print(" ".join(["cryodl", args.command, *names]), flush=True)
    if hasattr(args, "threads"):
        apply_compute_options(args)
    function = _loaded(args, method)
    taken = inspect.signature(function).parameters
    with ExitStack() as stack:
        if "progress" in taken:
            values["progress"] = stack.enter_context(Progress())
        if "notify" in taken:
            values["notify"] = say
        result = function(**values)
    for line in method.summary(getattr(result, "stats", result)):
        print(line)
    if hasattr(result, "stats"):
        print(f"wrote {args.output}")
        if result.stats.get("exit_status"):  # of a check, whose verdict it is
            raise SystemExit(result.stats["exit_status"])
