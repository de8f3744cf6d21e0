"""What is unusual about a map, said before it is used; whether networks were trained on such maps.

Where a map lies outside of what a network was trained on, its intervals become wider: an interval
is calibrated on maps like those of the training, and says nothing of others. A bundle's spec says
what these were, as "trained": {"voxel_sizes": [finest, coarsest] in Å, "kinds": of KINDS,
"widening": factor}; one without it keeps its intervals. The factors are a judgement and not a
measurement: they say that an interval may not be trusted, not by how much it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cryodl.checks.noise import CLEAN, INVERTED, NOISE, clean_warning, contrast_warning
from cryodl.checks.quiet import Rim, filled, quiet_rim
from cryodl.checks.voxel_size import voxel_size_warning
from cryodl.errors import InputError, counted
from cryodl.maps.crop import bounding_box
from cryodl.maps.mask import automatic_mask, coarse_mask, existing_mask, outside_value
from cryodl.maps.volume import Volume

SURE = NOISE, INVERTED  # whatever noise fills a quiet rim
MASKED = "the map looks masked already"
VOXEL_SIZES = (0.3, 5.0)  # Å, of cryo-EM maps
DIAMETERS = (20.0, 1500.0)  # Å, of molecules seen by cryo-EM
# Share of the molecule in a mask, and of the mask in the molecule, below which the mask lies beside
# it. Masks found in 29 maps held 46 % at least; their inverses were to 6 % in the molecule at most.
HELD, FILLED = 0.1, 0.05
SMALLEST_BOX = 16, 20.0  # voxels, Å: edge of a box, below which no texture is seen


def check_map(
    volume: Volume,
    mask: np.ndarray | None = None,
    coarse_mask: np.ndarray | None = None,
    *,
    signal: bool = False,
    whole: int | None = None,
) -> list[str]:
    """Plain sentences about what is unusual in a map; none of them prevents its use.

    volume : density
    mask : ndarray, shape (z, y, x), bool, where the molecule is; None has `automatic_mask` find it
    coarse_mask : likewise, what `coarse_mask` finds, by which voxel size and noise are judged,
        where it is known already
    signal : its half maps have signal in common: it is not noise, however it looks
    whole : voxels of the map that was given, where this is a part of it
    """
    rim = quiet_rim(volume)
    nothing = None if rim is None else contrast_warning(filled(volume, rim, like_all=True), None)
    if rim is not None and contrast_warning(volume, None) == INVERTED:
        nothing = INVERTED  # noise like that of the solvent would hide it: none is found
    volume = filled(volume, rim)
    if mask is None:
        mask = automatic_mask(volume)
    found = []
    if volume.mended:
        found.append(
            f"{counted(volume.mended, 'voxel')} far beyond all densities of"
            " the map (hot voxels): the median of the neighbours is taken instead"
        )
    support = existing_mask(volume.data)
    if support is not None:
        found.append(
            f"{MASKED}: {1 - support.sum() / (whole or support.size):.0%} of its voxels hold"
            " one and the same value; only the rest is considered"
        )
    found += filter(None, [size_warning(volume.voxel_size)])
    edge = min(volume.shape)
    voxels, least = SMALLEST_BOX
    if edge < voxels or edge * volume.voxel_size < least:
        found.append(
            f"the box of {volume.size} voxels is {edge * volume.voxel_size:.3g} Å at its"
            f" shortest edge, and {voxels} voxels and {least:g} Å are the least that tells"
            " anything: what is said of the map means nothing; give a larger part of it"
        )
    extents = [last - first for first, last in bounding_box(mask)] if mask.any() else [0]
    diameter = max(extents) * volume.voxel_size
    contrast = nothing if nothing in SURE else contrast_warning(volume, support)
    low, high = DIAMETERS
    if signal and contrast == NOISE:
        contrast = None
    if contrast is not None:
        found.append(contrast)
    elif not low <= diameter <= high:
        found.append(
            f"the molecule would be {diameter:.0f} Å across, which is implausible"
            f" ({low:g}-{high:g} Å); check the voxel size of {volume.voxel_size:g} Å"
        )
    else:
        found += _of_molecule(volume, mask, support, coarse_mask)
    edges = [mask.take(end, axis).mean() for axis in range(3) for end in (0, -1)]
    if max(edges) > 0.02:
        found.append(
            "the molecule touches the border of the box"
            f" (up to {max(edges):.0%} of a face); values there are less certain"
        )
    return found


def size_warning(voxel_size: float) -> str | None:
    """A sentence where no cryo-EM map has such voxels (Å), or None."""
    low, high = VOXEL_SIZES
    if low <= voxel_size <= high:
        return None
    meant = 10 * voxel_size
    unit = f"; were nm taken for Å, it is {meant:g} Å" if low <= meant <= high / 2 else ""
    return (
        f"the voxel size of {voxel_size:g} Å is implausible for a cryo-EM map ({low:g}-{high:g} Å)"
        f", and all that is said in Å is wrong with it{unit}: --voxel-size gives the true one"
    )


def _of_molecule(
    volume: Volume, mask: np.ndarray, support: np.ndarray | None, inside: np.ndarray | None
) -> list[str]:
    """A sentence where the mask is not on the molecule; one where a map has no noise, which the
    check of voxel sizes has not seen either, or where its voxel size cannot be right.

    inside : roughly the molecule, None finds it
    """
    molecule = coarse_mask(volume) if inside is None else inside
    if inside is None and support is None:  # both look there
        inside = molecule
    held = beside(mask, molecule)
    found = []
    if held is not None:
        found.append(
            f"the mask lies beside the molecule found in the map, of which it holds {held:.0%}: "
            "give the mask of this map, which is 1 in the molecule; if none was given, look at the "
            "map's contrast"
        )
    said = clean_warning(volume, support, inside) or voxel_size_warning(volume, inside)
    return found if said is None else [*found, said]


def beside(mask: np.ndarray, molecule: np.ndarray) -> float | None:
    """Share of the molecule that is in a mask, where that lies beside it; None where it does not.

    mask, molecule : ndarrays, shape (z, y, x), bool
    """
    both = int((mask & molecule).sum())
    held = both / max(int(molecule.sum()), 1)
    # a mask of a part holds little of the molecule, too, but little else
    return held if held < HELD and both < FILLED * mask.sum() else None


def check_one_grid(
    first: Volume,
    second: Volume,
    first_has: str,
    second_name: str,
    advice: str = "give maps on one grid",
) -> None:
    """Raises InputError where two maps differ in shape or, by 1 %, in voxel size.

    first_has, second_name : words of the message, such as "the half maps have", "the map"
    """
    if first.shape == second.shape and abs(first.voxel_size / second.voxel_size - 1) < 0.01:
        return
    sizes = [f"{v.size} voxels of {v.voxel_size:g} Å" for v in (first, second)]
    raise InputError(f"{first_has} {sizes[0]} and {second_name} {sizes[1]}: {advice}")


SIZES = 0.5, 2.0  # of the grid's voxel size, of maps that are brought to it without much loss
WIDENING = 1.5  # for each reason, where the spec tells no other
MOST = 2.5  # for all reasons
AT_END, NEAR = 2.0, 0.02  # for voxels that lie within a share of the ends of the trained range
MANY = 0.2  # share of the voxels at an end from which that is said
THRESHOLDED = 0.001  # share of densities below the constant, up to which these were taken away
KINDS = {
    "clean": "without noise",
    "quiet rim": "quiet beyond a sphere or cylinder",
    "thresholded": "whose low densities were taken away",
    "masked": "that was masked",
}


def trained_on(
    voxel_size: float, kinds: list[str], sizes: list[float] | None = None
) -> dict[str, Any]:
    """A spec's entry: maps of these kinds, beside those with noise all around.

    voxel_size : Å, of the network's grid;  kinds : of KINDS
    sizes : (finest, coarsest) Å, voxels of the maps; None is half to twice the grid's
    """
    sizes = sizes or [voxel_size * factor for factor in SIZES]
    return {"voxel_sizes": sizes, "kinds": kinds, "widening": WIDENING}


def kind_of(volume: Volume, rim: Rim | None, notes: list[str]) -> str | None:
    """Which of KINDS a map is, or None for one with noise all around.

    volume : density, as it was given;  rim : of it;  notes : what `check_map` said of it
    """
    if CLEAN in notes:
        return "clean"
    if rim is not None:
        return "quiet rim"
    support = existing_mask(volume.data)
    if support is None:
        return None
    below = volume.data[support] < outside_value(volume.data, support)
    return "thresholded" if below.mean() < THRESHOLDED else "masked"


def beyond_training(spec: Mapping[str, Any], volume: Volume, kind: str | None) -> list[str]:
    """Why a map is none of those that a network was trained on, in plain words; mostly nothing.

    spec : of the bundle;  volume : density;  kind : as `kind_of` finds it
    """
    trained = spec.get("trained")
    if trained is None:
        return []
    said = []
    finest, coarsest = trained.get("voxel_sizes", (0.0, np.inf))
    if not finest <= volume.voxel_size <= coarsest:
        said.append(f"of {volume.voxel_size:g} Å voxels (trained: {finest:g}-{coarsest:g} Å)")
    if kind is not None and kind not in trained.get("kinds", KINDS):
        said.append(KINDS[kind])
    return said


def widening(spec: Mapping[str, Any], reasons: list[str], values: np.ndarray) -> np.ndarray:
    """By what factor intervals are wider, ndarray (n,), 1 where all is as in training.

    reasons : as from `beyond_training`;  values : ndarray (n,), resolution in Å before it is
        brought to what the map can hold; those at the ends of the trained range may lie beyond
    """
    factor = np.ones(values.shape, np.float32)
    trained = spec.get("trained")
    if trained is None:
        return factor
    factor *= min(MOST, float(trained.get("widening", WIDENING)) ** len(reasons))
    best, worst = spec["resolution_limits"]
    factor[(values <= best * (1 + NEAR)) | (values >= worst * (1 - NEAR))] *= AT_END
    return np.minimum(factor, np.float32(MOST))


def widening_warning(reasons: list[str], factor: np.ndarray) -> str | None:
    """A sentence on intervals that are wider, or None.

    reasons : as from `beyond_training`;  factor : as from `widening`
    """
    if not reasons:
        return None
    return (
        f"the network was not trained on maps {' and '.join(reasons)}: its intervals are "
        f"{float(factor.min()):.3g} times as wide, and what it says is less certain still"
    )


def refuse_coarse(volume: Volume, coarsest: float = 13.0) -> None:
    """Raise InputError for voxels that hold nothing which a network knows.

    coarsest : Å, resolution that it tells; 13 is that of most
    """
    if 2 * volume.voxel_size > coarsest:
        raise InputError(
            f"voxels of {volume.voxel_size:.4g} Å hold nothing finer than "
            f"{2 * volume.voxel_size:.4g} Å, and the network knows maps of {coarsest:g} Å and "
            "finer: nothing can be told of this one; check its voxel size, or give a map of "
            "smaller voxels"
        )


UNLIKE_CLAIM = 1.3  # times a claim, or less by as much: a map reads otherwise than was claimed


def claim_warning(claimed: float | None, median: float, half_width: float) -> str | None:
    """A sentence where a map reads far finer or coarser than it is claimed to be.

    claimed, median : Å, of the local resolutions;  half_width : Å, of the median's 90 % interval
    """
    if claimed is None or abs(median - claimed) <= half_width:
        return None
    ratio = median / claimed
    if 1 / UNLIKE_CLAIM < ratio < UNLIKE_CLAIM:
        return None
    return (
        f"{claimed:g} Å is claimed, and the map reads {'finer' if ratio < 1 else 'coarser'}, "
        f"{median:.3g} ±{half_width:.2g} Å in the median: that is what it looks like as it is "
        "filtered and sharpened, and both may be right; half maps tell"
    )


AT_FINEST = 1e-4  # by which a value may lie off the finest that a map can hold


def at_ends(
    values: np.ndarray,
    spec: Mapping[str, Any],
    better: str = "",
    worse: str = "",
    *,
    finest: float = 0.0,
) -> list[str]:
    """Sentences where many values lie at the ends of what a network tells, or a map can hold.

    values : ndarray (n,), Å, inside the mask;  spec : of the bundle
    better, worse : added to the sentences, such as another network to try
    finest : Å, that the map can hold, to which finer values were brought
    """
    best, worst = spec["resolution_limits"]
    if finest > best and (share := float((values <= finest * (1 + AT_FINEST)).mean())) > MANY:
        return [
            f"{share:.0%} of the voxels lie at {finest:.3g} Å, the finest that the map can hold: "
            "they looked finer still, as noise or a map sharpened too far does, so this is no "
            "resolution that was found"
        ]
    ends = (
        (values <= best * (1 + NEAR), best, "best", "better", better),
        (values >= worst * (1 - NEAR), worst, "worst", "worse", worse),
    )
    return [
        f"{share:.0%} of the voxels lie at {end:g} Å, the {which} this network tells: they may be "
        f"{how}{more}"
        for held, end, which, how, more in ends
        if (share := float(held.mean())) > MANY
    ]
