"""What a bundle must say to be used for a single map's resolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...bundles import Bundle
from ...bundles.method import CURVE, LIMITS, bundle_for, check_curve, check_tiles, trained
from ...bundles.values import number, one_of, optional
from ...maps.trained import KINDS
from ...maps.whole import WHOLE_CHANNELS

METHOD = "single-map-resolution"
BUNDLE = "cryores-single"
REQUIRED = {
    **LIMITS,
    **CURVE,
    **trained(KINDS),
    "local": one_of("alone", "relative", "both"),
    "mask_threshold": optional(number(0.01, 0.99)),
}
READS = {"whole_features": ("single_map", {"channels": WHOLE_CHANNELS})}


def choose_bundle(bundle: Any = None) -> Bundle:
    """The bundle given by object, name or folder; None takes the shipped one.

    Raises
    ------
    BundleError : unknown or damaged, or not a bundle of this method
    """
    bundle = bundle_for(METHOD, BUNDLE if bundle is None else bundle, REQUIRED, READS)
    check_tiles(bundle)
    check_curve(bundle)
    return bundle


def interval_factor(calibration: Mapping[str, Any], resolution: np.ndarray) -> np.ndarray:
    """Half-width of the 90 % interval in standard deviations, interpolated between resolutions.

    calibration : {"resolution": [Å, ascending], "factor": [...]};  resolution : ndarray, Å
    """
    return np.interp(resolution, calibration["resolution"], calibration["factor"]).astype(
        np.float32
    )
