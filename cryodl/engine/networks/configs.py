"""Networks by name. A bundle carries its own copy, so a change here never breaks a shipped one."""

from __future__ import annotations

LOW = {
    "architecture": "unet3d",
    "channels": 21,  # of maps.features: eight voxels and thirteen bands
    "half": 32,
    "quarter": 64,
    "quarter_blocks": 2,
    "stride": 2,  # steps of the half grid
    "bins": 40,
    "bins_from": 2.2,
    "bins_to": 15.0,
}
# The same in voxels, so that one range can start from the other's weights.
HIGH = {**LOW, "bins_from": 1.1, "bins_to": 7.5}

# DeepRes (Ramírez-Aportela et al. 2019, section 2.2): one 13³ window per voxel.
PAPER = {
    "architecture": "deepres_paper",
    "window": 13,
    "filters": 32,
    "dense": 512,
    "dropout": 0.25,
    "stride": 1,
}
