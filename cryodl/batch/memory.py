"""Memory of a machine, shared out among the rows that are judged on it at a time."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryodl.compute.memory import free_memory

PAUSE = 0.2  # seconds between two looks


class Share:
    """What this process may take of the machine's memory, agreed upon with all that share a name.

    A process waits for its share until those of the others leave room; where no other has any it
    takes as much as it wants. What a process held that is gone is free again.

    name : of those that share, the same in each
    total : bytes that are shared out; by default what is free when the first of them asks
    """

    def __init__(self, name: str, total: float | None = None) -> None:
        self._path = Path(tempfile.gettempdir()) / f"cryodl-{os.getuid()}-{name}.json"
        self._total = total

    def take(self, wanted: float, tell: Callable[[str], object] = print) -> None:
        """Have so many bytes, and no others any more; wait until there is room for them."""
        waited = False
        while not self._try(wanted):
            if not waited:
                tell(f"waiting for {wanted / 1e9:.1f} GB of memory")
            waited = True
            time.sleep(PAUSE)

    def give_back(self) -> None:
        self._try(0)

    def _try(self, wanted: float) -> bool:
        with self._table() as held:
            held.pop(str(os.getpid()), None)
            total = held.setdefault("total", self._total or min(free_memory(), 1e15))
            others = sum(size for pid, size in held.items() if pid != "total")
            if wanted and others and others + wanted > total:
                return False
            if wanted:
                held[str(os.getpid())] = wanted
            return True

    @contextmanager
    def _table(self) -> Iterator[dict[str, float]]:
        """Bytes by process, of those that live; nobody else reads or writes them meanwhile."""
        with os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                held = json.loads(file.read() or "{}")
            except ValueError:  # its writer was killed
                held = {}
            held = {k: size for k, size in held.items() if k == "total" or _lives(int(k))}
            yield held
            file.seek(0)
            file.truncate()
            file.write(json.dumps(held) if len(held) > 1 else "")


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
