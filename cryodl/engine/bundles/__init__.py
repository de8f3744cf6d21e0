"""Trained networks as folders of data: spec.json, weights, and a test vector that proves them."""

from .bundle import Bundle, load_bundle, save_bundle
from .registry import list_bundles

__all__ = ["Bundle", "list_bundles", "load_bundle", "save_bundle"]
