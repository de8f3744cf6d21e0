"""spec.json: what a bundle's weights are, what they expect and where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import BundleError
from ..record import write_json

FORMAT = 1
SPEC_FILE = "spec.json"
WEIGHTS_FILE = "model.weights.h5"
LIGHT = "light"  # folder with the same network in OpenVINO's format, and the spec's entry for it

# Without these a bundle cannot be used or must not be passed on; a method asks for more (its
# config.py).
REQUIRED = (
    "name",
    "method",
    "network",  # config of networks.build, with "architecture"
    "voxel_size",  # Å, of the grid the network was trained on
    "normalisation",  # {"name": ..., "parameters": {...}}
    "training",  # data, seed, machine, seconds
    "metrics",
    "licence",
    "citation",
)


def read_spec(folder: Path) -> Mapping[str, Any]:
    """Read and check a bundle's spec.json.

    Raises
    ------
    BundleError : file missing, not JSON, unknown format version, or entries missing
    """
    path = Path(folder) / SPEC_FILE
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(
            f"bundle {folder} has no {SPEC_FILE}: give a folder written by 'cryodl train'"
        ) from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read as JSON ({_one_line(error)})") from None
    check_spec(spec, path)
    return freeze(spec)


def check_spec(spec: Any, origin: Path | str = "the bundle's spec") -> None:
    """Raise BundleError unless `spec` is of a known format and complete."""
    if not isinstance(spec, Mapping):
        raise BundleError(f"{origin} must hold a JSON object, not {type(spec).__name__}")
    if spec.get("format") != FORMAT:
        raise BundleError(
            f"{origin} has format version {spec.get('format')!r}, this cryodl reads {FORMAT}: "
            "update cryodl, or train the bundle again"
        )
    missing = [key for key in REQUIRED if key not in spec]
    if missing:
        raise BundleError(f"{origin} lacks {', '.join(missing)}")


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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
