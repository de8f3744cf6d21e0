"""Files that a user gives, read with their size and kind known first: text, JSON, tables, arrays.

Nothing is read from a pipe, which may never end; nothing larger than it can sensibly be; a
compressed file is unpacked no further than that; and no array (.npy, .npz) may promise more than
its file holds.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import math
import os
import stat
import sys
import tokenize
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.compute.memory import check_memory
from cryodl.errors import InputError

MOST_TEXT = 64 * 2**20  # bytes of a text: far more than any sensible one
MOST_PARSED = 8 * 2**20  # bytes of JSON or a table, whose smallest parts take a hundred times that
RATIO = 200  # times, to which text may be compressed; models and tables reach 20
DEEPEST = 50  # levels of JSON; ours has less than ten
MOST_FIELD = 2**16  # characters of a field of a table
KINDS = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket",
         stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}  # fmt: skip


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether this is a file, also for names that no file can have."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def check_may_be_entered(path: str | os.PathLike[str]) -> None:
    """Raise InputError where a file may be there, in a folder that may not be entered."""
    try:
        os.stat(path)
    except PermissionError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (OSError, ValueError):
        pass


def check_is_file(path: str | os.PathLike[str], what: str = "file") -> None:
    """Raise InputError unless a file is there, and is one that ends.

    what : that is wanted, in the message
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"cannot read {path}: no such file; check the name") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {str(path)[:200]!r}: {reason}") from None
    for is_kind, name in KINDS.items():
        if is_kind(mode):
            raise InputError(f"{path} is {name}, not a {what}: give the name of a file")


def read_bytes(path: str | os.PathLike[str], most: int, what: str = "file") -> bytes:
    """The contents of a file, unpacked where it is gzip or bzip2 (by its content).

    most : bytes, unpacked, beyond which it is refused
    """
    check_is_file(path, what)
    try:
        with open(path, "rb") as file, unpacked(file) as stream:
            size = os.fstat(file.fileno()).st_size
            most = min(most, RATIO * size + 2**16)
            too_large = stream is file and size > most
            held = b"" if too_large else stream.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is truncated or damaged ({error}); copy it again") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    if too_large or len(held) > most:
        raise InputError(f"{path} holds more than {most / 1e6:.2g} MB: that is no {what}")
    return held


@contextmanager
def unpacked(file: Any) -> Iterator[Any]:
    """The stream of bytes in an open file: as it is, or from gzip or bzip2."""
    magic = file.read(3)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=file) as stream:
            yield stream
    elif magic == b"BZh":
        with bz2.BZ2File(file) as stream:
            yield stream
    else:
        yield file


def read_text(path: str | os.PathLike[str], what: str = "text file", most: int = MOST_TEXT) -> str:
    """A text in UTF-8, of so many bytes at most.

    Raises InputError where it cannot be read, is too large, or is no such text.
    """
    held = read_bytes(path, most, what)
    try:
        return held.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "UTF-16" if held[:2] in (b"\xff\xfe", b"\xfe\xff") else f"byte {error.start + 1}"
        raise InputError(f"{path} is not text in UTF-8 ({kind}): save it as UTF-8") from None


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value that a JSON file holds.

    Raises InputError where the file cannot be read; ValueError, in one line, where it is no JSON,
    or says one thing twice.
    """
    text = read_text(path, "JSON file", MOST_PARSED)
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [value]
    for _ in range(DEEPEST):
        level = [item for held in level for item in _inside(held)]
    if level:  # Python reads deeper than whoever uses it may go
        raise ValueError("it is nested too deeply")
    return value


def _inside(value: Any) -> Iterable[Any]:
    """The values that a value of JSON holds."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"it has the key {twice!r:.80} twice")
    return found


def read_rows(path: str | os.PathLike[str], *columns: str) -> list[dict[str, str]]:
    """The rows of a tab-separated table whose first line names its columns.

    columns : that it must have;  fields that a short row lacks are empty

    Raises InputError where it cannot be read, or lacks a column.
    """
    text = read_text(path, "table", MOST_PARSED)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    before = csv.field_size_limit(MOST_FIELD)
    try:
        lines = [line for line in reader if any(field.strip() for field in line)]
    except csv.Error as error:
        raise InputError(f"{path} is no table: line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(before)
    names = lines[0] if lines else []
    missing = [name for name in columns if name not in names]
    if missing:
        found = ", ".join(names)[:200] or "none"
        raise InputError(
            f"the table {path} has no column {', '.join(missing)}: it needs"
            f" {' and '.join([', '.join(columns[:-1]), columns[-1]][len(columns) < 2 :])},"
            f" separated by tabs, and has {found}"
        )
    short = [fields + [""] * (len(names) - len(fields)) for fields in lines[1:]]
    return [dict(zip(names, fields)) for fields in short]


DAMAGED = (OSError, ValueError, KeyError, EOFError, TypeError, SyntaxError, RecursionError,
           NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
           tokenize.TokenError)  # fmt: skip


def read_arrays(path: str | os.PathLike[str], *names: str) -> dict[str, np.ndarray]:
    """Arrays of a .npz file, of numbers or text, by name.

    names : that it must hold; others are read, too

    Raises InputError where it is damaged, or promises more than it holds or memory can.
    """
    check_is_file(path, "packed set")
    try:
        with open(path, "rb") as file:
            arrays = read_packed(file, name=path)
    except DAMAGED as error:
        raise InputError(f"'{path}' is damaged ({_one_line(error)}): make it again") from None
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(f"'{path}' is damaged: it holds no {', '.join(missing)}; make it again")
    return arrays


def read_packed(file: Any, most: float = math.inf, name: Any = "it") -> dict[str, np.ndarray]:
    """Arrays of an open .npz file, by name.

    most : bytes, unpacked, beyond which it is refused;  name : of the file, for messages

    Raises one of DAMAGED where it is damaged, or promises more than it holds; InputError where it
    promises more than memory can hold.
    """
    with zipfile.ZipFile(file) as packed:
        entries = packed.infolist()
        promised = sum(entry.file_size for entry in entries)
        if promised > most:
            raise ValueError(f"it promises {promised} bytes")
        check_memory(promised, f"{name} promises arrays",
                     "it is damaged, or for a larger machine")  # fmt: skip
        arrays = {}
        for entry in entries:
            with packed.open(entry) as stream:
                held = _read_array(stream, entry.file_size)
            arrays[entry.filename.removesuffix(".npy")] = held
    return arrays


def read_array(path: str | os.PathLike[str]) -> np.ndarray:
    """The array of a .npy file. Raises InputError as `read_arrays` does."""
    check_is_file(path, "array")
    try:
        with open(path, "rb") as stream:
            return _read_array(stream, os.fstat(stream.fileno()).st_size)
    except DAMAGED as error:
        raise InputError(f"'{path}' is damaged ({_one_line(error)}): make it again") from None


def _read_array(stream: Any, size: int) -> np.ndarray:
    """An array in NumPy's format, of so many bytes with its header."""
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0,
                   (2, 0): np.lib.format.read_array_header_2_0}[version]  # fmt: skip
    try:
        with warnings.catch_warnings():  # of a header that is nearly Python, as old ones are
            warnings.simplefilter("ignore")
            shape, columns_first, dtype = read_header(stream)
    except MemoryError:  # what Python's parser says of brackets without end
        raise ValueError("a header that cannot be read") from None
    if dtype.kind not in "biufU" or dtype.itemsize == 0:
        raise ValueError(f"an array of {dtype}")
    count = 1
    for length in shape:
        count *= int(length)
    if min(shape, default=0) < 0 or count * dtype.itemsize > size:
        raise ValueError(f"an array of shape {shape} in {size} bytes")
    array = np.empty(count, dtype)
    buffer, filled = array.view(np.uint8).data, 0
    while filled < len(buffer):
        got = stream.readinto(buffer[filled : filled + 2**24])
        if not got:
            raise ValueError(f"{filled} bytes of {len(buffer)}")
        filled += got
    if dtype.kind == "U" and count and array.view(dtype.byteorder + "u4").max() > sys.maxunicode:
        raise ValueError("letters that there are not")
    return array.reshape(shape, order="F" if columns_first else "C")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
