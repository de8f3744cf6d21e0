"""Keras 3 networks, described by small configs, free of any one backend."""

from __future__ import annotations

from importlib import import_module

# architecture of a config -> the module that builds it, by `build_<architecture>`
BUILDERS = {
    "unet3d": "cryodl.networks.backbone",
    "single_map": "cryodl.networks.cryores",
    "backbone": "cryodl.networks.cryores",
    "local_classes": "cryodl.networks.classifiers",
    "postprocess_unet": "cryodl.networks.enhance",
    "correction": "cryodl.networks.enhance",
    "resolution_cnn": "cryodl.networks.classifiers",
    "resolution_dnn": "cryodl.networks.classifiers",
    "deepres_paper": "cryodl.methods.deepres.published",
    "single_map_paper": "cryodl.methods.cryores.published",
    "postprocess_paper": "cryodl.methods.enhance.published",
    "paper_unet": "cryodl.networks.classifiers",
    "paper_cnn": "cryodl.networks.classifiers",
    "paper_dnn": "cryodl.networks.classifiers",
}


def build(config: dict):
    """Build the network a config describes; inference form. ValueError for an unknown one."""
    architecture = config.get("architecture")
    if architecture not in BUILDERS:
        raise ValueError(f"unknown network architecture {architecture!r}")
    return getattr(import_module(BUILDERS[architecture]), f"build_{architecture}")(config)
