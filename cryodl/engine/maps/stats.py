"""Summary of a local-resolution map: the numbers that are quoted for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from cryodl.engine.errors import InputError

PERCENTILES = (2.5, 5, 20, 25, 50, 75, 80, 95, 97.5)


def resolution_stats(values: np.ndarray) -> dict[str, Any]:
    """Median, spread and percentiles of resolutions.

    Parameters
    ----------
    values : ndarray, one axis
        Resolutions in Å of the voxels inside the mask.

    Returns
    -------
    dict
        ``median``, ``mean``, ``sd`` (population), ``min``, ``max`` in Å, ``voxels`` (their
        count) and ``percentiles`` (linear interpolation; keys "2.5" to "97.5"); plain numbers of
        four decimals, ready for JSON.

    Raises
    ------
    InputError
        If there are no values, or some are not finite.
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    if values.size == 0:
        raise InputError("no voxel to take statistics of: the mask is empty; give another mask")
    if not np.isfinite(values).all():
        raise InputError("resolutions that are not finite cannot be summarised; check the map")
    percentiles = np.percentile(values, PERCENTILES)
    return {
        "median": round(float(np.median(values)), 4),
        "mean": round(float(values.mean()), 4),
        "sd": round(float(values.std()), 4),
        "min": round(float(values.min()), 4),
        "max": round(float(values.max()), 4),
        "voxels": int(values.size),
        "percentiles": {f"{q:g}": round(float(p), 4) for q, p in zip(PERCENTILES, percentiles)},
    }
