"""What a bundle must say to be used for a single map's resolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...bundles import Bundle, load_bundle
from ...errors import BundleError

METHOD = "single-map-resolution"
BUNDLE = "cryores-single"
REQUIRED = ("stride", "overlap", "resolution_limits", "calibration", "local")
NORMALISATION = "whole_features"


def choose_bundle(bundle: Any = None) -> Bundle:
    """The bundle given by object, name or folder; None takes the shipped one.

    Raises
    ------
    BundleError : unknown or damaged, or not a bundle of this method
    """
    if not isinstance(bundle, Bundle):
        bundle = load_bundle(BUNDLE if bundle is None else bundle)
    spec = bundle.spec
    if spec["method"] != METHOD:
        raise BundleError(f"bundle {spec['name']} is for {spec['method']}, not for {METHOD}")
    missing = [key for key in REQUIRED if key not in spec]
    if missing:
        raise BundleError(f"the spec of bundle {spec['name']} lacks {', '.join(missing)}")
    if spec["normalisation"]["name"] != NORMALISATION:
        raise BundleError(
            f"bundle {spec['name']} wants normalisation {spec['normalisation']['name']!r}, this "
            f"cryodl knows {NORMALISATION}: update cryodl"
        )
    return bundle


def interval_factor(calibration: Mapping[str, Any], resolution: np.ndarray) -> np.ndarray:
    """Half-width of the 90 % interval in standard deviations, interpolated between resolutions.

    calibration : {"resolution": [Å, ascending], "factor": [...]};  resolution : ndarray, Å
    """
    return np.interp(resolution, calibration["resolution"], calibration["factor"]).astype(
        np.float32
    )
