"""How much memory a run may still take, asked before it is taken.

What lies in a header or a table is believed only as far as the machine can follow: an array is
allocated when it fits into the memory that is free, and refused in one line when it does not.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryodl.errors import InputError, SettingError

VARIABLE = "CRYODL_MEMORY"  # GB that a run may take at most, where the user sets it
CGROUP = Path("/sys/fs/cgroup")
# Bytes of address space, more than of memory, since every thread reserves some: that the libraries
# of all commands take; that one for networks takes, and with it a map of 100³ voxels; or Keras with
# TensorFlow.
START, NETWORK, KERAS = 0.35e9, 1.2e9, 2.0e9


def free_memory() -> float:
    """Bytes that this process may still take: of the machine, its queue's limit, its own limits and
    CRYODL_MEMORY the least; infinite where none of them can be known."""
    left = [_free_of_machine(), _free_of_group(), address_space()]
    asked = os.environ.get(VARIABLE, "")
    try:
        left.append(float(asked) * 1e9 - resident_memory())
    except ValueError:  # not set, or no number
        pass
    return max(0.0, min(left))


def check_memory(needed: float, what: str, remedy: str) -> None:
    """Raise InputError where `needed` bytes are not free.

    what, remedy : words of the message, such as "map.mrc holds 9 x 9 x 9 voxels" and "crop it"
    """
    free = free_memory()
    if needed > free:
        raise InputError(
            f"{what}, which need {needed / 1e9:.3g} GB of memory where {free / 1e9:.3g} GB are"
            f" free{_under_limits()}: {remedy}"
        )


def check_start_memory() -> bool:
    """Whether there is a limit on the address space.

    Raise SettingError where it leaves no room for the libraries that every command loads; some of
    them end the process where they are refused memory.
    """
    _check_address_space(START, "its libraries need")
    return address_space() < float("inf")


def check_network_memory(keras: bool = False) -> None:
    """Raise SettingError where a limit on the address space would stop a library for networks.

    keras : whether it is one of Keras's, which take more

    Some of them try again for ever when they are refused memory, deaf to all signals.
    """
    _check_address_space(KERAS if keras else NETWORK, "networks need")


def _check_address_space(needed: float, who: str) -> None:
    left = address_space()
    if left < needed:
        raise SettingError(
            f"not enough memory: this process may take {max(left, 0) / 1e9:.2g} GB more of address"
            f" space, and {who} {needed / 1e9:.2g} GB: raise the limit (ulimit -v, or the queue's)"
        )


def _under_limits() -> str:
    limits = limits_in_words() if address_space() < float("inf") else ""
    return f" ({limits})" if limits else ""


def limits_in_words() -> str:
    """The limits that a user or a queue has set on this process, such as "ulimit -v 1.2 GB"."""
    try:
        import resource
    except ImportError:  # not on Windows
        return ""
    said = []
    for name, unit, letter in (("RLIMIT_AS", 1e9, "v"), ("RLIMIT_DATA", 1e9, "d"),
                               ("RLIMIT_NPROC", 1, "u")):  # fmt: skip
        limit = resource.getrlimit(getattr(resource, name))[0] if hasattr(resource, name) else -1
        # systems set one on threads that no one meets
        if limit not in (-1, resource.RLIM_INFINITY) and not (letter == "u" and limit > 4096):
            amount = f"{limit / unit:.3g} GB" if unit > 1 else f"{limit}"
            said.append(f"ulimit -{letter} {amount}")
    if os.environ.get(VARIABLE):
        said.append(f"{VARIABLE} {os.environ[VARIABLE]}")
    return ", ".join(said)


def address_space() -> float:
    """Bytes that a limit on the address space (ulimit -v) leaves to this process."""
    try:
        import resource
    except ImportError:  # not on Windows
        return float("inf")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return float("inf") if limit == resource.RLIM_INFINITY else limit - _status("VmSize")


def resident_memory() -> float:
    """Bytes of memory that this process holds; 0 where that cannot be known."""
    return _status("VmRSS")


def _status(name: str) -> float:
    """A size in bytes from what Linux says of this process; 0 elsewhere."""
    return _number(Path("/proc/self/status"), name, 0.0)


def _free_of_machine() -> float:
    return _number(Path("/proc/meminfo"), "MemAvailable", float("inf"))


def _free_of_group() -> float:
    """What the group of processes (a container, a job of a queue) may still take."""
    try:
        limit = (CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
        # files that were read are given back when memory is needed
        kept = _number(CGROUP / "memory.stat", "inactive_file", 0.0, unit=1)
        return float("inf") if limit == "max" else int(limit) - used + kept
    except (OSError, ValueError):
        return float("inf")


def _number(path: Path, name: str, otherwise: float, unit: int = 1024) -> float:
    try:
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            words = line.replace(":", " ").split()
            if words and words[0] == name:
                return float(words[1]) * unit
    except (OSError, ValueError, IndexError):
        pass
    return otherwise
