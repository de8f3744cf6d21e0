"""spec.json: what a bundle's weights are, what they expect and where they come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryodl.errors import BundleError, InputError
from cryodl.files.reading import read_json
from cryodl.files.record import KEY, write_json
from cryodl.networks.architectures import (
    CHECKSUM,
    CHECKSUMS,
    OBJECT,
    REMEDY,
    TEXT,
    Table,
    check_network,
    check_values,
    not_finite,
    number,
    optional,
    shown,
)

FORMAT = 1
SPEC_FILE = "spec.json"
WEIGHTS_FILE = "model.weights.h5"  # where nothing else holds the weights
TABLE_FILE = "weights.json"  # says where OpenVINO's files hold them
CARD_FILE = "MODEL_CARD.md"
OPENVINO = "light"  # folder with the same network in OpenVINO's format, and the spec's entry for it

# Without these a bundle cannot be used or must not be passed on; a method asks for more (its
# config.py).
REQUIRED: Table = {
    "name": TEXT,
    "method": TEXT,
    "network": OBJECT,  # config of networks.build
    "network.architecture": TEXT,
    "voxel_size": number(0.1, 20),  # Å, of the grid the network was trained on
    "normalisation": OBJECT,
    "normalisation.name": TEXT,
    "normalisation.parameters": optional(OBJECT),
    "training": OBJECT,  # data, seed, machine, seconds
    "metrics": OBJECT,
    "licence": TEXT,
    "citation": TEXT,
}
SUMS: Table = {
    "weights_sha256": CHECKSUM,
    OPENVINO: optional(CHECKSUMS),  # in bundles of earlier versions the only list of these files
    KEY: optional(CHECKSUMS),
}


def read_spec(folder: Path) -> Mapping[str, Any]:
    """Read and check a bundle's spec.json.

    Raises
    ------
    BundleError : file missing, not JSON, unknown format version, entries missing or of a wrong kind
    """
    path = Path(folder) / SPEC_FILE
    if os.path.isdir(folder) and not os.access(folder, os.X_OK):
        raise BundleError(f"bundle {folder} may not be read: change its mode, or give another")
    if not os.path.lexists(path):
        raise BundleError(
            f"bundle {folder} has no {SPEC_FILE}: give a folder written by 'cryodl train'"
        )
    try:
        spec = read_json(path)
    except InputError as error:
        raise BundleError(str(error)) from None
    except ValueError as error:
        raise BundleError(f"{path} cannot be read as JSON ({error}): {REMEDY}") from None
    check_spec(spec, path)
    check_values(spec, SUMS, path)
    return freeze(spec)


def check_spec(spec: Any, origin: Path | str = "the bundle's spec") -> None:
    """Raise BundleError unless `spec` is of a known format and complete."""
    if not isinstance(spec, Mapping):
        raise BundleError(f"{origin} must hold a JSON object, not {type(spec).__name__}")
    if spec.get("format") != FORMAT or isinstance(spec["format"], bool):
        raise BundleError(
            f"{origin} has format version {shown(spec.get('format'))}, this cryodl reads {FORMAT}: "
            "update cryodl, or train the bundle again"
        )
    odd = not_finite(spec)
    if odd is not None:
        raise BundleError(f"{origin}: {odd} is NaN or infinite, expected a number: {REMEDY}")
    check_values(spec, REQUIRED, origin)
    check_network(spec["network"], origin)


def weights_file(spec: Mapping[str, Any]) -> str:
    """The file that `weights_sha256` is of: of the weights, or of the table that leads to them."""
    return TABLE_FILE if TABLE_FILE in spec.get(KEY, {}) else WEIGHTS_FILE


def write_spec(folder: Path, spec: Mapping[str, Any]) -> None:
    """Write spec.json into a folder that no one reads yet."""
    write_json(Path(folder) / SPEC_FILE, thaw(spec), indent=2, allow_nan=False)


def freeze(value: Any) -> Any:
    """The same data, read-only."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: freeze(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    return value


def thaw(value: Any) -> Any:
    """The same data as plain dicts, lists and numbers that JSON can write."""
    if isinstance(value, Mapping):
        return {str(key): thaw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy arrays and scalars
        return value.tolist()
    return value


SHIPPED = Path(__file__).resolve().parents[1] / "weights"


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
