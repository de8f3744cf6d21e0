"""What a training run needs to know, by range. Every number of it ends up in the bundle's spec."""

from __future__ import annotations

from ..networks.configs import HIGH, LOW

_COMMON = {
    "box": 64,  # voxels simulated
    "crop": 40,  # voxels trained on, cut from the box around the molecule
    "batch": 12,
    "reuse": 6,  # crops taken from every simulated box
    "buffer": 200,  # boxes among which crops are mixed
    "clean": 0.55,  # share of clean boxes as in DeepRes; the others are experiments
    "plain": 0.7,  # share of clean boxes made as the paper's tests are
    "random_phases": 0.25,  # share of the other clean ones whose phases are random from a limit on
    "learning_rate": 1.5e-3,
    "warm_up": 200,  # steps
    "epoch": 150,  # steps between validations
    "validation": 40,  # boxes
    "atoms": 200,  # structures with fewer are left out
    "label_width": 0.6,  # bins, of the soft label
    "outer_weight": 0.25,  # of voxels between `near` and `far`; nearer ones weigh 1
    "near": 3.0,  # Å from the nearest atom
    "far": 6.0,
    "patience": 20,  # epochs without gain before the run stops early
}

TRAINING = {
    "low": {
        **_COMMON,
        "range": "low",
        "box": 96,  # in which there is solvent beside most molecules
        "reuse": 3,
        "buffer": 100,
        "emptied": True,  # what a mask left out is without the traces of resampling, as in use
        "voxel_size": 1.0,
        "best": 2.3,
        "worst": 13.6,
        "limits": [2.5, 13.0],
        "network": LOW,
    },
    "high": {
        **_COMMON,
        "range": "high",
        "voxel_size": 0.5,
        "best": 1.4,
        "worst": 6.4,
        "limits": [1.5, 6.0],
        "network": HIGH,
    },
}
