"""Keras 3 networks, described by small configs, free of any one backend."""

from __future__ import annotations


def build(config: dict):
    """Build the network a config describes; inference form. ValueError for an unknown one."""
    architecture = config.get("architecture")
    if architecture == "unet3d":
        from .unet3d import build_unet3d

        return build_unet3d(config)
    if architecture == "deepres_paper":
        from .deepres_paper import build_deepres_paper

        return build_deepres_paper(config)
    if architecture == "single_map":
        from .single_map import build_single_map

        return build_single_map(config)
    if architecture == "single_map_paper":
        from .single_map_paper import build_single_map_paper

        return build_single_map_paper(config)
    if architecture in ("resolution_cnn", "resolution_dnn", "paper_cnn", "paper_dnn"):
        from . import classifiers

        return getattr(classifiers, f"build_{architecture}")(config)
    if architecture == "postprocess_unet":
        from .postprocess_unet import build_postprocess_unet

        return build_postprocess_unet(config)
    if architecture == "postprocess_paper":
        from .postprocess_paper import build_postprocess_paper

        return build_postprocess_paper(config)
    if architecture in ("local_classes", "paper_unet"):
        from . import local_classes

        return getattr(local_classes, f"build_{architecture}")(config)
    raise ValueError(f"unknown network architecture {architecture!r}")
