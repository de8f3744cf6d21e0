"""The models "linear" and "refined": a map filtered as it deserves, and corrected by a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cryodl.checks.finest import finest_possible
from cryodl.checks.input import check_map
from cryodl.checks.noise import NOISE
from cryodl.checks.quiet import molecule_within, quiet_rim
from cryodl.errors import InputError, SettingError
from cryodl.half_maps.fsc import THRESHOLDS, mask_of_halves
from cryodl.half_maps.pair import half_sum, read_halves
from cryodl.maps.inputs import input_map, input_mask, mask_source
from cryodl.maps.result import Result
from cryodl.maps.volume import Volume
from cryodl.methods.cost import Timer, needs
from cryodl.methods.enhance.audit import SURFACE, agreement
from cryodl.methods.enhance.linear import Linear, filter_half_maps, filter_map
from cryodl.methods.enhance.options import OPTIONS
from cryodl.methods.enhance.reference import ModelFit
from cryodl.methods.enhance.refined.correct import COARSEST, changed
from cryodl.methods.options import option
from cryodl.methods.registry import mask_or_finder, resolution_by_network

FILTERING = "linear", "refined"
# Times the resolution that a network finds in one map: what is filtered away is lost, whereas the
# noise that is left is little. Of 0.87, 0.93 and 1, with this one none of twelve maps by RELION
# lost more than 0.012 of its Q-score (1: 0.023), and all but one gained.
FINER = 0.93


def check_filtering(model: str, others: dict[str, Any]) -> None:
    """Raise SettingError where a model is given what it has no use for."""
    for name in given(others):
        raise SettingError(f"model={model!r} has no use for {name}=: leave it out")


def given(others: dict[str, Any]) -> list[str]:
    """Names of the keywords that do not have their default."""
    found = []
    for name, value in others.items():
        default = option(OPTIONS, name).default
        if value is not default and not (np.isscalar(value) and value == default):
            found.append(name)
    return found


def choose_model(others: dict[str, Any]) -> str:
    """The model for what is given; others : keywords that filters have no use for."""
    return "tight" if given(others) else "refined"


def enhance_by_filters(
    inputs: Sequence[Any],
    model: str,
    correct: Callable[[Linear], Any] | None,
    *,
    mask: Any = None,
    voxel_size: float | None = None,
    device: str = "auto",
    fit: ModelFit,
    tell: Callable[[str], None],
) -> Result:
    """What `run_enhance` returns, of these models.

    inputs : a map, or two half maps
    correct : of a Linear its correction by a network (`refined.correct.refine`), or None
    mask, voxel_size, device : as of `run_enhance`;  fit : of its reference model
    tell : called with each line worth telling
    """
    timer = Timer()
    with timer("read"):
        original, halves, inside, notes = _read(inputs, mask, voxel_size, device, tell)
    tell(_plan(original, model, bool(halves)))
    for note in notes:
        tell(f"warning: {note}")
    if not halves and NOISE in notes:
        raise InputError(f"{NOISE}; give another map, or half maps")
    fit.judge_before(original)
    with timer("enhance"):
        if halves:
            found = filter_half_maps(halves[0], halves[1], inside)
            resolution = found.resolution
        else:
            resolution = resolution_by_network(original, device=device)
            finest = finest_possible(original)
            resolution, filtered_to = (max(r, finest) for r in (resolution, FINER * resolution))
            tell(
                f"resolution {resolution:.2f} Å, by the network of cryodl localres, of one map; "
                f"it is filtered to {filtered_to:.2f} Å"
            )
            found = filter_map(original, inside, filtered_to)
    density, change = found.full, found.change
    volumes: dict[str, Any] = {}
    of_network: dict[str, Any] = {}
    if correct is not None and found.resolution > COARSEST:
        correct, model = None, "linear"
        notes.append(
            f"beyond {COARSEST:g} Å the network knows nothing: the map is filtered, not corrected"
        )
        tell(f"warning: {notes[-1]}")
    if correct is not None:
        with timer("correct"):
            density, volumes["trust"], bundle = correct(found)
        seen = volumes["trust"].data[(density.data > SURFACE) & (volumes["trust"].data > 0)]
        of_network["trust_median"] = round(float(np.median(seen)), 4) if seen.size else None
        change = np.where(change < 0, change, changed(found.full.data, density.data))
        of_network |= {"bundle": bundle.spec["name"], "bundle_sha256": bundle.sha256}
    if found.halves:
        with timer("audit"):
            volumes["support"] = density.with_data(agreement(*found.halves))
    shown = [float(v.data[v.data > SURFACE].sum()) for v in (found.full, density)]
    added, lost = float(change[change > 0].sum()), abs(float(change[change < 0].sum()))
    stats: dict[str, Any] = {
        "method": "postprocess",
        "model": model,
        **of_network,
        "source": "half maps" if halves else "one map",
        "resolution": round(resolution, 4),
        "filtered_to": round(found.resolution, 4),
        "density_added": round(added / max(shown[1], 1e-30), 4),
        "density_removed": round(lost / max(lost + shown[0], 1e-30), 4),
        "mask": mask_source(mask) if mask is not None else "automatic",
        "surface": SURFACE,
        "voxel_size": original.voxel_size,
        "voxel_size_given": voxel_size is not None,
        "warnings": notes,
        "seconds": timer.seconds,
    }
    if found.curve is not None:
        stats["fsc"] = _fsc(found.curve, moved=correct is not None)
    with timer("model"):
        worse = fit.judge_after(density, stats)
    for note in worse:
        tell(f"warning: {note}")
    notes.extend(worse)
    volumes |= {"enhanced": density, "audit": density.with_data(change)}
    return Result(volumes, stats, original)


# Measured on two CPU cores, of each voxel of the map; a network also takes what TILE says.
START, TILE = (2.0, 0.4e9), 1.0e9  # seconds and bytes; bytes
OF_VOXEL = {"filter": (0.9e-6, 60.0), "network": (1.0e-6, 35.0)}


def _plan(volume: Volume, model: str, halves: bool) -> str:
    """What a run will do and need, in one sentence.

    One map has its resolution found by a network, and "refined" asks another.
    """
    networks = (model == "refined") + (not halves)
    seconds, memory = (
        start + volume.data.size * (filtering + networks * network)
        for start, filtering, network in zip(START, *OF_VOXEL.values())
    )
    words = needs(seconds, memory + (TILE if networks else 0))
    return f"map of {volume.size} voxels of {volume.voxel_size:g} Å; model {model}; {words}"


def _read(inputs, mask, voxel_size, device, tell):
    """The map, its halves or none, the molecule, and what is unusual about them."""
    mask = mask_or_finder(mask, device=device, notify=tell)
    halves: list[Any] = []
    rim = None
    if len(inputs) == 2:
        first, second, notes = read_halves(inputs[0], inputs[1], voxel_size, independent=True)
        original, halves = half_sum(first, second), [first, second]
    else:
        original = input_map(inputs[0], voxel_size)
        rim = quiet_rim(original)
        notes = [rim.sentence] if rim else []
    inside, more = input_mask(mask, original)
    if inside is None:
        inside = mask_of_halves(first, second) if halves else molecule_within(original, rim)
    return original, halves, inside, notes + more + check_map(original, inside)


def _fsc(curve, moved: bool) -> dict[str, float | None]:
    """FSC of the half maps before and after: a radial filter moves none, and of what a network
    makes of both halves together there is none to measure."""
    before = {t: curve.resolution(t) for t in THRESHOLDS}
    rounded = {t: None if value is None else round(value, 4) for t, value in before.items()}
    after = {t: None if moved else value for t, value in rounded.items()}
    return {f"before_{t:g}": value for t, value in rounded.items()} | {
        f"after_{t:g}": value for t, value in after.items()
    }
