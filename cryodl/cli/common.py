"""What the commands share: parameters from a file, a folder written whole, and progress."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from cryodl.errors import OutputError, SettingError

SOME_FAILED = 3  # exit code where the other maps are judged
PARAMS_HELP = "JSON object of these options by their long names; the command line prevails"


def read_params(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """Replace `--params FILE` by the arguments that the file stands for.

    Keys are the long options without their dashes, and the names of positional arguments; true sets
    a flag, false and null leave an option out. What stands on the command line follows and so
    prevails.

    Raises
    ------
    InputError : the file cannot be read
    SettingError : it is no JSON object, or has an unknown key
    """
    rest, path = _take_option(list(arguments), "--params")
    if path is None or not rest:
        return list(arguments)
    from cryodl.files.reading import read_json  # heavy: help is not

    try:
        values = read_json(path)
    except ValueError as error:
        raise SettingError(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise SettingError(f"{path} must hold a JSON object, not {type(values).__name__}")
    command = _command_parser(parser, rest[0])
    words = 1
    if command._subparsers is not None and len(rest) > 1:  # a command of methods, as train
        command, words = _command_parser(command, rest[1]), 2
    given: list[str] = []
    keys: dict[argparse.Action, str] = {}
    positional: dict[argparse.Action, list[str]] = {}
    for key, value in values.items():
        action = _find_action(command, key)
        if action is None or "--params" in action.option_strings:
            raise SettingError(f"{path}: {' '.join(rest[:words])} has no option {key!r}")
        if action in keys:
            raise SettingError(f"{path}: {keys[action]} and {key} are one option: leave one out")
        keys[action] = key
        if value is None or value is False:
            continue
        said = _value_problem(action, value) or _flag_problem(command, action, value)
        if said:
            raise SettingError(f"{path}: {key} {said}")
        items = [str(item) for item in (value if isinstance(value, list) else [value])]
        if not action.option_strings:
            positional[action] = items
        elif action.nargs == 0:
            given.append(action.option_strings[-1])
        elif isinstance(value, list) and not _takes_many(action):
            given.append(f"{action.option_strings[-1]}={','.join(items)}")
        elif action.nargs in ("*", "+"):
            given += [action.option_strings[-1], *items]
        else:
            given += [f"{action.option_strings[-1]}={item}" for item in items]
    first: list[str] = []
    last: list[str] = []  # of what takes all that follows it
    for action in command._actions:
        place = last if action.nargs == argparse.PARSER else first
        place += positional.get(action, ())
    if has_positional(command, rest[words:]):
        first, last = [], []  # the map on the command line prevails
    return [*rest[:words], *first, *given, *rest[words:], *last]


def _value_problem(action: argparse.Action, value: Any) -> str:
    """What is wrong with a value of a file of parameters, "" for nothing."""
    shown = json.dumps(value)
    if action.nargs == 0:
        return "" if value is True else f"is {shown}: give true or false"
    if value is True:
        return "is true: give its value"
    if value == []:
        return "is an empty list: give a value, or null for none"
    items = value if isinstance(value, list) else [value]
    if any(not isinstance(item, (str, int, float)) or isinstance(item, bool) for item in items):
        return f"is {shown}: give a number or text" + (", or a list" * _takes_many(action))
    text = [item for item in items if isinstance(item, str)]
    if len(items) > 1 and text and not (_takes_many(action) or callable(action.type)):
        return f"is {shown}: give one value"
    if action.type in (int, float):
        try:
            [action.type(item) for item in text]
        except ValueError:
            return f"is {shown}: give a {'whole ' * (action.type is int)}number"
        if len(items) > 1 and not _takes_many(action):
            return f"is {shown}: give one number"
        if action.type is int and any(
            isinstance(item, float) and not item.is_integer() for item in items
        ):
            return f"is {shown}: give a whole number"
    return ""


def _flag_problem(command: argparse.ArgumentParser, action: argparse.Action, value: Any) -> str:
    """What is wrong with a value that the command line would take for an option."""
    if action.nargs == argparse.PARSER or action.option_strings and action.nargs not in ("*", "+"):
        return ""
    for item in value if isinstance(value, list) else [value]:
        if str(item)[:1] == "-" and not command._negative_number_matcher.match(str(item)):
            return (
                f"is {json.dumps(item)}, which would be an option: a file of that name is ./{item}"
            )
    return ""


def refuse_empty_words(args: argparse.Namespace) -> None:
    """Raise SettingError where a name is empty, as that of a shell's variable that is not set."""
    for one in getattr(args, "options", ()):
        value = getattr(args, one.dest, None)
        if "" in (value if isinstance(value, list) else [value]):
            one.check("")


OUTPUTS = "output", "json"
OF_SIMULATE = "truth", "mask"  # which it writes, too


def refuse_to_replace_inputs(args: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Raise OutputError where a file to write is one that the command reads, by any name.

    args : of any command;  arguments : as they came, for the file of --params
    """
    values = dict(vars(args))
    names = OUTPUTS + (OF_SIMULATE if args.command == "simulate" else ())
    written = [values.pop(name, None) for name in names]
    read: list[Any] = [_take_option(list(arguments), "--params")[1]]
    for value in values.values():
        read += value if isinstance(value, (list, tuple)) else [value]
    for place in written:
        if isinstance(place, str) and any(_one_file(place, other) for other in read):
            raise OutputError(f"{place} is what is read: give another name for what is written")


def _one_file(first: str, second: Any) -> bool:
    try:
        readable = isinstance(second, str) and os.path.isfile(second)
        return readable and os.path.samefile(first, second)
    except (OSError, ValueError):  # one of them is not there
        return False


def _takes_many(action: argparse.Action) -> bool:
    """Whether an option may be repeated; a list for any other is written with commas."""
    return action.nargs in ("*", "+", argparse.PARSER) or isinstance(action, argparse._AppendAction)


def has_positional(command: argparse.ArgumentParser, words: Sequence[str]) -> bool:
    """Whether there is a word that is neither an option nor the value of one."""
    taken = 0  # words that the last option may still take
    for word in words:
        option = command._option_string_actions.get(word.split("=")[0])
        if option is not None:
            many = option.nargs in ("*", "+")
            taken = 0 if "=" in word else 10**6 if many else 1 if option.nargs is None else 0
            taken = option.nargs if isinstance(option.nargs, int) else taken
        elif taken:
            taken -= 1
        else:
            return True
    return False


def _take_option(arguments: list[str], name: str) -> tuple[list[str], str | None]:
    for i, argument in enumerate(arguments):
        if argument.startswith(name + "="):
            return arguments[:i] + arguments[i + 1 :], argument[len(name) + 1 :]
        if argument == name and i + 1 < len(arguments):
            return arguments[:i] + arguments[i + 2 :], arguments[i + 1]
    return arguments, None


def _command_parser(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    for action in parser._subparsers._group_actions:  # type: ignore[union-attr]
        if name in (action.choices or ()):
            return action.choices[name]  # type: ignore[index]
    parser.error(f"unknown command {name!r}")


def _find_action(parser: argparse.ArgumentParser, key: str) -> argparse.Action | None:
    key = key.replace("_", "-")
    for action in parser._actions:
        if f"--{key}" in action.option_strings:
            return action
        if not action.option_strings and key in (action.dest, str(action.metavar).lower()):
            return action
    return None


def apply_compute_options(args: argparse.Namespace) -> None:
    """Make this process keep to `--threads`, and to `--gpus` and `--precision` if it has them."""
    from cryodl.compute.device import choose_gpus
    from cryodl.compute.parallel import limit_threads
    from cryodl.compute.precision import choose_precision

    choose_gpus(getattr(args, "gpus", None))
    limit_threads(args.threads)
    choose_precision(getattr(args, "precision", None))


def say(line: str) -> None:
    """Print a line at once, also into a log."""
    print(line, flush=True)


def duration(seconds: float) -> str:
    """Time in words.

    >>> duration(42), duration(4000), duration(400000)
    ('42 s', '1 h 7 min', '4 d 15 h')
    """
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


class Progress:
    """A bar on a terminal; in a log, a line at every tenth and at most one a second.

    Both tell the time left by what the stage has taken of late, on a busy machine too. Used as a
    context, at whose end the bar goes. unit : what is counted
    """

    def __init__(self, unit: str = "tile") -> None:
        self._unit = unit
        self._bar: Any = None
        self._stage = ""
        self._tenth = 0
        self._last = self._from = 0.0  # when a line was said, and since when the rate is told
        self._before = 0  # what was done then

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage, self._tenth = stage, 0
            self._from, self._before = time.monotonic(), done
        if sys.stderr.isatty():
            self._draw(done, total)
        elif 10 * done // total > self._tenth:
            now = time.monotonic()
            if done == total or now - self._last > 1:
                left = (now - self._from) / max(done - self._before, 1) * (total - done)
                more = f", about {duration(left)} left" if left >= 1 else ""
                print(f"{stage}: {100 * done // total} %{more}", flush=True)
                self._tenth, self._before = 10 * done // total, done
                self._last = self._from = now

    def _draw(self, done: int, total: int) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=total, desc=self._stage, unit=self._unit, leave=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
