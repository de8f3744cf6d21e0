"""Where bundles are found: those shipped with the package, by name, and any folder, by path."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import BundleError
from .spec import SPEC_FILE

SHIPPED = Path(__file__).resolve().parents[2] / "weights"


def list_bundles() -> list[str]:
    """Names of the bundles shipped with the package."""
    if not SHIPPED.is_dir():
        return []
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{SPEC_FILE}"))


def find_bundle(name_or_path: str | Path) -> Path:
    """The folder of a shipped bundle's name, or of a path.

    Raises
    ------
    BundleError : neither a known name nor a folder
    """
    name = str(name_or_path)
    if name in list_bundles():
        return SHIPPED / name
    try:
        path = Path(name_or_path).expanduser()
        if name and os.path.isdir(path):
            return path
    except RuntimeError:  # "~" of somebody who is not known here
        pass
    known = ", ".join(list_bundles()) or "none is installed"
    raise BundleError(
        f"unknown bundle {name[:300]!r}: give a bundle's folder or one of the shipped names"
        f" ({known})"
    )
