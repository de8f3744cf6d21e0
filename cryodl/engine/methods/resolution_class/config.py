"""What a bundle must say to be used for resolution classes."""

from __future__ import annotations

from typing import Any

from ...bundles import Bundle, load_bundle
from ...errors import BundleError, SettingError

METHOD = "resolution-class"
MODELS = {"cnn": "class-cnn", "dnn": "class-dnn"}
INPUTS = "whole_features", "description"  # of the CNN, of the dense network
REQUIRED = ("calibration",)


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
    if not isinstance(bundle, Bundle):
        bundle = load_bundle(bundle)
    spec = bundle.spec
    if spec["method"] != METHOD:
        raise BundleError(f"bundle {spec['name']} is for {spec['method']}, not for {METHOD}")
    reads = spec["normalisation"]["name"]
    if reads not in INPUTS:
        raise BundleError(
            f"bundle {spec['name']} reads {reads}, and this method gives {' or '.join(INPUTS)}: "
            "train one with 'cryodl train resolution-class'"
        )
    missing = [key for key in REQUIRED if key not in spec]
    if missing:
        raise BundleError(f"the spec of bundle {spec['name']} lacks {', '.join(missing)}")
    return bundle
