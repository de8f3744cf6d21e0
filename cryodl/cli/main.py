"""`cryodl COMMAND`: finds the command, runs it, and turns errors into one line and an exit code.

Exit codes: 0 done; 1 `preflight` found faults; 2 something the user can mend; 3 some rows of a
batch, or maps of `classify`, failed; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import argparse
import errno
import re
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

from cryodl.cli.common import read_params, refuse_empty_words, refuse_to_replace_inputs
from cryodl.cli.streams import lenient_streams, one_line_warnings
from cryodl.compute.memory import check_start_memory, limits_in_words
from cryodl.errors import CryodlError, SettingError, is_shortage, one_line
from cryodl.files.folder import finished
from cryodl.methods import registry
from cryodl.methods.options import Option, as_flags
from cryodl.version import __version__

OWN = "localres", "classify", "simulate", "batch"  # commands with a module of their own in `cli`
CHOSEN = {"train": registry.TRAIN, "evaluate": registry.EVALUATE}  # those that name a method
ORDER = (
    "report", "localres", "enhance", "mask", "classify", "import", "compare", "filter",
    "fsc", "quality", "preflight", "oversharpening", "simulate", "experiments", "train", "evaluate",
    "batch",
)  # fmt: skip
HELP = {
    "localres": "local resolution of a map, with its uncertainty",
    "train": "train a network and write it as a bundle",
    "evaluate": "measure a network on simulated and real maps",
    **{name: line.help for name, line in registry.COMMANDS.items()},
}
NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+|inf|infinity|nan)(e[-+]?\d+)?(,.*)?$", re.IGNORECASE)
COMMANDS = {name: HELP[name] for name in dict.fromkeys((*ORDER, *HELP))}


def main(argv: Sequence[str] | None = None, *, begin: Callable[[], object] = lambda: None) -> int:
    """Run one command; `argv` without the program's name. Returns the exit code.

    begin : called when all is loaded and the command itself begins, which may write
    """
    finished.clear()
    with lenient_streams() as output:
        code = _run(argv, begin)
        output.flush()
        if output.failed is None or code:
            return code
        if not isinstance(output.failed, BrokenPipeError):
            reason = output.failed.strerror or output.failed
            results = "; the results are complete" if finished else ""
            _fail(f"cannot write to standard output: {reason}{results}", 2)
            return 0 if finished else 2
        return 0 if finished else 141  # the reader has gone, as in `cryodl ... | head`


def _run(argv: Sequence[str] | None, begin: Callable[[], object]) -> int:
    arguments = [str(a) for a in (sys.argv[1:] if argv is None else argv)]
    options: list[Option] = []
    try:
        with _terminable():
            parser = make_parser(arguments[0] if arguments else "")
            args, unknown = parser.parse_known_args(read_params(parser, arguments))
            if args.command is None and not unknown:
                parser.print_help()
                return 0
            if unknown:
                words = " ".join(["cryodl", *filter(None, [args.command])])
                raise SettingError(f"unknown arguments {' '.join(unknown)}: see '{words} --help'")
            options = [*getattr(args, "options", ()), *map(Option, vars(args))]
            refuse_empty_words(args)
            refuse_to_replace_inputs(args, arguments)
            from cryodl.compute.parallel import check_threads, share_arenas  # heavy: help is not

            check_threads(getattr(args, "threads", None))
            if check_start_memory():
                share_arenas(2)
            args.begin = begin
            if not hasattr(args, "method_line"):  # of a method, once it is loaded
                begin()
            with one_line_warnings():
                return args.run(args) or 0
    except Exception as error:
        said = error_line(error, options)
        if said is None:
            raise
        return _fail(said, 2)
    except KeyboardInterrupt as stopped:
        return interrupted(stopped)
    except SystemExit as leaving:  # argparse has printed help or version
        return leaving.code if isinstance(leaving.code, int) else 0


def interrupted(stopped: KeyboardInterrupt) -> int:
    """Say what was written before Ctrl-C. Returns the exit code."""
    written = ", ".join(finished) or "nothing"
    return _fail(f"interrupted; {str(stopped) or f'{written} was written'}", 130)


def error_line(error: Exception, options: Iterable[Option]) -> str | None:
    """What a command says of an error, in its own words; None of one that is a bug."""
    if isinstance(error, CryodlError):
        return as_flags(str(error), options)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return one_line(f"{error.strerror}: {error.filename}: give another")
    return _shortage(error) if is_shortage(error) else None


def _shortage(error: Exception) -> str:
    """What to say where memory or threads ran out, whichever library says so and however."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = f" ({lines[-1][:200]})" if lines else ""
    limits = limits_in_words()
    under = f", under the limit {limits}" if limits else ""
    remedy = "raise it" if limits else "close other programs"
    what = "threads" if "thread" in reason or "temporarily" in reason else "memory"
    return f"not enough {what}{reason}{under}: {remedy} or crop the map's box"


def make_parser(command: str = "") -> argparse.ArgumentParser:
    """The parser, with the arguments of `command` filled in (of every command where it is
    "all")."""
    parser = _Parser(
        prog="cryodl", description="Deep learning judges cryo-EM maps.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"cryodl {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        its_parser = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
            formatter_class=_HelpFormatter,
        )
        if command not in (name, "all"):
            continue
        if name in OWN:
            module = import_module(f"cryodl.cli.{name}")
            module.add_arguments(its_parser)
            its_parser.set_defaults(run=module.run)
            continue
        from cryodl.cli import command as shared

        if name in CHOSEN:
            shared.fill_methods(its_parser, CHOSEN[name])
            its_parser.set_defaults(run=shared.run_chosen)
        else:
            shared.fill(its_parser, registry.COMMANDS[name])
            its_parser.set_defaults(run=shared.run)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as all errors are said; takes each number below 0, and lists
    that begin with one, for values."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._negative_number_matcher = NEGATIVE
        self.color = False  # of newer Pythons: `streams` shows control codes as they are

    def error(self, message: str) -> NoReturn:
        raise SettingError(f"{message}: see '{self.prog} --help'")


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Tells the defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str:
        if action.default in (None, False):
            return action.help or ""
        return super()._get_help_string(action) or ""


def _fail(message: str, code: int) -> int:
    print(f"cryodl: {' '.join(message.split())}", file=sys.stderr)
    return code


@contextmanager
def _terminable():
    """Let a polite kill unwind the stack, so that temporary files go."""

    def stop(number, frame):
        raise SystemExit(128 + number)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread: signals are not ours to handle
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
