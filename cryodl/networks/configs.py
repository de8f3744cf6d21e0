"""Networks by name. A bundle carries its own copy, so a change here never breaks a shipped one."""

from __future__ import annotations

from typing import Any

LOW = {
    "architecture": "unet3d",
    "channels": 37,  # context features: eight voxels, thirteen bands, and of the whole map
    "half": 32,
    "quarter": 64,
    "quarter_blocks": 2,
    "stride": 2,  # steps of the half grid
    "bins": 40,
    "bins_from": 2.2,
    "bins_to": 15.0,
}
# The same in voxels, so that it can start from the other's weights; of local features alone.
HIGH = {**LOW, "channels": 21, "bins_from": 1.1, "bins_to": 7.5}

# DeepRes (Ramírez-Aportela et al. 2019, section 2.2): one 13³ window per voxel.
PAPER: dict[str, Any] = {
    "architecture": "deepres_paper",
    "window": 13,
    "filters": 32,
    "dense": 512,
    "dropout": 0.25,
    "stride": 1,
}

SINGLE_MAP = {
    "architecture": "single_map",
    "channels": 37,  # context features: the local ones and sixteen more
    "half": 32,
    "quarter": 64,
    "quarter_blocks": 2,
    "stride": 2,  # steps of the half grid
    "bins": 40,  # of deepres-low, whose weights the training starts from
    "bins_from": 2.2,
    "bins_to": 15.0,
    "ratios": 24,  # local over global resolution
    "ratios_from": 0.6,
    "ratios_to": 2.4,
}
BACKBONE = {
    **SINGLE_MAP,
    "architecture": "backbone",
    "channels": 51,  # and of the spectrum and the voxel size that the map came with
    "eighth": 128,
    "eighth_blocks": 2,
    "stride": 4,
}

# Whole maps. Bins of a twelfth of an octave, so placed that 5 and 10 Å are edges between bins.
_BINS = {"bins": 45, "bins_from": 5 * 2 ** (-17.5 / 12), "bins_to": 5 * 2 ** (26.5 / 12)}
CLASS_CNN = {
    "architecture": "resolution_cnn",
    "local": SINGLE_MAP,
    "passed": 29,  # last context features that are averaged as they are: bands and the rest
    "inputs": 105,  # of the spectral descriptor
    "hidden": [128, 96],
    "dropout": 0.1,
    **_BINS,
}
CLASS_DNN = {
    "architecture": "resolution_dnn",
    "inputs": 105,  # of the spectral descriptor
    "hidden": [1000, 100],
    "dropout": 0.2,
    **_BINS,
}

# Avramov et al. 2019, sections 4.3 and 4.4.
PAPER_DNN = {"architecture": "paper_dnn", "box": 64, "hidden": [1000, 100]}
PAPER_CNN = {
    "architecture": "paper_cnn",
    "box": 64,
    "convolutions": [[32, 7, "elu"], [64, 5, "elu"], [128, 5, "relu"]],
    "dense": 1024,
    "dropout": 0.4,
}

# Post-processing: the backbone of LOW, so that it can start from deepres-low's weights.
POSTPROCESS = {
    "architecture": "postprocess_unet",
    "channels": 34,  # of the sub-bands, before the groups: eight voxels, twice thirteen bands
    "groups": 8,
    "half": 32,
    "quarter": 64,
    "quarter_blocks": 2,
    "stride": 2,  # steps of the half grid
}

# What a network adds to a map that filters made of half maps.
CORRECTION = {
    "architecture": "correction",
    "channels": 18,  # filtered map and noise, eight voxels each; mask; resolution
    "half": 32,
    "quarter": 64,
    "quarter_blocks": 2,
    "eighth": 128,
    "eighth_blocks": 2,
    "stride": 4,  # steps of the half grid
}

# DeepEMhancer (Sanchez-Garcia et al. 2021, Neural network architecture).
POSTPROCESS_PAPER = {
    "architecture": "postprocess_paper",
    "filters": [32, 64, 128],
    "convolutions": 3,
    "groups": 8,
    "stride": 8,
}

# Ten classes of every voxel: Avramov et al. 2019, section 4.5, and ours.
PAPER_UNET = {
    "architecture": "paper_unet",
    "cube": 16,
    "filters": [64, 128, 256, 512, 1024],
    "dropout": 0.5,
    "classes": 10,
}
LOCAL_CLASSES = {
    **LOW,
    "architecture": "local_classes",
    "channels": 37,  # context features, as the single map's, so that it can start from its weights
    "edges": [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0],  # Å, between ten classes
}

# CryoRes, slides of 2023; size and filters are ours, the slides give none.
SINGLE_MAP_PAPER = {
    "architecture": "single_map_paper",
    "size": 64,
    "filters": [8, 16, 32],
    "stride": 4,
}
