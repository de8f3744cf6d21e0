"""What a value of spec.json may be, in words for people and as a test of the value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryodl.errors import BundleError

LONGEST = 60  # characters of a wrong value that are shown
REMEDY = "copy or train the bundle again"


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    words : what is expected, for people
    fits : tells whether a value is of this kind; it may be given anything that JSON holds
    optional : whether the key may be missing
    """

    words: str
    fits: Callable[[Any], bool]
    optional: bool = False


Table = Mapping[str, Kind]  # by key; a dot leads into an object


def optional(kind: Kind) -> Kind:
    return replace(kind, optional=True)


def number(least: float, most: float) -> Kind:
    """A finite number, ends included."""
    return Kind(f"a number from {least:g} to {most:g}", lambda value: _within(value, least, most))


def whole(least: int, most: int) -> Kind:
    """A whole number, ends included."""

    def fits(value: Any) -> bool:
        return isinstance(value, int) and _within(value, least, most)

    return Kind(f"a whole number from {least} to {most}", fits)


def one_of(*values: str) -> Kind:
    words = " or ".join([", ".join(map(repr, values[:-1])), repr(values[-1])][len(values) < 2 :])
    return Kind(words, lambda value: isinstance(value, str) and value in values)


def some_of(*values: str) -> Kind:
    """A list of names that are known, which may be empty."""

    def fits(value: Any) -> bool:
        return _is_list(value) and all(isinstance(v, str) and v in values for v in value)

    return Kind(f"a list of {', '.join(map(repr, values))}", fits)


def numbers(
    least: float, most: float, *, count: int | None = None, ascending: bool = False
) -> Kind:
    """A list of numbers; ascending strictly."""
    words = f"{count or 'some'} {'ascending ' * ascending}numbers from {least:g} to {most:g}"

    def fits(value: Any) -> bool:
        return (
            _is_list(value)
            and (len(value) == count if count else 1 <= len(value) <= MOST)
            and all(_within(item, least, most) for item in value)
            and not (ascending and any(b <= a for a, b in zip(value, value[1:])))
        )

    return Kind(f"a list of {words}", fits)


def whole_numbers(least: int, most: int) -> Kind:
    """A list of whole numbers, of one or more."""
    kind = numbers(least, most)

    def fits(value: Any) -> bool:
        return kind.fits(value) and all(isinstance(item, int) for item in value)

    return Kind(f"a list of whole numbers from {least} to {most}", fits)


MOST = 1000  # entries of a list
TEXT = Kind(
    "a line of text",
    lambda value: isinstance(value, str) and 0 < len(value) <= 300 and value.isprintable(),
)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
OBJECT = Kind("an object", lambda value: isinstance(value, Mapping))
CHECKSUM = Kind(
    "a SHA-256 of 64 hexadecimal digits",
    lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)),
)
CHECKSUMS = Kind(
    "an object of files and their SHA-256",
    lambda value: isinstance(value, Mapping) and all(map(CHECKSUM.fits, value.values())),
)


def check_values(spec: Mapping[str, Any], table: Table, origin: Any) -> None:
    """Raise BundleError unless every key holds what the table says; other keys are not looked at.

    origin : what holds the keys, for the message
    """
    for key, kind in table.items():
        parents, _, last = key.rpartition(".")
        place: Any = spec
        for name in parents.split(".") if parents else ():
            place = place.get(name) if isinstance(place, Mapping) else None
        if not isinstance(place, Mapping):
            if not kind.optional:
                raise _missing(origin, key, kind)
        elif last not in place:
            if not kind.optional:
                raise _missing(origin, key, kind)
        elif not kind.fits(place[last]):
            raise wrong(origin, key, place[last], kind.words)


def wrong(origin: Any, key: str, value: Any, words: str) -> BundleError:
    """The error of a key whose value is not what is expected."""
    return BundleError(f"{origin}: {key} is {shown(value)}, expected {words}: {REMEDY}")


def _missing(origin: Any, key: str, kind: Kind) -> BundleError:
    return BundleError(f"{origin} lacks {key}, expected {kind.words}: {REMEDY}")


def shown(value: Any) -> str:
    """A value as JSON has it, shortened."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, Mapping):
        return f"an object of {len(value)} entries"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{value:d}" if abs(value) < 10**18 else "a number beyond 1e+18"
    if _is_list(value) and len(value) > 8:
        return f"a list of {len(value)} entries"
    text = repr(list(value) if _is_list(value) else value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def not_finite(value: Any, key: str = "") -> str | None:
    """The key of a number that is none (NaN, infinite) anywhere in a spec; None without one."""
    if isinstance(value, Mapping):
        entries = [(f"{key}.{name}" if key else str(name), item) for name, item in value.items()]
    elif _is_list(value):
        entries = [(f"{key}[{place}]", item) for place, item in enumerate(value)]
    else:
        return key if isinstance(value, float) and not math.isfinite(value) else None
    return next((found for name, item in entries if (found := not_finite(item, name))), None)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _within(value: Any, least: float, most: float) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    )


_CHANNELS, _RESOLUTION, _DROPOUT = whole(1, 4096), number(0.1, 100), number(0, 0.99)
_TRUNK = {
    "channels": _CHANNELS,
    "half": _CHANNELS,
    "quarter": _CHANNELS,
    "quarter_blocks": whole(0, 32),
    "stride": whole(2, 2),
}
_EIGHTH = {"stride": whole(4, 4), "eighth": _CHANNELS, "eighth_blocks": whole(1, 32)}
_BINS = {"bins": whole(2, 1000), "bins_from": _RESOLUTION, "bins_to": _RESOLUTION}
_RATIOS = {"ratios": whole(2, 1000), "ratios_from": _RESOLUTION, "ratios_to": _RESOLUTION}
_HIDDEN = {"hidden": whole_numbers(1, 65536)}
_DENSE = {"inputs": _CHANNELS, **_HIDDEN, "dropout": _DROPOUT, **_BINS}
_SINGLE_MAP = {**_TRUNK, **_BINS, **_RATIOS}
_BOX = {"box": whole(4, 64)}


def _is_convolution(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 3
        and whole_numbers(1, 4096).fits(value[:2])
        and value[2] in ("elu", "relu")
    )


_CONVOLUTIONS = Kind(
    "a list of [filters, kernel, 'elu' or 'relu']",
    lambda value: isinstance(value, (list, tuple)) and all(map(_is_convolution, value)),
)
# Of the network's config in spec.json, by architecture.
TABLES: Mapping[str, Table] = {
    "unet3d": {**_TRUNK, **_BINS},
    "single_map": _SINGLE_MAP,
    "backbone": {
        **_SINGLE_MAP, **_EIGHTH,
    },
    "local_classes": {**_TRUNK, **_BINS, "edges": numbers(0.1, 100, ascending=True)},
    "postprocess_unet": {**_TRUNK, "groups": whole(1, 64)},
    "correction": {**_TRUNK, **_EIGHTH},
    "resolution_dnn": _DENSE,
    "resolution_cnn": {
        "local.architecture": one_of("single_map"),
        **{f"local.{key}": kind for key, kind in _SINGLE_MAP.items()},
        "passed": _CHANNELS,
        **_DENSE,
    },
    "deepres_paper": {
        "window": whole(3, 64), "filters": _CHANNELS, "dense": _CHANNELS, "dropout": _DROPOUT,
    },
    "single_map_paper": {"size": whole(8, 64), "filters": whole_numbers(1, 4096)},
    "paper_dnn": {**_BOX, **_HIDDEN},
    "paper_cnn": {
        **_BOX, "convolutions": _CONVOLUTIONS, "dense": _CHANNELS, "dropout": _DROPOUT,
    },
    "paper_unet": {
        "cube": whole(4, 64), "filters": whole_numbers(1, 4096), "dropout": _DROPOUT,
        "classes": whole(1, 1000),
    },
    "postprocess_paper": {
        "filters": whole_numbers(1, 4096), "convolutions": whole(1, 32), "groups": _CHANNELS,
    },
}  # fmt: skip

_RANGES = (("bins_from", "bins_to"), ("ratios_from", "ratios_to"))
VOXELS = 8  # of a block of the half grid, channels of a density on it


def check_network(network: Mapping[str, Any], origin: Any) -> None:
    """Raise BundleError unless a config holds what its architecture needs.

    One that is not known here passes: whoever builds it may know it.
    """
    table = TABLES.get(network["architecture"])
    if table is None:
        return
    named = {f"network.{key}": kind for key, kind in table.items()}
    check_values({"network": network}, named, origin)
    for place, config in (("", network), ("local.", network.get("local", {}))):
        for low, high in _RANGES:
            if f"{place}{low}" in table and config[low] >= config[high]:
                raise wrong(
                    origin, f"network.{place}{high}", config[high], f"more than {low}"
                )  # fmt: skip
    if "passed" in table and network["passed"] > network["local"]["channels"]:
        raise wrong(origin, "network.passed", network["passed"], "no more than local.channels")


def is_backbone(network: Mapping[str, Any]) -> bool:
    """Whether a network reads the spectrum and the voxel size that a map came with, and predicts
    aspect resolution, too."""
    return network["architecture"] == "backbone"


def reads_and_answers(network: Mapping[str, Any]) -> dict[str, tuple[str, int, int]]:
    """Of every part of a network of ours: the key that sets what it reads, and the channels that it
    reads and answers with; empty for others."""
    name = network["architecture"]
    if name == "resolution_cnn":
        local = network["local"]
        evidence = 2 * local["half"] + local["bins"] + network["passed"]
        return {
            "trunk": ("local.channels", local["channels"], evidence),
            "head": ("inputs", network["inputs"] + evidence, network["bins"]),
        }
    if name == "resolution_dnn":
        return {"network": ("inputs", network["inputs"], network["bins"])}
    answers = {
        "unet3d": 2, "single_map": 7, "backbone": 9, "postprocess_unet": VOXELS,
        "correction": 2 * VOXELS,
    }  # fmt: skip
    if name == "local_classes":
        answers[name] = len(network["edges"]) + 2
    if name not in answers:
        return {}
    more = VOXELS * network["groups"] if name == "postprocess_unet" else 0
    return {"network": ("channels", network["channels"] + more, answers[name])}


# Keys whose values are sizes of weights, so that a wrong one is told before anything is built.
SIZES = ("half", "quarter", "bins", "ratios", "hidden", "filters", "dense", "classes")


def sizes(network: Mapping[str, Any]) -> dict[str, int]:
    """Sizes that some weight of the network must have, by key."""
    found = {}
    for place, config in (("", network), ("local.", network.get("local", {}))):
        for key in SIZES:
            value = config.get(key) if isinstance(config, Mapping) else None
            if isinstance(value, int):
                found[place + key] = value
            elif isinstance(value, (list, tuple)):
                found |= {f"{place}{key}[{n}]": item for n, item in enumerate(value)}
    found.pop("local.ratios", None)  # the backbone leaves them out
    if network["architecture"] == "paper_cnn":
        found |= {f"convolutions[{n}]": c[0] for n, c in enumerate(network["convolutions"])}
    return found
