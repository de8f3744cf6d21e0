"""Two folders change places at once, where the system can do that."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

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
