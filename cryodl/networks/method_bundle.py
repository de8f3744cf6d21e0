"""A bundle for a method: of that method, with a network and values that it can use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cryodl.errors import BundleError
from cryodl.networks.architectures import (
    OBJECT,
    Table,
    check_values,
    number,
    numbers,
    optional,
    some_of,
    whole,
    wrong,
)
from cryodl.networks.bundle import Bundle, load_bundle
from cryodl.networks.spec import SPEC_FILE

Reads = Mapping[str, tuple[str, Mapping[str, int]]]
# Entries of several methods.
TILES: Table = {"stride": whole(1, 64), "overlap": whole(0, 256)}
LIMITS: Table = {"resolution_limits": numbers(0.1, 100, count=2, ascending=True)}
INTERVAL = number(0.01, 0.999)
TEMPERATURE: Table = {"calibration.temperature": number(0.01, 100)}
CURVE: Table = {  # factor of the interval between resolutions, Å
    "calibration.interval": INTERVAL,
    "calibration.resolution": numbers(0.1, 100, ascending=True),
    "calibration.factor": numbers(0.001, 1000),
}


def trained(kinds: Iterable[str]) -> Table:
    """Entries on what a network was trained on, which an earlier bundle lacks.

    kinds : of maps, by the names of `checks.input.KINDS`
    """
    return {
        "trained": optional(OBJECT),
        "trained.voxel_sizes": optional(numbers(0.01, 1000, count=2, ascending=True)),
        "trained.kinds": optional(some_of(*kinds)),
        "trained.widening": optional(number(1, 100)),
    }


def bundle_for(
    method: str,
    bundle: Bundle | str | Any,
    table: Table,
    reads: Reads,
) -> Bundle:
    """Load a bundle and see that a method can use it.

    method : its name in spec.json
    bundle : Bundle, name or folder
    table : entries of the spec that the method needs
    reads : by normalisation the architecture that reads it, and by keys of its config the channels
        that the method gives to it

    Raises
    ------
    BundleError : unknown, damaged, of another method, or with entries that are missing or wrong
    """
    if not isinstance(bundle, Bundle):
        bundle = load_bundle(bundle)
    spec, origin = bundle.spec, bundle.path / SPEC_FILE
    if spec["method"] != method:
        raise BundleError(
            f"bundle {spec['name']} is for {spec['method']}, not for {method}: give one of this"
            f" method, as 'cryodl train {method}' writes it"
        )
    network, normalisation = spec["network"], spec["normalisation"]["name"]
    if normalisation not in reads:
        words = f"{' or '.join(reads)}, which {method} gives"
        raise wrong(origin, "normalisation.name", normalisation, words)
    architecture, given = reads[normalisation]
    if network["architecture"] != architecture:
        raise wrong(
            origin, "network.architecture", network["architecture"],
            f"{architecture!r}, which reads {normalisation}",
        )  # fmt: skip
    check_values(spec, table, origin)
    for key, channels in given.items():
        config = network
        for name in key.split(".")[:-1]:
            config = config[name]
        found = config[key.split(".")[-1]]
        if found != channels:
            raise wrong(origin, f"network.{key}", found, f"{channels}, which {normalisation} gives")
    return bundle


def check_tiles(bundle: Bundle) -> None:
    """Raise BundleError where the network would not answer in tiles as in one piece."""
    spec, origin = bundle.spec, bundle.path / SPEC_FILE
    check_values(spec, TILES, origin)
    network = spec["network"].get("local", spec["network"])
    if spec["stride"] != network["stride"]:
        raise wrong(origin, "stride", spec["stride"], f"{network['stride']}, as of its network")
    sees = 4 + 4 * network["quarter_blocks"]  # steps, as of networks.backbone.receptive_radius
    if spec["overlap"] < sees:
        raise wrong(origin, "overlap", spec["overlap"], f"{sees} or more: its network sees so far")


def check_curve(bundle: Bundle) -> None:
    """Raise BundleError where a calibration has not as many factors as resolutions."""
    calibration = bundle.spec["calibration"]
    factors, resolutions = len(calibration["factor"]), len(calibration["resolution"])
    if factors != resolutions:
        raise wrong(
            bundle.path / SPEC_FILE, "calibration.factor", calibration["factor"],
            f"as many numbers as calibration.resolution has, {resolutions}",
        )  # fmt: skip


def interval_factor(calibration: Mapping[str, Any], resolution: np.ndarray) -> np.ndarray | float:
    """Half-width of the calibrated interval, in standard deviations.

    Parameters
    ----------
    calibration : {"interval": 0.9, "factor": number}, or with "resolution" (Å, ascending) and
        "factor" both lists, between which it is interpolated
    resolution : ndarray, Å
    """
    factor = calibration["factor"]
    if np.ndim(factor) == 0:
        return float(factor)
    return np.interp(resolution, calibration["resolution"], factor).astype(np.float32)
