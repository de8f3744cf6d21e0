"""What is done to an enhanced map, and its audit against the input.

Small pieces are removed and the input's density is kept where the user protects it. The audit finds
density without evidence in the input, density that was lost, and how far enhanced halves agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cryodl.checks.finest import finest_possible
from cryodl.checks.noise import NOISE
from cryodl.errors import InputError
from cryodl.filters.sharpen import match_spectrum, radial_amplitude, spectral_limit
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.estimate import Enhanced

SURFACE = 1.0  # density of enhanced maps (root mean square of molecules) at which they are shown
EDGE = 3.0  # Å over which protected density gives way to enhanced one
REACH = 3  # voxels around a removed piece that go with it


def protect(enhanced: Volume, density: Volume, inside: np.ndarray) -> Volume:
    """Keep the input's density in a region, sharpened to match what surrounds it.

    enhanced, density : Volume, on one grid: the network's answer, and the input, background 0
    inside : ndarray, shape (z, y, x), bool, the region
    """
    from scipy.ndimage import gaussian_filter

    shown = np.abs(enhanced.data) > 0.3 * SURFACE
    shown = shown if shown.any() else inside
    kept = match_spectrum(density, enhanced, mask=shown | inside)
    width = EDGE / 2 / enhanced.voxel_size
    weight = np.minimum(2 * gaussian_filter(inside.astype(np.float32), width, truncate=3.0), 1)
    return enhanced.with_data(enhanced.data + weight * (kept.data - enhanced.data))


def remove_small(
    data: np.ndarray, fraction: float, *, keep: np.ndarray | None = None
) -> tuple[np.ndarray, int]:
    """Remove connected pieces smaller than a fraction of the largest one.

    data : ndarray, shape (z, y, x), an enhanced map
    fraction : of the largest piece's voxels; 0 removes nothing
    keep : ndarray, shape (z, y, x), bool, whose pieces stay

    Returns (map, number of pieces removed).
    """
    from scipy import ndimage

    labels, count = ndimage.label(data > 0.5 * SURFACE, np.ones((3, 3, 3)))
    if fraction <= 0 or count < 2:
        return data, 0
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    small = sizes < fraction * sizes.max()
    small[0] = False
    if keep is not None:
        small[np.unique(labels[keep])] = False
    if not small.any():
        return data, 0
    near = ndimage.binary_dilation(small[labels], iterations=REACH)
    left = ndimage.binary_dilation((labels > 0) & ~small[labels], iterations=REACH)
    return np.where(near & ~left, np.float32(0), data), int(small.sum())


AVERAGE = 2.0  # Å, standard deviation of the window of evidence
SOME, CLEAR = 2.0, 5.0  # deviations of the noise from which there is some, and clear evidence
EMPTY = 0.1  # mean density (of SURFACE) below which an enhanced map is empty
HARDLY = 4000.0  # Å³ of clear evidence, of a protein of some 3 kDa: with less there is no molecule
MUCH = 0.1  # share of density added from which on a warning is given
MUCH_REMOVED = 0.4
AGREEMENT = 3.0  # Å, standard deviation of the window in which halves are compared
_CUT_OUT = 0.05  # of the largest averages: the noise of a map that holds none


COARSEST_VOXEL, COARSEST = 3.5, 12.0  # Å, of maps that the networks can make anything of
TOO_MUCH = 0.5  # of the clear density removed: the network does not know such a map
INSTEAD = "use model='linear', which invents and removes nothing"


def refuse_out_of_range(volume: Volume, notes: Sequence[str]) -> None:
    """Raise InputError for a map of which a network makes nothing that can be believed.

    notes : what `check_map` said of it
    """
    if volume.voxel_size > COARSEST_VOXEL:
        raise InputError(
            f"voxels of {volume.voxel_size:.3g} Å are too large for the networks, which know maps "
            f"of up to {COARSEST_VOXEL:g} Å: {INSTEAD}"
        )
    limit = finest_possible(volume)
    if limit > COARSEST:
        raise InputError(
            f"the map's spectrum ends at {limit:.1f} Å, and the networks know nothing of maps "
            f"beyond {COARSEST:g} Å: {INSTEAD}"
        )
    if NOISE in notes:
        raise InputError(f"{NOISE}; give another map, or half maps")


def refuse_unknown(found: Audit, evidence: Evidence) -> None:
    """Raise InputError where a network's answer contradicts its input."""
    if found.removed > TOO_MUCH and not evidence.nothing:
        raise InputError(
            f"the network would remove {found.removed:.0%} of what the map shows clearly, so it "
            f"does not know such a map: {INSTEAD}, or protect_mask= where density is to stay"
        )


@dataclass(frozen=True)
class Audit:
    """The audit of one enhanced map.

    change : ndarray, shape (z, y, x), float32, in the unit of the enhanced map: positive, density
        added without evidence; negative, density of the input that was removed
    added : share of the enhanced map's density without evidence
    removed : share of the input's clear evidence that the enhanced map does not show
    warnings : plain sentences
    """

    change: np.ndarray
    added: float
    removed: float
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Evidence:
    """What an input shows by itself, on the network's grid.

    value : ndarray, shape (z, y, x), float32, its density averaged, in deviations of the noise's
    clear : ndarray, bool, where that is clear
    nothing : whether there is hardly any such place, as in a map of noise
    """

    value: np.ndarray
    clear: np.ndarray
    nothing: bool


def find_evidence(enhanced: Enhanced, left: np.ndarray | None = None) -> Evidence:
    """Evidence of density in the input of an enhanced map.

    left : ndarray (z, y, x), bool, where an earlier mask had left something; None: everywhere
    """
    from scipy.ndimage import gaussian_filter

    source = enhanced.source.data
    width = AVERAGE / enhanced.source.voxel_size
    mean = gaussian_filter(source, width, mode="nearest", truncate=3.0)
    region = enhanced.noise.region
    # Percentiles, since what is taken for noise may hold some signal.
    if region is not None and mean[region].any():
        low, middle, high = np.percentile(mean[region], (16, 50, 84))
        sd = (high - low) / 2
    else:
        middle, sd = 0.0, _CUT_OUT * float(np.percentile(np.abs(mean), 99.9)) / SOME
    value = (mean - np.float32(middle)) / np.float32(max(sd, 1e-30))
    clear = value > CLEAR
    if left is not None:  # the edge of a mask rings on the network's grid
        clear &= left
    volume = float(clear.sum()) * enhanced.source.voxel_size**3
    return Evidence(value, clear, region is not None and volume < HARDLY)


def audit(
    enhanced: Enhanced,
    spec: Mapping[str, Any],
    density: np.ndarray | None = None,
    evidence: Evidence | None = None,
) -> Audit:
    """Compare an enhanced map with its input, on the network's grid.

    density : ndarray, shape (z, y, x), what the network's answer was made into; None: the answer
    evidence : of the input; None finds it
    """
    from scipy.ndimage import gaussian_filter

    density = enhanced.density.data if density is None else density
    found = find_evidence(enhanced) if evidence is None else evidence
    value, clear = found.value, found.clear
    width = AVERAGE / enhanced.source.voxel_size
    shown = density > SURFACE
    without = shown & (value < SOME)
    left = gaussian_filter(np.maximum(density, 0), width, mode="nearest", truncate=3.0)
    lost = clear & (left < EMPTY * SURFACE)
    added = float(density[without].sum() / max(float(density[shown].sum()), 1e-30))
    removed = float(value[lost].sum() / max(float(value[clear].sum()), 1e-30))
    change = np.where(without, density, 0).astype(np.float32)
    both = shown & clear
    unit = float(density[both].mean() / value[both].mean()) if both.any() else 1.0
    change[lost] = -np.float32(unit) * value[lost]
    notes = _warnings(enhanced, spec, found.nothing, added, removed)
    return Audit(change, round(added, 4), round(removed, 4), notes)


def _warnings(enhanced: Enhanced, spec, nothing: bool, added: float, removed: float) -> list[str]:
    notes = []
    if nothing:
        notes.append(
            "the input holds hardly any density above its noise: whatever the network shows may be "
            "invented, and the enhanced map is left empty where there is none; check the input"
        )
    elif enhanced.noise.region is None and not enhanced.noise.given:
        notes.append(
            "no part of the map holds noise alone, as if it was masked or cut out: nothing tells "
            "signal from noise; give half maps, the unmasked map, or --noise-mean and --noise-std"
        )
    if added > MUCH:
        notes.append(
            f"{added:.0%} of the enhanced density lies where the input shows none above its noise: "
            "the network may have invented it; look at audit.mrc, and do not build into this map"
        )
    if removed > MUCH_REMOVED:
        notes.append(
            f"{removed:.0%} of what the input shows clearly is gone from the enhanced map, such as "
            "a belt of detergent, or a part that the network does not know; look at audit.mrc, and "
            "keep what matters with a protect mask"
        )
    worst = spec["resolution_limits"][1]
    limit = spectral_limit(*radial_amplitude(enhanced.source))
    if limit > worst:
        notes.append(
            f"the map's spectrum ends at {limit:.1f} Å, and the network was trained on maps of "
            f"{spec['resolution_limits'][0]:g} to {worst:g} Å: do not trust its detail"
        )
    return notes


def agreement(first: Volume, second: Volume) -> np.ndarray:
    """How far two enhanced halves agree at every voxel: their local correlation.

    Returns ndarray, shape (z, y, x), float32: the correlation about 0 in a Gaussian window, from 0
    to 1; 0 where both are empty, or contradict each other.
    """
    from scipy.ndimage import gaussian_filter

    width = AGREEMENT / first.voxel_size
    a, b = first.data, second.data

    def mean(values):
        return gaussian_filter(values, width, mode="nearest", truncate=3.0)

    power = np.sqrt(np.maximum(mean(a * a), 0) * np.maximum(mean(b * b), 0))
    cross = mean(a * b)
    enough = power > (EMPTY * SURFACE) ** 2
    found = np.divide(cross, power, out=np.zeros_like(cross), where=enough)
    return np.clip(found, 0, 1)
