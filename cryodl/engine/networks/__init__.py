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
    raise ValueError(f"unknown network architecture {architecture!r}; known: unet3d, deepres_paper")
