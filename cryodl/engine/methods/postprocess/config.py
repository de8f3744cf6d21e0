"""The shipped networks, and what a bundle must say to be used for post-processing."""

from __future__ import annotations

from typing import Any

from ...bundles import Bundle
from ...bundles.method import LIMITS, bundle_for, check_tiles
from ...bundles.values import TEXT, optional
from ...errors import SettingError
from ...maps.whitened import CHANNELS, GROUPS, VOXELS

METHOD = "postprocess"
MODELS = {"tight": "enhance-tight", "wide": "enhance-wide", "highres": "enhance-highres"}
REQUIRED = {**LIMITS, "model": optional(TEXT)}
CHANNELS_BEFORE = CHANNELS - GROUPS * VOXELS
READS = {"whitened": ("postprocess_unet", {"channels": CHANNELS_BEFORE, "groups": GROUPS})}


def choose_bundle(model: str = "tight", bundle: Any = None) -> Bundle:
    """The bundle given, or the shipped one of a model.

    model : "tight", "wide" or "highres";  bundle : Bundle, name, folder, or None

    Raises
    ------
    SettingError : an unknown model
    BundleError : a bundle that cannot be found, or is for something else
    """
    if bundle is None:
        if model not in MODELS:
            raise SettingError(f"model {model!r} is unknown: choose one of {', '.join(MODELS)}")
        bundle = MODELS[model]
    bundle = bundle_for(METHOD, bundle, REQUIRED, READS)
    check_tiles(bundle)
    return bundle
