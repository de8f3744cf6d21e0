"""Ranges of local resolution, and what a bundle must say to be used for it."""

from __future__ import annotations

from typing import Any

from cryodl.checks.input import KINDS
from cryodl.errors import BundleError, SettingError
from cryodl.features.context import CONTEXT_CHANNELS
from cryodl.features.local_spectrum import CHANNELS
from cryodl.networks.architectures import FLAG, check_values, number, one_of, optional
from cryodl.networks.bundle import Bundle
from cryodl.networks.method_bundle import (
    CURVE,
    INTERVAL,
    LIMITS,
    bundle_for,
    check_curve,
    check_tiles,
    trained,
)
from cryodl.networks.spec import SPEC_FILE

METHOD = "local-resolution"


# The shipped bundle of each range. DeepRes section 2: a grid of 1.0 Å tells 2.5-13 Å, one of 0.5 Å
# 1.5-6 Å.
RANGES = {"low": "deepres-low", "high": "deepres-high"}

# A map sampled more finely than this was sampled so to show detail beyond 2.5 Å, the end of the low
# range; the low range holds all that a coarser one can hold, down to 13 Å.
HIGH_BELOW = 0.75

READS = {
    "local_features": ("unet3d", {"channels": CHANNELS}),
    "whole_features": ("unet3d", {"channels": CONTEXT_CHANNELS}),
}
REQUIRED = {
    **LIMITS,
    **trained(KINDS),
    "range": one_of(*RANGES),
    "calibration.interval": INTERVAL,
}
ONE_FACTOR = {"calibration.factor": number(0.001, 1000)}
PARAMETERS = {"whole_features": {"level": FLAG}}  # of the normalisation
OTHERS = {"window": optional(number(1, 100)), "floor": optional(number(0, 1))}


def choose_range(voxel_size: float, asked: str = "auto") -> str:
    """The range for a map: as asked, or "high" at voxel sizes up to 0.75 Å and "low" above."""
    if asked == "auto":
        return "high" if voxel_size <= HIGH_BELOW else "low"
    return asked


def choose_bundle(voxel_size: float, asked: str = "auto", bundle: Any = None) -> Bundle:
    """The bundle given, or the shipped one of the range asked for.

    Parameters
    ----------
    voxel_size : of the map, Å
    asked : range, "auto", "low" or "high"; a bundle that is given has its own
    bundle : Bundle, name, folder or None

    Raises
    ------
    BundleError : unknown or damaged, or not a bundle of this method
    SettingError : a bundle of another range than the one asked for
    """
    if bundle is None:
        bundle = RANGES[choose_range(voxel_size, asked)]
    bundle = bundle_for(METHOD, bundle, REQUIRED, READS)
    check_tiles(bundle)
    spec, origin = bundle.spec, bundle.path / SPEC_FILE
    if isinstance(spec["calibration"].get("factor"), tuple):
        check_values(spec, CURVE, origin)
        check_curve(bundle)
    else:
        check_values(spec, ONE_FACTOR, origin)
    name = spec["normalisation"]["name"]
    known = PARAMETERS.get(name, OTHERS)
    place = "normalisation.parameters"
    check_values(spec, {f"{place}.{key}": kind for key, kind in known.items()}, origin)
    for key in spec["normalisation"].get("parameters", ()):
        if key not in known:
            raise BundleError(
                f"{origin}: {place} has {key[:60]!r}, {name} takes {' and '.join(known)}: "
                "update cryodl, or train the bundle again"
            )
    if asked != "auto" and spec["range"] != asked:
        raise SettingError(
            f"range {asked} was asked for but bundle {spec['name']} has range {spec['range']}: "
            "leave one of the two out"
        )
    return bundle
