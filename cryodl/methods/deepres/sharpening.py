"""Sharpening: a map's fall-off is always estimated, and changed where the user asks for it.

Aspect resolution is what a map looks like, so it is worse in a map that was not sharpened (DeepRes,
section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.checks.finest import coarse_voxels
from cryodl.checks.input import at_ends
from cryodl.errors import SettingError
from cryodl.filters.sharpen import apply_bfactor, estimate_bfactor, flatten_spectrum
from cryodl.maps.crop import box_around, crop
from cryodl.maps.mask import reapply_mask
from cryodl.maps.rotations import ONE, Rotation, mean_over
from cryodl.maps.volume import Volume

MARGIN = 8  # voxels around the mask that its soft edge reaches


@dataclass(frozen=True)
class Sharpened:
    """A map with its fall-off changed, or not.

    Attributes
    ----------
    volume : Volume
    sharpen : "none", "auto" or the B-factor applied, Å²
    resolution : Å, up to which "auto" flattened; None otherwise
    guinier_bfactor : Å², estimated before; negative where the map falls off; None where it cannot
        be estimated
    """

    volume: Volume
    sharpen: str | float
    resolution: float | None
    guinier_bfactor: float | None


def read_sharpen(value: str | float) -> str | float:
    """ "none", "auto", or a B-factor in Å² (negative sharpens).

    Raises
    ------
    SettingError : anything else
    """
    if value in ("none", "auto"):
        return value
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not abs(number) <= 2000:
        raise SettingError(
            f"sharpen {value!r} is not none, auto or a B-factor between -2000 and 2000 Å²"
        )
    return number


def sharpen_map(
    volume: Volume,
    mask: np.ndarray,
    sharpen: str | float = "none",
    resolution: float | None = None,
    chosen: tuple[Rotation, ...] = ONE,
) -> Sharpened:
    """Estimate a map's fall-off, and change it as asked; what a mask left out stays so.

    Parameters
    ----------
    volume : density
    mask : ndarray, shape (z, y, x), bool; the spectrum is taken inside it
    sharpen : "none"; "auto", which gives the radial spectrum the course that atoms have up to
        `resolution`; or the B-factor in Å² to apply
    resolution : Å; claimed for the map, or None, which takes the end of its spectrum
    chosen : rotations over which the sharpened map is averaged: shells of a small box hold other
        waves when it is turned
    """
    part = box_around(mask, MARGIN)
    guinier = estimate_bfactor(crop(volume, part), resolution, mask=mask[part])
    applied, limit = volume, None
    if sharpen == "auto":
        limit = float(guinier.resolution)
        applied = flatten_spectrum(volume, limit, mask=mask)
    elif sharpen != "none":
        applied = apply_bfactor(volume, float(sharpen))
    if applied is not volume:  # the rings of a filter around a mask would pass for solvent
        applied = applied.with_data(reapply_mask(applied.data, volume.data))
    if applied is not volume and len(chosen) > 1:

        def look(_, turned: Volume, within: np.ndarray) -> list[np.ndarray]:
            return [sharpen_map(turned, within, sharpen, resolution).volume.data]

        [data] = mean_over(chosen, look, volume, mask)
        applied = volume.with_data(data)
    return Sharpened(applied, sharpen, limit, guinier.bfactor)


UNSHARPENED = 60.0  # Å²; maps are deposited with some fall-off left, most with less than this


def advise_on_input(volume: Volume, sharpened: Sharpened, spec: Mapping[str, Any]) -> list[str]:
    """Sentences about voxel size and sharpening; empty where there is nothing to say."""
    said = coarse_voxels(volume, spec)
    fall_off = -(sharpened.guinier_bfactor or 0.0)
    if sharpened.sharpen == "none" and fall_off > UNSHARPENED:
        said.append(
            f"the map looks unsharpened (its amplitudes fall off like B = {fall_off:.0f} Å²), and "
            "an unsharpened map reads worse: consider --sharpen auto"
        )
    return said


def advise_on_result(values: np.ndarray, spec: Mapping[str, Any], finest: float = 0.0) -> list[str]:
    """Sentences about values (Å, inside the mask) that lie at the ends of the trained range, or at
    the finest (Å) that the map can hold."""
    other = {"low": ("; try --range high", ""), "high": ("", "; try --range low")}
    return at_ends(values, spec, *other[spec["range"]], finest=finest)
