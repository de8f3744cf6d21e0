"""Atomic output: results that are there whole or not at all, and replace only earlier results."""

from __future__ import annotations

import errno
import logging
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cryodl.errors import OutputError
from cryodl.files.places import check_output, exchange, part_of, resolved
from cryodl.files.record import files_of, own_files

log = logging.getLogger("cryodl")
finished: list[str] = []  # what this process has put in place, for who is interrupted then

_begun: set[str] = set()  # names of the parts that this process works on
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}


@contextmanager
def whole_folder(
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False, clear: bool = True, read: Sequence[str | os.PathLike[str]] = (),
    writes: Sequence[str] = (),
) -> Iterator[Path]:  # fmt: skip
    """A folder to write into, which becomes `folder` when the block ends well.

    Where the block fails nothing is left of it. A folder that exists is exchanged at once for one
    with the new files and with what else it held: files that are as an earlier run left them (see
    `record`) are replaced, all others stay; those whose names are needed go to NAME.kept. Where
    another run was quicker, the results stay under another name.

    clear : have what an earlier run wrote, and this one has not, go, too
    read : files, and folders of results, that are not written over
    writes : files and folders that there will be, as far as that is known now

    Raises
    ------
    OutputError : the folder has contents and may not be overwritten, or cannot be written
    """
    given, final = Path(folder), resolved(folder)
    made: list[Path] = []
    try:
        remove_abandoned(final)
        check_output(given, overwrite)
        _refuse_to_replace({final / name for name in writes}, read)
        for parent in reversed(final.parents):
            if not parent.exists():
                parent.mkdir()
                made.append(parent)
        inside = _is_empty(final) or not _can_be_renamed(final)
        work = _own_part(part_of(final, inside=inside))
        work.mkdir()
    except OSError as error:
        _remove_empty(made)
        raise cannot_write(given, error) from None
    except OutputError:
        _remove_empty(made)
        raise
    try:
        yield work
        made_now = (path.relative_to(work) for path in work.rglob("*") if not path.is_dir())
        _refuse_to_replace({final / path for path in made_now}, read)
        _place(work, final, given, overwrite, clear)
        made = []
    except BrokenPipeError:  # of what listens to the progress
        raise
    except OutputError as error:  # of a file in the folder, as the user knows it
        raise OutputError(str(error).replace(str(work), str(given))) from None
    except OSError as error:
        raise cannot_write(given, error) from None
    finally:
        _begun.discard(work.name)
        shutil.rmtree(work, ignore_errors=True)
        _remove_empty(made)


def _refuse_to_replace(written: set[Path], read: Sequence[str | os.PathLike[str]]) -> None:
    """Raise OutputError where a new file would take the place of one that is read, or may: in a new
    folder."""
    for given in read:
        place = resolved(given)
        place = place / "resolution.mrc" if os.path.isdir(place) else place
        if not written.isdisjoint((place, *place.parents)):
            raise OutputError(f"{given} is what is read: give another folder for what is written")


@contextmanager
def whole_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """A file to write, which becomes `path` when the block ends well; else nothing is left of it.
    Where that is a link, its target is written.

    Raises OutputError where there is such a file meanwhile; what was written stays under another
    name then. Errors of the system go through.
    """
    path, final = Path(path), resolved(path)
    remove_abandoned(final)
    part = _own_part(part_of(final))
    try:
        yield part
        _place_file(part, final, overwrite)
        if not any(parent.name in _begun for parent in path.parents):
            finished.append(str(path))
    finally:
        _begun.discard(part.name)
        part.unlink(missing_ok=True)


def _place_file(part: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(part, path)
        return
    try:
        os.link(part, path)  # which, unlike renaming, never replaces
    except FileExistsError:
        raise OutputError(f"{path} was written by another run meanwhile: this one's result is in "
                          f"{_keep(part, path)}") from None  # fmt: skip
    except OSError:  # a file system without links
        os.rename(part, path)


def _own_part(path: Path) -> Path:
    """This name, or one like it where another thread of this process works on such a one."""
    number, own = 1, path
    while own.name in _begun:
        number += 1
        own = path.with_name(f"{path.name.rpartition('.part')[0]}.{number}.part")
    _begun.add(own.name)
    return own


def remove_abandoned(final: Path) -> None:
    """Remove what runs on this machine had begun and were killed in, as Scipion stops them.

    A folder that was about to be replaced comes back where the new one has not taken its place.
    """
    begun = f".{final.name}.{platform.node()}."
    for place in (final.parent, final):
        for path in _entries(place, begun):
            number, _, kind = path.name[len(begun) :].partition(".")
            kind = kind.rpartition(".")[2]
            if not number.isdigit() or _in_use(path, number):
                continue
            if kind == "before" and not os.path.lexists(final):
                os.rename(path, final)
            elif kind in ("part", "before"):
                _remove(path)


def cannot_write(output: Path, error: OSError) -> OutputError:
    """The error in words: of the file that it is about, where that is not of the output."""
    reason = error.strerror or str(error)
    name = error.filename2 or error.filename
    if isinstance(name, (str, bytes)) and not _is_of(Path(os.fsdecode(name)), output):
        return OutputError(f"cannot write to {output}: {os.fsdecode(name)}: {reason}")
    return OutputError(f"cannot write to {output}: {reason}")


def _is_of(path: Path, output: Path) -> bool:
    """Whether a path is that of an output, of what becomes it, or of a folder around it."""
    place, final = Path(os.path.realpath(path)), Path(os.path.realpath(output))
    begun = f".{final.name}.{platform.node()}."
    lies_in = (place, *place.parents)
    return (
        place in final.parents or final in lies_in or any(p.name.startswith(begun) for p in lies_in)
    )


def _place(work: Path, final: Path, given: Path, overwrite: bool, clear: bool) -> None:
    """Have what was written become the folder; whatever prevents that, it is not lost."""
    try:
        if work.parent == final and _can_be_renamed(final):
            work = work.rename(final.with_name(work.name))
        if not _replace(work, final, overwrite, clear):
            raise OutputError(f"{given} was written by another run meanwhile: this one's result is "
                              f"in {_keep(work, final)}")  # fmt: skip
        finished.append(str(given))
    except OSError as error:
        kept = _keep(work, final)
        raise OutputError(f"{cannot_write(given, error)}; the results are in {kept}") from None


def _replace(work: Path, final: Path, overwrite: bool, clear: bool) -> bool:
    """False where another run was quicker."""
    others = [path for path in final.iterdir() if path != work] if final.is_dir() else []
    written = set(files_of(work))
    if work.parent == final or _stands_in(final) or any(_is_part(path) for path in others):
        if others and not overwrite:
            return False
        _fill(work, final, written, clear)
    elif not _take_free_place(work, final):
        if not overwrite:
            return False
        _exchange(work, final, written, clear)
    return True


def _take_free_place(work: Path, final: Path) -> bool:
    """Rename a folder to one that is not there, or is empty; False where that holds anything."""
    if final.is_dir():
        shutil.copymode(final, work)
    try:
        os.rename(work, final)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    return True


def _exchange(work: Path, final: Path, written: set[str], clear: bool) -> None:
    """Have a folder change places with a new one that holds, too, what is to stay of it."""
    own = own_files(final)
    drop = own if clear else own & written
    kept = _free(work / "kept", final / "kept")
    try:
        _share(final, work, kept, {final / name for name in drop})
    except (OSError, NotImplementedError):  # a file system without links
        _fill(work, final, written, clear)
        return
    exchange(work, final, before=work.with_suffix(".before"))
    try:  # what came between; the old folder has the new one's place now
        _share(work, final, final / kept.name, {work / name for name in drop})
        shutil.rmtree(work, ignore_errors=True)
    except OSError:
        os.rename(work, _free(final.with_name(f"{final.name}.kept")))
    _set_aside(final / kept.name, final)


def _share(old: Path, new: Path, kept: Path, drop: set[Path]) -> None:
    """Give a new folder what an old one holds, but for what is dropped; then both hold it.

    kept : folder for what has a name that the new one needs
    """
    for entry in sorted(old.iterdir()):
        place = new / entry.name
        if entry in drop or _same(entry, place):
            continue
        is_folder = _is_folder(entry)
        if os.path.lexists(place) and not (is_folder and _is_folder(place)):
            place = kept / entry.name
        if not is_folder:
            if not _same(entry, place):
                place.parent.mkdir(parents=True, exist_ok=True)
                os.link(entry, place, follow_symlinks=False)
            continue
        if not place.exists():
            place.mkdir(parents=True)
            shutil.copystat(entry, place)
        _share(entry, place, kept / entry.name, drop)
        if any(entry.iterdir()):
            with suppress(OSError):
                place.rmdir()  # of a run's files alone


def _fill(work: Path, final: Path, written: set[str], clear: bool) -> None:
    """Move results into a folder that has to stay the same one; their record comes last."""
    own, kept = own_files(final), _free(final / "kept")
    for name in sorted(written - own):
        if os.path.lexists(final / name):
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            os.rename(final / name, kept / name)
    for name in own if clear else own & written:
        (final / name).unlink()
    for name in sorted(written, key=lambda name: (name.endswith(".json"), name)):
        (final / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(work / name, final / name)
    _set_aside(kept, final)


def _set_aside(kept: Path, final: Path) -> None:
    """Have what stood in the way of results lie beside their folder, where that can be."""
    if kept.is_dir():
        names = ", ".join(sorted(files_of(kept)))
        with suppress(OSError):
            kept = kept.rename(_free(final.with_name(f"{final.name}.kept")))
        log.warning("warning: not as a run of cryodl left it, so kept in %s: %s", kept, names)


def _keep(part: Path, final: Path) -> Path:
    """Give results that cannot have their name the next free one like it."""
    folder = final if part.parent == final else final.parent
    kept = _free(folder / final.name)
    os.rename(part, kept)
    return kept


def _free(*places: Path) -> Path:
    """The first of some places, numbered where something has the name of any of them."""
    number, found = 1, places
    while any(os.path.lexists(place) for place in found):
        number += 1
        found = tuple(place.with_name(f"{place.stem}-{number}{place.suffix}") for place in places)
    return found[0]


def _can_be_renamed(folder: Path) -> bool:
    is_there = folder.is_dir()
    return not is_there or not os.path.ismount(folder) and os.access(folder.parent, os.W_OK)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _is_part(path: Path) -> bool:
    """Whether another run works in this folder."""
    return path.name.startswith(".") and path.name.endswith(".part") and path.is_dir()


def _stands_in(folder: Path) -> bool:
    """Whether this process, and so the shell that began it, would be left in a folder gone."""
    try:
        here = Path(os.getcwd())
    except OSError:
        return False
    return folder in (here, *here.parents)


def _entries(folder: Path, begin: str) -> list[Path]:
    """What a folder holds under names that begin so; nothing where it cannot be read."""
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if name.startswith(begin)]
    except OSError:
        return []


def _same(first: Path, second: Path) -> bool:
    return os.path.lexists(second) and os.path.samestat(first.lstat(), second.lstat())


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _in_use(path: Path, number: str) -> bool:
    """Whether the process of this number works on a part still."""
    if int(number) == os.getpid():  # or one before it that had its number, as in containers
        return path.name in _begun
    if os.name != "posix":  # where the question would end it
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        pass
    return True


def _remove_empty(folders: list[Path]) -> None:
    for folder in reversed(folders):
        try:
            folder.rmdir()
        except OSError:
            return
