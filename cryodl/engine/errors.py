"""Errors that a user can cause and mend.

Each message is one line: what was received, and what to do about it. The command line prints it
after ``cryodl:`` and exits with code 2; anything else that is raised is a bug.
"""


class CryodlError(Exception):
    """Base of all errors that a user can mend."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))  # one line, whatever a library told us


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
