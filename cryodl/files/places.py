"""Places to write to: looked at before anything is computed for them; two that change places."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from pathlib import Path

from cryodl.errors import OutputError


def resolved(path: str | os.PathLike[str]) -> Path:
    """Where a path leads, as far as its links do: one of links in a circle ends there.

    Raises OutputError where nothing can have the name.
    """
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:  # a null byte, or letters that no name holds
        raise OutputError(f"no file can be named {str(path)!r}: {error}: give another") from None


def check_output(folder: Path, overwrite: bool) -> None:
    """Raise OutputError where a folder cannot take the results."""
    _check_name(folder)
    if os.path.isdir(folder):
        try:
            held = os.listdir(folder)
        except OSError as error:
            raise OutputError(f"cannot write to {folder}: {error.strerror}: give another") from None
        if held and not overwrite:
            raise OutputError(f"{folder} is not empty: give another folder, or overwrite=True")
    elif os.path.lexists(folder):
        raise OutputError(f"{folder} exists and is not a folder: give another name")


def check_file(path: str | os.PathLike[str], overwrite: bool, *inputs: object) -> None:
    """Raise OutputError where a file cannot be written, before anything is computed for it.

    inputs : what is read for it; paths among them must not be written over
    """
    file = Path(path)
    _check_name(file)
    if os.path.isdir(file) or os.fspath(path).endswith(("/", os.sep)):
        raise OutputError(f"{os.fspath(path)} is a folder: give the name of a file")
    check_link(file)
    for folder in (file.parent, resolved(file).parent):
        if not os.path.isdir(folder):
            raise OutputError(f"folder {folder} does not exist: make it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"folder {folder} may not be written to: give another")
    if file.exists() and not file.is_file():
        raise OutputError(f"{file} is a pipe or a device: give the name of a file")
    for given in inputs:
        if isinstance(given, (str, os.PathLike)) and resolved(file) == resolved(given):
            raise OutputError(f"{file} is what is read: give another name for what is written")
    if file.exists() and not overwrite:
        raise OutputError(f"{file} exists: give another name, or overwrite=True")


def check_link(file: Path) -> None:
    """Raise OutputError where a file to write is a link to nothing."""
    if os.path.islink(file) and not os.path.exists(file):
        raise OutputError(
            f"{file} is a link to {os.readlink(file)}, which is not there: remove the link, or "
            "give another name"
        )


def part_of(final: Path, *, inside: bool = False) -> Path:
    """Where what will be `final` is written: hidden, beside it or inside it."""
    name = f".{final.name}.{platform.node()}.{os.getpid()}.part"
    return final / name if inside else final.with_name(name)


def _check_name(path: Path) -> None:
    """Raise OutputError where nothing can have the name, or that which it has while written."""
    for place in (path, part_of(path)) if path.name else (path,):
        try:
            place.lstat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            pass
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"cannot write to {path}: {reason}: give another name") from None


_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux: <fcntl.h>, <linux/fs.h>
_NOT_HERE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}


def exchange(new: Path, final: Path, *, before: Path) -> None:
    """Give `new` and `final` each other's names.

    before : name that `final` has for a moment where the file system knows no exchange; whoever is
        killed then leaves it under that
    """
    if _at_once(new, final):
        return
    os.rename(final, before)
    try:
        os.rename(new, final)
    except OSError:
        os.rename(before, final)
        raise
    os.rename(before, new)


def _at_once(first: Path, second: Path) -> bool:
    """Exchange by one call of the system; False where there is no such call."""
    if not sys.platform.startswith("linux"):
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    paths = os.fsencode(first), os.fsencode(second)
    if call(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_HERE:
        return False
    raise OSError(number, os.strerror(number), str(second))
