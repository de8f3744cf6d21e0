"""Local-resolution maps of one molecule on one scale: how they agree, and on what.

Median and standard deviation are those of Table 1 of Ramírez-Aportela et al., IUCrJ 6, 1054 (2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryodl.errors import InputError, SettingError
from cryodl.maps.volume import Volume
from cryodl.resolution_maps.load import to_grid
from cryodl.resolution_maps.resolution_map import ResolutionMap
from cryodl.resolution_maps.statistics import resolution_stats


@dataclass(frozen=True)
class Comparison:
    """Maps on the grid of the first, and what they have in common.

    Attributes
    ----------
    names : of the maps
    maps : as given, on one grid
    mask : ndarray, shape (z, y, x), bool; where all know the resolution
    consensus : Volume, median over the maps, Å, 0 outside the mask
    disagreement : Volume, largest minus smallest over the maps, Å, 0 outside the mask
    stats : numbers for stats.json
    """

    names: tuple[str, ...]
    maps: tuple[ResolutionMap, ...]
    mask: np.ndarray
    consensus: Volume
    disagreement: Volume
    stats: dict[str, Any]


def compare_resolutions(
    maps: Sequence[ResolutionMap],
    names: Sequence[str],
    *,
    claimed: float | None = None,
    chains: tuple[Sequence[str], np.ndarray] | None = None,
) -> Comparison:
    """Compare local resolutions voxel by voxel.

    Parameters
    ----------
    maps : two or more, as from `read_resolution`; those on another grid than the first are
        interpolated
    names : of the maps, all different
    claimed : resolution claimed for the map, Å; ranked among the voxels of each
    chains : names, and ndarray (z, y, x) of every voxel's chain, as from `chain_regions`

    Raises
    ------
    InputError : boxes that differ, or no voxel known to all
    SettingError : fewer than two maps, or names that do not fit
    """
    names = tuple(names)
    if len(maps) < 2:
        raise SettingError(f"{len(maps)} local-resolution map given: give two or more to compare")
    if len(names) != len(maps) or len(set(names)) != len(maps):
        raise SettingError(
            f"{len(maps)} maps need as many different names; received {', '.join(names)}"
        )
    first = maps[0].resolution
    maps = (maps[0], *(to_grid(m, first, name=n) for m, n in zip(maps[1:], names[1:])))
    mask = np.logical_and.reduce([m.mask for m in maps])
    if not mask.any():
        raise InputError(
            "the maps have no voxel in common whose resolution all of them know;"
            " give maps of one molecule on one grid"
        )
    values = np.stack([m.resolution.data[mask] for m in maps])
    median, span = np.median(values, axis=0), np.ptp(values, axis=0)
    table = []
    for name, m, common in zip(names, maps, values):
        entry: dict[str, Any] = {
            "name": name,
            "own": _summary(m.values, claimed),
            "common": _summary(common, claimed),
            "note": m.note,
        }
        if chains is not None:
            parts = {chain: common[chains[1][mask] == i] for i, chain in enumerate(chains[0])}
            entry["chains"] = {c: _summary(part, claimed) for c, part in parts.items() if part.size}
        table.append(entry)
    pairs = _pairs(names, values)
    warned = [f"{n}: {line}" for n, m in zip(names, maps) for line in m.warnings]
    stats = {
        "method": "compare",
        "maps": table,
        "pairs": pairs,
        "consensus": resolution_stats(median),
        "disagreement": resolution_stats(span),
        "voxels": int(mask.sum()),
        "voxel_size": first.voxel_size,
        "claimed": claimed,
        "warnings": warned + _doubts(names, maps, mask, pairs),
    }
    consensus, disagreement = _inside(median, mask, first), _inside(span, mask, first)
    return Comparison(names, maps, mask, consensus, disagreement, stats)


def _summary(values: np.ndarray, claimed: float | None) -> dict[str, Any]:
    """Statistics, and the percentage of voxels that are better than claimed (ties count half)."""
    stats = resolution_stats(values)
    if claimed is not None:
        better = (values < claimed).mean() + (values == claimed).mean() / 2
        stats["claimed_percentile"] = round(100 * float(better), 2)
    return stats


def _pairs(names: tuple[str, ...], values: np.ndarray) -> list[dict[str, Any]]:
    """Median difference (second minus first, Å) and Spearman's rank correlation of every pair."""
    from scipy.stats import rankdata

    ranks = [rankdata(row) for row in values]
    pairs = []
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            vary = np.ptp(ranks[i]) > 0 and np.ptp(ranks[j]) > 0
            difference = values[j] - values[i]
            pairs.append({
                "first": names[i],
                "second": names[j],
                "median_difference": round(float(np.median(difference)), 4) + 0.0,
                "median_absolute_difference": round(float(np.median(np.abs(difference))), 4),
                "identical": not difference.any(),
                # maps of one value have no ranks
                "rank_correlation": round(float(np.corrcoef(ranks[i], ranks[j])[0, 1]), 4)
                if vary
                else None,
            })  # fmt: skip
    return pairs


def _doubts(
    names: tuple[str, ...],
    maps: Sequence[ResolutionMap],
    mask: np.ndarray,
    pairs: list[dict[str, Any]],
) -> list[str]:
    said = [
        f"{p['first']} and {p['second']} are the same in every voxel known to all"
        for p in pairs
        if p["identical"]
    ]
    for name, m in zip(names, maps):
        share = mask.sum() / m.mask.sum()
        if share < 0.5:
            said.append(f"{name}: only {share:.0%} of its voxels are known to all maps")
    return said


def _inside(values: np.ndarray, mask: np.ndarray, like: Volume) -> Volume:
    data = np.zeros(like.shape, np.float32)
    data[mask] = values
    return like.with_data(data)
