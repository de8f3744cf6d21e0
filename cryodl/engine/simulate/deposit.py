"""What is done to a full map before it is deposited: weighting, sharpening, low-pass, masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .filters import raised_cosine
from .surroundings import soft_step

SHARPENED_TO = 0.8  # times the resolution: beyond, a sharpening filter is held, as programs do


def deposit_gain(frequencies, ratio, b_factor: float, drawn: dict[str, Any]) -> np.ndarray:
    """Radial filter of the deposited map.

    frequencies : ndarray, 1/Å
    ratio : ndarray, signal over noise power of the full map inside the molecule
    b_factor : float, Å², that the map's signal falls off with
    """
    resolution = drawn["resolution"]
    gain = np.ones_like(frequencies)
    if drawn["sharpened"]:
        held = np.minimum(frequencies, 1 / (SHARPENED_TO * resolution))
        gain *= np.exp(drawn["sharpening"] * b_factor * held**2 / 4)
    if drawn["fsc_weighted"]:  # sqrt(2 FSC / (1 + FSC)) of the half maps (Rosenthal & Henderson)
        gain *= np.sqrt(ratio / (1 + ratio))
    if drawn["low_passed"]:
        end = resolution * drawn["low_pass"]
        end *= drawn["over_filter"] if drawn["over_filtered"] else 1
        gain *= raised_cosine(frequencies, end, max(drawn["low_pass_width"], 1e-3) / end)
    return gain


def deposit_mask(distance, drawn: dict[str, Any]) -> np.ndarray | None:
    """Weights from 0 to 1 that the depositors multiply their map by, or None.

    distance : ndarray (z, y, x), Å, from molecule and belt
    """
    if drawn["tightly_masked"]:
        return soft_step(distance, drawn["tight_radius"], 0.0)
    if drawn["soft_masked"]:
        return soft_step(distance, drawn["mask_radius"], drawn["mask_edge"])
    if drawn["ball_masked"]:
        n, voxel = distance.shape[0], drawn["voxel_size"]
        axis = ((np.arange(n, dtype=np.float32) - n // 2) * np.float32(voxel)) ** 2
        radius = np.sqrt(axis[:, None, None] + axis[None, :, None] + axis[None, None, :])
        return soft_step(radius, n // 2 * voxel - drawn["mask_edge"], drawn["mask_edge"])
    return None


def rescale(density, drawn: dict[str, Any]) -> np.ndarray:
    """Bring a map to a standard deviation of 10^log_scale and lift it by `offset` of that."""
    spread = max(float(density.std()), 1e-30)
    scaled = density / spread + drawn["offset"]
    return (scaled * 10 ** drawn["log_scale"]).astype(np.float32)
