"""The networks that a spec may describe: what their configs hold, what they read and answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .values import Kind, Table, check_values, number, numbers, one_of, whole, whole_numbers, wrong

_CHANNELS, _RESOLUTION, _DROPOUT = whole(1, 4096), number(0.1, 100), number(0, 0.99)
_TRUNK = {
    "channels": _CHANNELS,
    "half": _CHANNELS,
    "quarter": _CHANNELS,
    "quarter_blocks": whole(0, 32),
    "stride": whole(2, 2),
}
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
    "local_classes": {**_TRUNK, **_BINS, "edges": numbers(0.1, 100, ascending=True)},
    "postprocess_unet": {**_TRUNK, "groups": whole(1, 64)},
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
    answers = {"unet3d": 2, "single_map": 7, "postprocess_unet": VOXELS}
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
    found.pop("local.ratios", None)  # the trunk leaves them out
    if network["architecture"] == "paper_cnn":
        found |= {f"convolutions[{n}]": c[0] for n, c in enumerate(network["convolutions"])}
    return found
