"""What the user should know about this map and this answer, in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...maps.volume import Volume
from .sharpening import Sharpened

UNSHARPENED = 60.0  # Å²; maps are deposited with some fall-off left, most with less than this
AT_LIMIT, SHARE_AT_LIMIT = 0.02, 0.2


def advise_on_input(volume: Volume, sharpened: Sharpened, spec: Mapping[str, Any]) -> list[str]:
    """Sentences about voxel size and sharpening; empty where there is nothing to say."""
    said = []
    best, worst = spec["resolution_limits"]
    nyquist = 2 * volume.voxel_size
    if nyquist > worst:
        said.append(
            f"the voxel size of {volume.voxel_size:g} Å holds nothing better than {nyquist:.1f} Å, "
            f"and the network tells {best:g}-{worst:g} Å: the answer means little"
        )
    elif nyquist > 2 * best:
        said.append(
            f"the voxel size of {volume.voxel_size:g} Å holds nothing better than {nyquist:.1f} Å: "
            f"no finer value is given"
        )
    fall_off = -(sharpened.guinier_bfactor or 0.0)
    if sharpened.sharpen == "none" and fall_off > UNSHARPENED:
        said.append(
            f"the map looks unsharpened (its amplitudes fall off like B = {fall_off:.0f} Å²), and "
            "an unsharpened map reads worse: consider --sharpen auto"
        )
    return said


def advise_on_result(values: np.ndarray, spec: Mapping[str, Any]) -> list[str]:
    """Sentences about values (Å, inside the mask) that lie at the ends of the trained range."""
    said = []
    best, worst = spec["resolution_limits"]
    low = float((values <= best * (1 + AT_LIMIT)).mean())
    high = float((values >= worst * (1 - AT_LIMIT)).mean())
    if low > SHARE_AT_LIMIT:
        said.append(
            f"{low:.0%} of the voxels lie at {best:g} Å, the best this network tells: "
            "they may be better" + ("; try --range high" if spec["range"] == "low" else "")
        )
    if high > SHARE_AT_LIMIT:
        said.append(
            f"{high:.0%} of the voxels lie at {worst:g} Å, the worst this network tells: "
            "they may be worse" + ("; try --range low" if spec["range"] == "high" else "")
        )
    return said
