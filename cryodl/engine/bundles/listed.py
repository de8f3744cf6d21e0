"""The files that a bundle computes with: listed with their checksums, and checked before use."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import BundleError, InputError
from ..files import check_is_file
from ..record import KEY, file_sha256, own_sum
from .registry import SHIPPED
from .spec import LIGHT, SPEC_FILE, WEIGHTS_FILE

MOST = 2**30  # bytes of a file; larger ones would be hashed for long, to learn that they are none
COMPUTE = (".h5", ".xml", ".bin", ".npz")  # endings of files that something may be computed with


def listed_files(spec: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 by the path from a bundle's folder; of earlier bundles those that there are."""
    return {**_once(spec), **spec.get(KEY, {})}


def check_listed(folder: Path, spec: Mapping[str, Any], name: str) -> Path:
    """The path of a file that a bundle lists, after its checksum was compared.

    name : path from the bundle's folder

    Raises
    ------
    BundleError : not listed, missing, or not as it was listed
    """
    path, expected = _expected(folder, spec, name)
    try:
        found = file_sha256(path)
    except OSError as error:
        raise _unreadable(path, folder, error) from None
    _compare(path, folder, found, expected)
    return path


def read_listed(folder: Path, spec: Mapping[str, Any], name: str) -> bytes:
    """The bytes of a file, checked as `check_listed` does: what is used is what was checked."""
    path, expected = _expected(folder, spec, name)
    try:
        held = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, folder, error) from None
    _compare(path, folder, hashlib.sha256(held).hexdigest(), expected)
    return held


def not_listed(folder: Path, spec: Mapping[str, Any]) -> list[str]:
    """Files that look as if something were computed with them, but that the spec does not list."""
    listed = listed_files(spec)
    near = [*folder.glob("*"), *(folder / LIGHT).glob("*")]
    names = [path.relative_to(folder).as_posix() for path in near if path.suffix in COMPUTE]
    return sorted(name for name in names if name not in listed)


def check_lists(folder: Path, spec: Mapping[str, Any]) -> None:
    """Raise BundleError where a spec lists a file with two checksums, or one out of its folder, or
    is itself not as it was written, which bundles of earlier versions do not tell."""
    sums = spec.get(KEY, {})
    for name, value in {**_once(spec), **sums}.items():
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\0" in name:
            raise BundleError(
                f"{folder / SPEC_FILE} lists {name[:60]!r}, which is no file of the bundle:"
                f" {remedy(folder)}"
            )
        if KEY in spec and _once(spec).get(name, value) != sums.get(name):
            raise BundleError(
                f"{folder / SPEC_FILE}: checksum of {name} is not the same in all its entries"
                f" ({WEIGHTS_FILE if name == WEIGHTS_FILE else LIGHT}, {KEY}): {remedy(folder)}"
            )
    expected = spec.get(KEY, {}).get(SPEC_FILE)
    if expected is not None and own_sum(spec, SPEC_FILE) != expected:
        raise BundleError(
            f"{folder / SPEC_FILE} was changed after it was written, its own checksum says:"
            f" {remedy(folder)}"
        )


def remedy(folder: Path) -> str:
    """What to do about a damaged bundle."""
    if folder.parent == SHIPPED:
        return "reinstall with 'pip install --force-reinstall scipion-em-cryodl'"
    return "copy or train the bundle again"


def _once(spec: Mapping[str, Any]) -> dict[str, str]:
    """What the entries say that bundles have had from the first version on."""
    light = {f"{LIGHT}/{name}": value for name, value in spec.get(LIGHT, {}).items()}
    return {WEIGHTS_FILE: spec["weights_sha256"], **light}


def _expected(folder: Path, spec: Mapping[str, Any], name: str) -> tuple[Path, str]:
    path, expected = folder / name, listed_files(spec).get(name)
    if expected is None:
        raise BundleError(
            f"{path} is not listed with its checksum in {SPEC_FILE}, so it is not used:"
            f" {remedy(folder)}"
        )
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        said = f"{path} is missing, and {SPEC_FILE} lists it"
        raise BundleError(f"{said}: {remedy(folder)}") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, folder, error) from None
    try:
        check_is_file(path, "file of a bundle")
    except InputError as error:
        raise BundleError(f"{error}: {remedy(folder)}") from None
    if size > MOST:
        raise BundleError(
            f"{path} holds {size / 1e9:.3g} GB, and no file of a bundle more than"
            f" {MOST / 1e9:.3g} GB: {remedy(folder)}"
        )
    return path, expected


def _compare(path: Path, folder: Path, found: str, expected: str) -> None:
    if found != expected:
        raise BundleError(
            f"checksum of {path} is {found[:12]}..., {SPEC_FILE} says {expected[:12]}...:"
            f" the file is damaged, {remedy(folder)}"
        )


def _unreadable(path: Path, folder: Path, error: OSError | ValueError) -> BundleError:
    reason = getattr(error, "strerror", None) or error
    return BundleError(f"cannot read {str(path)[:300]}: {reason}: {remedy(folder)}")
