"""What a bundle must say to be used for local classes."""

from __future__ import annotations

from typing import Any

from ...bundles import Bundle, load_bundle
from ...errors import BundleError

METHOD = "local-classes"
INPUT = "whole_features"
REQUIRED = ("overlap", "stride", "calibration")


def choose_bundle(bundle: Bundle | str | Any) -> Bundle:
    """Load a bundle and see that it is for local classes.

    bundle : Bundle, name ("unet-monores", "unet-resmap") or folder

    Raises
    ------
    BundleError : unknown, damaged, of another method, or incomplete
    """
    if not isinstance(bundle, Bundle):
        bundle = load_bundle(bundle)
    spec = bundle.spec
    if spec["method"] != METHOD:
        raise BundleError(f"bundle {spec['name']} is for {spec['method']}, not for {METHOD}")
    if spec["normalisation"]["name"] != INPUT:
        raise BundleError(
            f"bundle {spec['name']} reads {spec['normalisation']['name']}, and this method gives "
            f"{INPUT}: train one with 'cryodl train local-classes'"
        )
    missing = [key for key in REQUIRED if key not in spec]
    if missing:
        raise BundleError(f"the spec of bundle {spec['name']} lacks {', '.join(missing)}")
    return bundle
