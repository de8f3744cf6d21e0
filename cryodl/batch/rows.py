"""Rows of a table of maps: read, and checked before anything runs."""

from __future__ import annotations

import argparse
import csv
import glob
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cryodl.cli.common import has_positional
from cryodl.cli.main import make_parser
from cryodl.errors import CryodlError, InputError, SettingError, counted
from cryodl.files.reading import MOST_FIELD, is_file, read_text
from cryodl.methods.options import Option, as_flags
from cryodl.methods.registry import NETWORK
from cryodl.networks.spec import list_bundles

MAP_NAME = re.compile(r"(.+?)\.(?:mrc|map|ccp4)(?:\.gz|\.bz2)?", re.IGNORECASE)
NAME, CARRIED = "name", "#"  # the column of folders' names; begin of columns that are not read
PATHS = ("FILE", "RES", "NAME_OR_FOLDER")  # what stands for files and folders in help
YES, NO = ("1", "yes", "true", "x"), ("0", "no", "false")  # whether a row has a flag
NOT_OF_ROWS = {"output", "json", "overwrite", "params", "table", "help"}  # a row has no say in
OURS = {"map", "name", "status", "error", "seconds", "said", "warnings", "version", "sha256"}


class Row(NamedTuple):
    """One map, or one set of files, to be judged.

    name : of its folder;  line : of the table
    cells : {column: text} as they were given
    arguments : of the command, without the folder to write into
    files : absolute, that the command will read
    """

    name: str
    line: int
    cells: dict[str, str]
    arguments: tuple[str, ...]
    files: tuple[str, ...] = ()


def read_rows(table: str | os.PathLike[str], words: Sequence[str]) -> list[Row]:
    """The rows of a table, or one for each map of a folder or pattern.

    words : a command and its options, as on the command line, which hold for all rows

    Raises
    ------
    InputError : the table cannot be read, names files that are not there, or one thing twice
    SettingError : a column or a value is not one of the command
    """
    place = os.fspath(table)
    if os.path.isdir(place) or glob.has_magic(place) and not os.path.exists(place):
        lines = [(n, {"map": path}) for n, path in enumerate(_maps(place), 1)]
    else:
        lines = _read_table(place)
    parser, options = _parser(words[0])
    _check_words(words, parser, options)
    by_column = _check_columns(place, lines[0][1], parser, options, words)
    words, for_all = _absolute_words(words, parser, options)
    held = [
        (line, {name: _value(one, cells[name]) for name, one in by_column.items() if cells[name]})
        for line, cells in lines
    ]
    alike = [(n, tuple(values.items()), first_file(cells)) for (n, values), (_, cells)
             in zip(held, lines)]  # fmt: skip
    _check_twice(place, alike, "the same")
    _check_files(place, held, lines, by_column)
    names = _names(place, lines)
    rows = []
    for name, (line, cells), (_, values) in zip(names, lines, held):
        files = [text for column, text in values.items() if takes_path(by_column[column], text)]
        arguments = tuple(_arguments(words, values, parser))
        rows.append(Row(name, line, cells, arguments, (*filter(is_file, files), *for_all)))
        _check_values(place, rows[-1], parser, options)
    return rows


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[Option]]:
    """A command's arguments, parsed, and the options that they are of."""
    args = _whole_parser(arguments[0]).parse_args(list(arguments))
    return args, list(args.options)


_whole_parser = lru_cache(make_parser)  # a worker reads the same command's words row after row


def _maps(place: str) -> list[str]:
    pattern = os.path.join(glob.escape(place), "*") if os.path.isdir(place) else place
    found = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    found = [path for path in found if MAP_NAME.fullmatch(os.path.basename(path))]
    if not found:
        raise InputError(f"{place} holds no map (.mrc, .map, .ccp4, also .gz and .bz2)")
    return found


def _read_table(place: str) -> list[tuple[int, dict[str, str]]]:
    """Lines of a table with their numbers, and their cells by column; empty cells are left out."""
    text = read_text(place, "table")
    head = text.lstrip("\n\r").partition("\n")[0]
    separator = "\t" if "\t" in head else ","
    if head.count(";") > head.count(separator):
        raise InputError(
            f"{place} is separated by semicolons, as spreadsheets export it: save it with commas "
            "or tabs, and numbers with points"
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    before = csv.field_size_limit(MOST_FIELD)
    found: list[tuple[int, dict[str, str]]] = []
    names: list[str] = []
    try:
        for fields in reader:
            fields = [field.strip() for field in fields]
            if not any(fields):
                continue
            if not names:
                names = fields
                [(twice, count)] = Counter(names).most_common(1)
                if count > 1 or "" in names:
                    what = f"{count} columns {twice!r}" if count > 1 else "a column without a name"
                    raise InputError(f"{place} has {what}: give each a name of its own")
                continue
            if len(fields) > len(names):
                raise InputError(
                    f"{place}, line {reader.line_num}: {len(fields)} fields for {len(names)} "
                    "columns: put a field that holds the separator into double quotes"
                )
            cells = {name: field for name, field in zip(names, fields) if field}
            found.append((reader.line_num, {names[0]: "", **cells}))
    except csv.Error as error:
        raise InputError(f"{place}, line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(before)
    if not found:
        raise InputError(f"{place} has no rows: give a line of columns, and one for each map")
    return [(line, dict.fromkeys(names, "") | cells) for line, cells in found]


def _parser(command: str) -> tuple[argparse.ArgumentParser, list[Option]]:
    parser = _whole_parser(command)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            its_parser = action.choices[command]
            return its_parser, list(its_parser.get_default("options"))
    raise AssertionError("cryodl has no commands")


def _action(parser: argparse.ArgumentParser, column: str) -> argparse.Action | None:
    key = column.lower().replace("_", "-")
    for action in parser._actions:
        if f"--{key}" in action.option_strings or (
            not action.option_strings and key in (action.dest, str(action.metavar).lower())
        ):
            return None if action.dest in NOT_OF_ROWS else action
    return None


def _check_words(
    words: Sequence[str], parser: argparse.ArgumentParser, options: Sequence[Option]
) -> None:
    """Raise SettingError where the words for all rows say what only a table or a batch can, or what
    is wrong in every row."""
    known = parser._option_string_actions
    for word in words[1:]:
        name = word.split("=")[0]
        ours = name[:2] == "--" and name[2:] in NOT_OF_ROWS or name == "-o"
        if ours or name in known and known[name].dest in NOT_OF_ROWS:
            raise SettingError(f"{word} is not for the command of a batch: leave it out")
        if re.match("--|-[a-zA-Z]", name) and name not in known:
            raise SettingError(f"{words[0]} has no option {name}: see 'cryodl {words[0]} --help'")
    if has_positional(parser, words[1:]):
        raise SettingError(
            f"a map is named among the words of {words[0]}: the table names the maps"
        )
    missing = _missing(words, parser)
    named = [f"{a.option_strings[-1]}=x" for a in missing if a.option_strings]
    others = ["x" for a in missing if not a.option_strings]
    try:  # in place of what the table gives
        _check_arguments([*others, *words[1:], *named], parser, options)
    except CryodlError as error:
        raise SettingError(f"{words[0]}, for all rows: {_brief(error, options)}") from None


def _missing(words: Sequence[str], parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What a command needs beside its words."""
    known = parser._option_string_actions
    given = {known[word.split("=")[0]].dest for word in words if word.split("=")[0] in known}
    return [action for action in parser._actions if action.required and action.dest not in given]


def _check_columns(
    place: str,
    cells: dict[str, str],
    parser: argparse.ArgumentParser,
    options: Sequence[Option],
    words: Sequence[str],
) -> dict[str, Option]:
    """The options that the columns are of, by their names; raises where they make no rows."""
    read = [name for name in cells if name != NAME and not name.startswith(CARRIED)]
    for name in read:
        if _action(parser, name) is None:
            raise SettingError(
                f"{place} has a column {name!r}, which is no option of {words[0]}: correct it, or "
                f"name it {CARRIED + name!r} to carry it along unread"
            )
    taken = OURS | {name.lower() for name in read}
    for name in (name for name in cells if name.startswith(CARRIED)):
        shown = name.lstrip(CARRIED).lower()
        if not shown or shown in taken:
            one = "one of that name" if shown else "none without a name"
            raise SettingError(f"{place} has a column {name!r}, and table.csv {one}: give another")
        taken.add(shown)
    by_option: dict[str, str] = {}
    for name in read:
        dest = _action(parser, name).dest  # type: ignore[union-attr]
        if dest in by_option:
            raise SettingError(
                f"{place} has columns {by_option[dest]!r} and {name!r}, which are one option: "
                "leave one out"
            )
        by_option[dest] = name
    first = [a.dest for a in parser._actions if not a.option_strings and a.required]
    needed = [a.dest for a in _missing(words, parser) if a.dest not in NOT_OF_ROWS]
    missing = [name for name in needed if name not in by_option]
    if not first and not by_option.keys() & {"map", "half1"}:
        missing = ["map"]
    if missing:
        raise InputError(
            f"{place} has no column {' and '.join(missing)}, which {words[0]} needs; it has "
            f"{', '.join(cells)[:300]}"
        )
    declared = {one.dest: one for one in options}
    return {column: declared[dest] for dest, column in by_option.items()}


def takes_path(one: Option, text: str) -> bool:
    """Whether a value names a file or a folder, and is no word that happens to be called like one.

    one : the option that it is of
    """
    if one.metavar == "NAME_OR_FOLDER" and text in list_bundles():
        return False
    return (one.argument or one.metavar in PATHS) and (one.dest, text) != ("mask", NETWORK)


def _value(one: Option, text: str) -> str:
    """A value, of a path one that holds in every folder."""
    return os.path.abspath(text) if takes_path(one, text) else text


def _is_there(one: Option, text: str) -> bool:
    folders = one.metavar in ("RES", "NAME_OR_FOLDER")
    return not takes_path(one, text) or is_file(text) or folders and os.path.isdir(text)


def _absolute_words(
    words: Sequence[str], parser: argparse.ArgumentParser, options: Sequence[Option]
) -> tuple[list[str], list[str]]:
    """A command's words, with paths that hold in every folder, and the files among them."""
    declared = {one.dest: one for one in options}
    found, files = [words[0]], []
    one: Option | None = None
    for word in words[1:]:
        name, equals, text = word.partition("=")
        action = parser._option_string_actions.get(name)
        if action is not None:
            one = declared.get(action.dest)
        begin, text = (f"{name}=" if equals else "", text) if action is not None else ("", word)
        if one is None or action is not None and not equals:
            found.append(word)
            continue
        if not _is_there(one, text):
            raise InputError(
                f"{one.shown}={text}: no such file: check the name, as seen from the current "
                f"folder {os.getcwd()}"
            )
        text = _value(one, text)
        found.append(begin + text)
        files += [text] if takes_path(one, text) and is_file(text) else []
    return found, files


def _check_twice(place: str, things: Iterable[tuple[int, Any, str]], what: str) -> None:
    """Raise InputError where two lines are alike; things : (line, what is compared, shown)."""
    seen: dict[Any, int] = {}
    for line, thing, shown in things:
        if thing in seen:
            raise InputError(
                f"{place}: lines {seen[thing]} and {line} are {what} ({shown}): leave one out, or "
                "change it"
            )
        seen[thing] = line


def _check_files(place: str, held: list, lines: list, by_column: dict[str, Option]) -> None:
    missing = [
        (line, cells[column])
        for (line, values), (_, cells) in zip(held, lines)
        for column, text in values.items()
        if not _is_there(by_column[column], text)
    ]
    if missing:
        shown = "; ".join(f"line {line}: {text}" for line, text in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(
            f"{place}: {counted(len(missing), 'file')} not there ({shown}{more}): "
            f"check the names, as seen from the current folder {os.getcwd()}"
        )


def first_file(cells: dict[str, str]) -> str:
    """The file that a row is about, as it was given."""
    read = {k.lower(): text for k, text in cells.items() if k != NAME and k[:1] != CARRIED and text}
    return read.get("map") or read.get("half1") or next(iter(read.values()), "")


def _names(place: str, lines: list) -> list[str]:
    """A folder's name for each row: its own, or that of its first file, with as many of the
    folders around that as tell it from the others."""
    paths = [Path(os.path.abspath(first_file(cells))) for _, cells in lines]
    names = [cells.get(NAME) or _stem(path, 0) for path, (_, cells) in zip(paths, lines)]
    for depth in range(1, max(len(path.parts) for path in paths) - 1):
        counts = Counter(name.lower() for name in names)
        shared = [i for i, name in enumerate(names) if counts[name.lower()] > 1]
        if not shared:
            break
        for i in shared:
            names[i] = lines[i][1].get(NAME) or _stem(paths[i], depth)
    for (line, _), name in zip(lines, names):
        bad = "/" in name or name.startswith(".") or not name.isprintable()
        if bad or len(os.fsencode(name)) > 150:
            raise InputError(
                f"{place}, line {line}: {name[:160]!r} cannot name a folder: give another in a "
                f"column {NAME!r}"
            )
    numbered = [(line, name.lower(), name) for (line, _), name in zip(lines, names)]
    _check_twice(place, numbered, f"of one name, which a column {NAME!r} can change,")
    return names


def _stem(path: Path, depth: int) -> str:
    stem = MAP_NAME.sub(r"\1", path.name)
    return "-".join([*path.parts[1:-1][len(path.parts) - 2 - depth :], stem])


def _arguments(words: Sequence[str], values: dict[str, str], parser: Any) -> list[str]:
    """The command line that a row stands for; what it says prevails over what holds for all."""
    places = {action.dest: "" for action in parser._actions if not action.option_strings}
    given = []
    for column, text in values.items():
        action = _action(parser, column)
        assert action is not None  # as `_check_columns` has seen
        if action.dest in places:
            places[action.dest] = text
        elif action.nargs == 0:
            given += [action.option_strings[-1]] if text.lower() in YES else []
        else:
            given.append(f"{action.option_strings[-1]}={text}")
    return [words[0], *filter(None, places.values()), *words[1:], *given]


def _check_values(place: str, row: Row, parser: Any, options: Sequence[Option]) -> None:
    for column, text in row.cells.items():
        flag = _action(parser, column) if column != NAME and column[:1] != CARRIED else None
        if flag is not None and flag.nargs == 0 and text and text.lower() not in YES + NO:
            raise SettingError(f"{place}, line {row.line}: {column}={text!r} is neither yes nor no")
    out = ["-o", row.name] if "-o" in parser._option_string_actions else []
    try:
        _check_arguments([*row.arguments[1:], *out], parser, options)
    except CryodlError as error:
        said = _brief(error, options)
        raise SettingError(f"{place}, line {row.line}: {said}") from None


def _check_arguments(arguments: Sequence[str], parser: Any, options: Sequence[Option]) -> None:
    """Raise CryodlError where a command would refuse its arguments, but for what files hold."""
    args = parser.parse_args(arguments)
    for one in options:
        value = getattr(args, one.dest, one.default)
        for each in value if one.many and isinstance(value, list) else [value]:
            one.check(each)


def _brief(error: Exception, options: Sequence[Option]) -> str:
    return as_flags(str(error), options).partition(": see '")[0]
