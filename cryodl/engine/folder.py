"""A folder of results that is there whole or not at all."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError


def check_output(folder: Path, overwrite: bool) -> None:
    """Raise OutputError where a folder cannot take the results."""
    if folder.is_dir():
        if any(folder.iterdir()) and not overwrite:
            raise OutputError(f"{folder} is not empty: give another folder, or --overwrite")
    elif folder.exists() or folder.is_symlink():
        raise OutputError(f"{folder} exists and is not a folder: give another name")


def check_file(path: str | os.PathLike[str], overwrite: bool, *inputs: object) -> None:
    """Raise OutputError where a file cannot be written, before anything is computed for it.

    inputs : what is read for it; paths among them must not be written over
    """
    file = Path(path)
    if file.is_dir():
        raise OutputError(f"{file} is a folder: give the name of a file")
    if not file.parent.is_dir():
        raise OutputError(f"folder {file.parent} does not exist: make it first")
    for given in inputs:
        if isinstance(given, (str, os.PathLike)) and file.resolve() == Path(given).resolve():
            raise OutputError(f"{file} is what is read: give another name for what is written")
    if file.exists() and not overwrite:
        raise OutputError(f"{file} exists: give another name, or --overwrite")


@contextmanager
def whole_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` when the block ends well.

    Where the block fails nothing is left of it. A folder that exists keeps what else it holds: only
    files of the same names are replaced, each at once.

    Raises
    ------
    OutputError : the folder has contents and may not be overwritten, or cannot be written
    """
    final = Path(folder)
    made: list[Path] = []
    try:
        check_output(final, overwrite)
        for parent in reversed(final.absolute().parents):
            if not parent.exists():
                parent.mkdir()
                made.append(parent)
        # Inside a folder that exists, since its parent may be another file system.
        name = f".{final.name}.{platform.node()}.{os.getpid()}.part"
        work = final / name if final.is_dir() else final.absolute().with_name(name)
        _remove_abandoned(work)
        work.mkdir()
    except OSError as error:
        _remove_empty(made)
        raise OutputError(f"cannot write to {final}: {error.strerror}") from None
    except OutputError:
        _remove_empty(made)
        raise
    try:
        yield work
        if final.is_dir():
            for file in sorted(work.iterdir()):
                os.replace(file, final / file.name)
        else:
            os.replace(work, final)
        made = []
    except OSError as error:
        raise OutputError(f"cannot write to {final}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
        _remove_empty(made)


def _remove_abandoned(work: Path) -> None:
    """Remove what runs on this machine had begun here and were killed in, as Scipion stops them."""
    begun = work.name[: -len(f"{os.getpid()}.part")]
    for path in work.parent.iterdir():
        number = path.name[len(begun) : -len(".part")]
        is_part = path.name.startswith(begun) and path.name.endswith(".part")
        if is_part and number.isdigit() and not _runs(int(number)):
            shutil.rmtree(path, ignore_errors=True)


def _runs(process: int) -> bool:
    if os.name != "posix":  # where the question would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True


def _remove_empty(folders: list[Path]) -> None:
    for folder in reversed(folders):
        try:
            folder.rmdir()
        except OSError:
            return
