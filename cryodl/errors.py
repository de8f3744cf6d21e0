"""Errors that a user can cause and mend.

Each message is one line: what was received, and what to do about it. The command line prints it
after ``cryodl:`` and exits with code 2; anything else that is raised is a bug.
"""

from unicodedata import category

LONGEST = 1200  # characters of a message: paths have their room, contents of files have not


def one_line(message: object) -> str:
    """A message as one line that a terminal shows and does not obey."""
    text = " ".join(str(message).split())
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 400]} ... {text[-395:]}"
    return "".join(
        letter.encode("unicode_escape").decode() if category(letter) == "Cc" else letter
        for letter in text
    )


def counted(count: int, thing: str) -> str:
    """A number of things.

    >>> counted(1, "voxel"), counted(0, "voxel")
    ('1 voxel', '0 voxels')
    """
    return f"{count} {thing}{'s' * (count != 1)}"


class CryodlError(Exception):
    """Base of all errors that a user can mend."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))  # whatever a library told us, or a file held


# What libraries say where a system gives them no memory or no thread.
SHORTAGES = ("bad_alloc", "failed to allocate", "cannot allocate memory", "out of memory",
             "failed to map segment", "unable to allocate", "cannot create thread",
             "can't start new thread", "resource temporarily unavailable", "resource exhausted",
             "resourceexhausted")  # fmt: skip


def is_shortage(error: BaseException) -> bool:
    """Whether an error of whatever library says that memory or threads ran out."""
    if isinstance(error, CryodlError):
        return False
    words = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or any(said in words for said in SHORTAGES)


class InputError(CryodlError):
    """A map, mask, model or value that cannot be used."""


class OutputError(CryodlError):
    """A result that cannot be written, or that would replace an existing file."""


class BundleError(CryodlError):
    """A network bundle that is unknown, damaged or of a newer format."""


class SettingError(CryodlError):
    """An option, or a combination of options, that makes no sense."""


class BundleWarning(UserWarning):
    """A network bundle that is used although it cannot prove itself, in one sentence."""
