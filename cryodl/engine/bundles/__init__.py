"""Trained networks as folders of data: spec.json and model.weights.h5."""

from .bundle import Bundle, load_bundle, save_bundle
from .registry import list_bundles

__all__ = ["Bundle", "list_bundles", "load_bundle", "save_bundle"]
