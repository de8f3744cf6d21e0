"""What the training of a post-processing network needs to know. All of it ends up in the spec."""

from __future__ import annotations

from typing import Any

from ...networks.configs import POSTPROCESS

_COMMON: dict[str, Any] = {
    "voxel_size": 1.0,
    "region": 96,  # voxels cut from an experiment and taken apart at a time
    "margin": 8,  # of it left out at each side, where bands wrap around and windows end
    "crop": 40,  # voxels trained on
    "crops": 12,  # taken from every region, each turned at random
    "border": 2,  # steps of the half grid at a crop's sides that the loss leaves out
    "batch": 12,
    "buffer": 240,  # crops among which batches are mixed
    "learning_rate": 1e-3,
    "warm_up": 150,
    "epoch": 150,
    "patience": 30,
    "monitor": "val_error",
    "at_molecule": 0.85,  # share of crops about an atom, the others anywhere
    "half_map": 0.35,  # share of regions from one half map
    "deposited": 0.2,  # ... from the map as deposited, where that is not cut out tightly
    "empty": 0.12,  # ... from the difference of the half maps, noise alone, of which nothing comes
    "shaped": 0.5,  # ... of these, with the outline of a molecule
    "filtered": 0.3,  # share of regions with a B-factor, up to which (Å²)
    "bfactor": [-40.0, 200.0],
    "noisier": 0.2,  # ... with noise added, up to this much of the noise's standard deviation
    "noise": 1.0,
    "corrupted": 0.2,  # ... with patches spoilt, as in the paper
    "masked": 0.2,  # ... masked, half of these with a hard edge
    "blend": 1.0,  # share of the model's answer in the bundle; the model knows no margin
    "network": POSTPROCESS,
}

TRAINING: dict[str, dict[str, Any]] = {
    "tight": {**_COMMON, "model": "tight", "mask": "tight", "limits": [2.2, 7.0]},
    "wide": {**_COMMON, "model": "wide", "mask": "wide", "limits": [2.2, 7.0], "blend": 0.0},
    "highres": {**_COMMON, "model": "highres", "mask": "tight", "limits": [2.2, 4.0]},
}
