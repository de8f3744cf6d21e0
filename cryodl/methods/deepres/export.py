"""From trained weights to a bundle: calibrate, measure, write down where it comes from."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from cryodl.checks.training_range import trained_on
from cryodl.features.local_spectrum import CHANNELS
from cryodl.maps.normalise import FLOOR, WINDOW
from cryodl.methods.deepres.samples import fixed_boxes
from cryodl.networks.backbone import build_unet3d, receptive_radius
from cryodl.networks.bundle import save_bundle
from cryodl.networks.card import model_card
from cryodl.training.calibrate import accuracy, calibrate, collect

CALIBRATION_SEED, MEASURE_SEED = 2001, 2002  # other boxes than those the run was validated on


def make_bundle(weights, config, structures, path, *, data, seconds, steps, initial=None, boxes=60):
    """Calibrate a trained network on validation structures and write its bundle.

    weights : path of best.weights.h5 as `fit` leaves it
    config : dict, see `TRAINING`
    structures : list of Structure, none of them trained on: one half calibrates, the other measures
    path : folder to write
    data : str, what it was trained on;  seconds, steps : of the training
    initial : str or None, what weights it started from
    boxes : simulated, of either half
    """
    network = config["network"]
    logits = build_unet3d(network, with_logits=True)
    logits.load_weights(weights)
    model = build_unet3d(network)
    model.set_weights(logits.get_weights())
    usable = [s for s in structures if len(s) >= config["atoms"]]
    others = usable[1::2] or usable  # a single structure has to do for both
    calibration, measured = (
        collect(model, *fixed_boxes(half, config, seed, boxes), config["limits"])
        for half, seed in ((usable[::2], CALIBRATION_SEED), (others, MEASURE_SEED))
    )
    calibration = calibrate(*calibration)
    kinds = ["clean", "masked"] if config.get("emptied") else ["clean"]
    spec = {
        "name": Path(path).name,
        "method": "local-resolution",
        "range": config["range"],
        "network": network,
        "voxel_size": config["voxel_size"],
        "normalisation": _normalisation(network),
        "stride": network["stride"],
        "overlap": receptive_radius(network),
        "resolution_limits": config["limits"],
        "calibration": calibration,
        "trained": trained_on(config["voxel_size"], kinds),
        "training": {
            "data": data,
            "config": {k: v for k, v in config.items() if k != "network"},
            "seconds": round(seconds),
            "initial": initial,
            "steps": steps,
            "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, {platform.system()}",
        },
        "metrics": accuracy(*measured, calibration),
        "licence": "GPL-3.0-or-later",
        "citation": "RamirezAportela2019",
    }
    return save_bundle(path, model, spec, overwrite=True, light=True, card=model_card)


def _normalisation(network):
    """How a map becomes what the network reads: see `methods.local_resolution.prepare`."""
    if network["channels"] == CHANNELS:
        return {"name": "local_features", "parameters": {"window": WINDOW, "floor": FLOOR}}
    return {"name": "whole_features", "parameters": {"level": False}}
