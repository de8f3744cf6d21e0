"""A command that is a method: its options in, its function called, its summary out."""

from __future__ import annotations

import argparse
import inspect
from contextlib import ExitStack
from typing import Any

from cryodl.cli.common import PARAMS_HELP, Progress, apply_compute_options, say
from cryodl.methods.options import Option, add_arguments, keywords
from cryodl.methods.registry import Method

PARAMS = Option("params", help=PARAMS_HELP, metavar="FILE", process=True)


def fill(parser: argparse.ArgumentParser, method: Method) -> None:
    """Give a command's parser the options of its method, and say what to run."""
    options = (*method.load_options(), PARAMS)
    add_arguments(parser, options)
    parser.set_defaults(run=run, method_line=method, options=options)


def run(args: argparse.Namespace) -> None:
    run_method(args, args.method_line, keywords(args.options, args))


def run_method(args: argparse.Namespace, method: Method, values: dict[str, Any]) -> None:
    """Call the function of a method with what was given; say what it is about and what came out."""
    read = [values.get(one.name) for one in args.options if one.argument]
    if isinstance(read[0], list):
        read = read[0]
    names = [name for name in read if name] or [values.get("half1") or ""]
    print(" ".join(["cryodl", args.command, *names]), flush=True)
    if hasattr(args, "threads"):
        apply_compute_options(args)
    function = method.load()
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
