"""Write docs/commands.rst from the command line's own parser.

The text is made from the parser's actions and not from its `--help`, whose layout differs between
Python versions. A test compares the committed page with what this makes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).resolve().with_name("commands.rst")

HEAD = """\
========
Commands
========

.. This page is made by `make docs`; change the commands, not the page.

Every command answers ``--help``. Exit codes: 0, done; 1, ``preflight`` found faults; 2, the input
or an option cannot be used, said in one line; 3, some rows of a batch, or some maps of
``classify``, failed and the others are judged; 130, interrupted.
"""


def make_page() -> str:
    from cryodl.cli.main import make_parser

    return HEAD + "".join(_sections(make_parser("all")))


def _sections(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A section for each command, in the order of the parser; commands may have commands."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield _section(parser)
    for group in groups:
        for command in group.choices.values():
            yield from _sections(command)


def _section(parser: argparse.ArgumentParser) -> str:
    lines = ["", parser.prog, "=" * len(parser.prog), ""]
    if parser.description:
        lines += [parser.description.strip(), ""]
    actions = [a for a in parser._actions if a.help is not argparse.SUPPRESS and a.dest != "help"]
    for title, chosen in (
        ("Arguments", [a for a in actions if not a.option_strings]),
        ("Options", [a for a in actions if a.option_strings]),
    ):
        if chosen:
            lines += [title, "-" * len(title), ""]
            for action in chosen:
                lines += [_term(parser, action), "    " + _meaning(parser, action), ""]
    if parser.epilog:
        lines += [parser.epilog.strip(), ""]
    return "\n".join(lines)


def _term(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    if not action.option_strings:
        return f"``{action.metavar or action.dest}``"
    value = ""
    if action.nargs != 0:
        if action.choices:
            value = "|".join(map(str, action.choices))
        else:
            value = str(action.metavar or action.dest.upper())
    names = ", ".join(action.option_strings)
    return f"``{names} {value}``".replace(" ``", "``")


def _meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    text = text.replace("*", r"\*")  # no emphasis
    text = " ".join(text.split())
    if action.required and action.option_strings:
        text += " (required)"
    return text


if __name__ == "__main__":
    PAGE.write_text(make_page(), "utf-8")
    print(f"wrote {PAGE.name}")
