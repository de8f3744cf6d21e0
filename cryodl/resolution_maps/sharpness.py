"""Aspect against signal-to-noise resolution: how much sharpening a map bears.

After Ramírez-Aportela et al., IUCrJ 6, 1054 (2019), section 3.4 and figure 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cryodl.errors import SettingError

PERCENTILE = 20  # of local resolution, at which both kinds should agree (section 3.4)
BFACTORS = tuple(range(0, -201, -25))  # Å²
STRONGEST = -2000.0  # Å²
PLATEAU = 0.02  # share of the resolution by which more sharpening must gain to be worth it
TOLERANCE = 0.05  # share of the resolution by which a map may differ and still be sharpened well
KEY = f"percentile_{PERCENTILE}"


def check_bfactors(bfactors: Sequence[float]) -> list[float]:
    """B-factors (Å²) to scan.

    Raises
    ------
    SettingError : fewer than two, not numbers, positive, beyond -2000, or not descending
    """
    try:
        numbers = [float(value) for value in bfactors]
    except (TypeError, ValueError):
        numbers = []
    shown = ", ".join(str(value) for value in bfactors)
    if len(numbers) < 2:
        raise SettingError(f"bfactors {shown}: give two or more numbers, such as 0,-50,-100")
    if not all(STRONGEST <= value <= 0 for value in numbers):
        raise SettingError(
            f"bfactors {shown}: give values from 0 to {STRONGEST:g} Å², since only negative ones "
            "sharpen"
        )
    if any(a <= b for a, b in zip(numbers, numbers[1:])):
        raise SettingError(f"bfactors {shown}: give each once, from 0 downwards")
    return numbers


def recommend(scan: Sequence[dict[str, float]], target: float) -> tuple[float, str | None]:
    """B-factor (Å²) at which aspect resolution reaches the signal-to-noise one; and what is wrong.

    Interpolated linearly at the first place from 0 on where the 20 % percentile becomes as fine as
    `target`: a map sharpened far beyond it is noise, which may read worse again. Where it never
    does, a sentence says so, and the B-factor is the one that comes nearest, or, where the curve
    has become flat before, that beyond which sharpening gains less than 2 %.

    scan : entries with "bfactor" and "percentile_20", from the weakest sharpening on
    target : 20 % percentile of signal-to-noise resolution, Å
    """
    bfactors = [entry["bfactor"] for entry in scan]
    above = [entry[KEY] - target for entry in scan]
    for i, (before, after) in enumerate(zip(above, above[1:])):
        if before >= 0 >= after:
            share = before / (before - after) if before > after else 0.0
            return round(bfactors[i] + share * (bfactors[i + 1] - bfactors[i]), 1) + 0.0, None
    if above[0] < 0:
        return bfactors[0], (
            f"at B = {bfactors[0]:g} Å² already the aspect resolution ({scan[0][KEY]:.2f} Å at "
            f"{PERCENTILE} %) is finer than the signal-to-noise one ({target:.2f} Å), and they "
            "meet nowhere: the map looks sharpened before; give the unsharpened one"
        )
    percentiles = [entry[KEY] for entry in scan]
    near = min(percentiles) * (1 + PLATEAU)
    i = next(k for k, value in enumerate(percentiles) if value <= near)
    best, last = bfactors[i], len(scan) - 1
    if 0 < i < last:
        share = (percentiles[i - 1] - near) / (percentiles[i - 1] - percentiles[i])
        best = round(bfactors[i - 1] + share * (best - bfactors[i - 1]), 1)
    return (bfactors[last] if i == last else best), (
        f"the aspect resolution stays coarser than the signal-to-noise one ({target:.2f} Å at "
        f"{PERCENTILE} %) from B = {bfactors[0]:g} to {bfactors[-1]:g} Å²; "
        + (
            f"it comes nearest ({percentiles[last]:.2f} Å) at the last, which is taken: scan "
            "further with --bfactors"
            if i == last
            else f"it gains less than {PLATEAU:.0%} beyond {best:g} Å², which is taken"
        )
    )


def judge(found: dict[str, float], target: float) -> dict[str, Any]:
    """Whether a map looks better than its half maps are: its verdict, with the numbers.

    found : "percentile_20" and "median" of the map's aspect resolution, Å
    target : 20 % percentile of the signal-to-noise resolution of the unsharpened map, Å
    """
    difference = found[KEY] - target
    tolerance = TOLERANCE * target
    words = {-1: "oversharpened", 0: "well sharpened", 1: "undersharpened"}
    said = words[0 if abs(difference) <= tolerance else int(np.sign(difference))]
    return {
        "verdict": said,
        **found,
        f"snr_{KEY}": target,
        "difference": round(difference, 4),
        "tolerance": round(tolerance, 4),
        "text": f"the sharpened map is {said}: its aspect resolution is {found[KEY]:.2f} Å at "
        f"{PERCENTILE} %, the signal-to-noise resolution {target:.2f} Å (within {tolerance:.2f} Å "
        "counts as the same)",
    }
