"""What a bundle must say to be used for local classes."""

from __future__ import annotations

from typing import Any

from ...bundles import Bundle
from ...bundles.method import TEMPERATURE, bundle_for, check_tiles
from ...bundles.values import TEXT, optional
from ...maps.whole import WHOLE_CHANNELS

METHOD = "local-classes"
READS = {"whole_features": ("local_classes", {"channels": WHOLE_CHANNELS})}
REQUIRED = {**TEMPERATURE, "labels": optional(TEXT)}


def choose_bundle(bundle: Bundle | str | Any) -> Bundle:
    """Load a bundle and see that it is for local classes.

    bundle : Bundle, name ("unet-monores", "unet-resmap") or folder

    Raises
    ------
    BundleError : unknown, damaged, of another method, or incomplete
    """
    bundle = bundle_for(METHOD, bundle, REQUIRED, READS)
    check_tiles(bundle)
    return bundle
