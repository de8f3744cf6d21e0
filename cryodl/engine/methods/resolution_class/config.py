"""What a bundle must say to be used for resolution classes."""

from __future__ import annotations

from typing import Any

from ...bundles import Bundle
from ...bundles.method import INTERVAL, TEMPERATURE, bundle_for, check_tiles
from ...errors import SettingError
from ...maps.description import LENGTH
from ...maps.whole import WHOLE_CHANNELS

METHOD = "resolution-class"
MODELS = {"cnn": "class-cnn", "dnn": "class-dnn"}
REQUIRED = {**TEMPERATURE, "calibration.interval": INTERVAL}
READS = {
    "whole_features": ("resolution_cnn", {"local.channels": WHOLE_CHANNELS, "inputs": LENGTH}),
    "description": ("resolution_dnn", {"inputs": LENGTH}),
}


def choose_bundle(model: str = "cnn", bundle: Any = None) -> Bundle:
    """The bundle given, or the shipped one of the model.

    model : "cnn" or "dnn";  bundle : Bundle, name, folder or None

    Raises
    ------
    SettingError : an unknown model
    BundleError : unknown, damaged, of another method, or incomplete
    """
    if model not in MODELS:
        raise SettingError(f"model {model!r} is unknown: choose {' or '.join(MODELS)}")
    bundle = MODELS[model] if bundle is None else bundle
    bundle = bundle_for(METHOD, bundle, REQUIRED, READS)
    if bundle.spec["network"]["architecture"] == "resolution_cnn":  # it reads in tiles
        check_tiles(bundle)
    return bundle
