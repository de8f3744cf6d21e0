"""The shipped networks, and what a bundle must say to be used for post-processing."""

from __future__ import annotations

from typing import Any

from ...bundles import Bundle, load_bundle
from ...errors import BundleError, SettingError

METHOD = "postprocess"
MODELS = {"tight": "enhance-tight", "wide": "enhance-wide", "highres": "enhance-highres"}
REQUIRED = ("stride", "overlap", "resolution_limits")


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
    if not isinstance(bundle, Bundle):
        bundle = load_bundle(bundle)
    spec = bundle.spec
    if spec["method"] != METHOD:
        raise BundleError(
            f"bundle {spec['name']} is for {spec['method']}: give one for post-processing, such as "
            f"{MODELS['tight']}"
        )
    missing = [key for key in REQUIRED if key not in spec]
    if missing:
        raise BundleError(f"bundle {spec['name']} lacks {', '.join(missing)}: train it again")
    if spec["normalisation"]["name"] != "whitened":
        raise BundleError(
            f"bundle {spec['name']} wants normalisation {spec['normalisation']['name']!r}, this "
            "cryodl knows whitened: update cryodl"
        )
    return bundle
