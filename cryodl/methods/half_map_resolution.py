"""Local resolution from two half maps, or from one map and its noise: estimated, drawn, written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import finest_possible, finest_stats, finest_warning
from cryodl.checks.input import check_map, check_one_grid
from cryodl.checks.quiet import filled, quiet_rim, within_rim
from cryodl.errors import InputError, SettingError
from cryodl.half_maps.bands import LEAST_RANGE
from cryodl.half_maps.fsc import (
    FscCurve,
    curve_notes,
    estimate_within,
    in_words,
    mask_of_halves,
    up_to,
)
from cryodl.half_maps.local_fsc import WINDOW, local_fsc
from cryodl.half_maps.monogenic import monogenic_resolution
from cryodl.half_maps.pair import NO_SIGNAL, half_difference, half_sum, read_halves
from cryodl.half_maps.sinusoid import sinusoid_resolution
from cryodl.maps.inputs import (
    APART,
    checked_mask,
    input_map,
    mask_source,
    mask_weights,
    origins_apart,
)
from cryodl.maps.mask import automatic_mask
from cryodl.maps.result import Result
from cryodl.maps.volume import Volume
from cryodl.methods.cost import needs
from cryodl.methods.half_map_resolution_options import OPTIONS
from cryodl.methods.options import declared, option
from cryodl.methods.output import (
    draw_local_resolution,
    finish,
    names_of,
    results_folder,
)
from cryodl.methods.registry import LOCALRES, NETWORK, mask_or_finder
from cryodl.resolution_maps.statistics import resolution_stats

# Measured on two CPU cores, the FSC of the whole map and figures counted.
START_SECONDS, LIBRARY_MEMORY, BYTES_PER_VOXEL = 3.0, 0.2e9, 90.0
SECONDS_PER_VOXEL = {"monogenic": 1.6e-6, "sinusoid": 3e-6, "localfsc": 7e-7}
AT_FINEST = 0.2  # share of voxels at the finest resolution from which that is said
MapLike = Volume | str | Path


@declared(OPTIONS)
def run_half_map_resolution(
    half1: MapLike | None = None,
    half2: MapLike | None = None,
    *,
    method: str = "monogenic",
    volume: MapLike | None = None,
    mask: MapLike | np.ndarray | None = None,
    min_resolution: float | None = None,
    max_resolution: float | None = None,
    significance: float = 0.95,
    window: float | None = None,
    exclude: MapLike | np.ndarray | None = None,
    claimed: float | None = None,
    voxel_size: float | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    palette: str = "viridis",
    device: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Result:
    """Local resolution where the signal meets the noise, and what `cryodl localres` writes of it.

    Parameters
    ----------
    half1, half2 : half maps; without them `volume` is judged, but not by "localfsc"
    method : "monogenic" (after MonoRes), "sinusoid" (after ResMap) or "localfsc" (FSC in a moving
        window, as blocres)
    volume : the map that pictures show (of half maps, their mean if None)
    mask : above 0.5 inside the molecule; "network" has one found as `run_mask` does, and so does
        None for a single map, whose noise is measured outside; for half maps None takes a rule's
    min_resolution, max_resolution : Å, the finest and the coarsest that are looked at
    significance : of "monogenic" and "sinusoid": share of noise that a voxel must exceed
    window : Å, of "localfsc": edge of the box whose volume the window has; None takes seven times
        the resolution of the whole map
    exclude : above 0.5 where the noise of a single map is not measured, such as a detergent belt
    claimed : resolution claimed for the map, Å, shown in the histogram
    voxel_size : Å, where the headers are wrong
    output : folder for maps, stats.json, figures and ChimeraX script; None writes nothing
    overwrite, palette : of the folder and the figures
    device : "auto", "cpu" or "gpu", of a network that is asked for the mask
    progress, notify : called with (stage, done, total) and with each line worth telling

    Returns
    -------
    Result : .volumes "resolution" (Å) and "mask" on the maps' grid, and .stats

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    start = time.perf_counter()
    _check_inputs(half1, half2, volume, method, min_resolution, max_resolution)
    if exclude is not None and half1 is not None:
        raise SettingError(
            "exclude= does nothing with half maps, whose difference is the noise: leave it out"
        )
    given = {"significance": significance, "window": window}
    for name in LOCALRES[method].without:
        if given[name] != option(OPTIONS, name).default:
            raise SettingError(f"{name}= does nothing with method {method}: leave it out")
    wanted = mask
    if half1 is None and mask is None:  # beyond a rule's mask there may be molecule, not noise
        wanted = NETWORK
    shown = Path(volume) if isinstance(volume, (str, Path)) else None
    inputs = half1, half2, volume, mask, exclude
    with results_folder(
        output, *inputs, overwrite=overwrite, volumes=("resolution", "mask")
    ) as work:
        if volume is not None:
            volume = input_map(volume, voxel_size)
        result = estimate_half_map_resolution(
            half1, half2, method=method, volume=volume,
            mask=mask_or_finder(wanted, device=device, progress=progress, notify=notify),
            min_resolution=min_resolution, max_resolution=max_resolution,
            significance=significance, window=window, exclude=exclude, claimed=claimed,
            voxel_size=voxel_size,
            progress=progress, notify=notify,
        )  # fmt: skip
        if volume is not None and origins_apart(volume, result.density):
            shown = None  # the file lies elsewhere than the result
        title = names_of(half1, half2) if half1 is not None else ""
        end = result.stats.get("fsc_resolution") if volume is None else None

        def draw(folder: Path) -> None:
            draw_local_resolution(
                result, folder, output=output, source=shown, palette=palette, title=title,
                sliced=up_to(result.density, end).data,
            )  # fmt: skip

        finish(result, work, start, draw, tell=notify)
    return result


def _check_inputs(half1, half2, volume, method, finest, coarsest) -> None:
    if (half1 is None) != (half2 is None):
        raise SettingError("one half map is given: give both, as half1= and half2=")
    if half1 is None and method == "localfsc":
        raise SettingError("method localfsc needs half maps: give half1= and half2=")
    if half1 is None and volume is None:
        raise SettingError("no map is given: give half1= and half2=, or volume=")
    if finest and coarsest and finest >= coarsest:
        raise SettingError(
            f"min_resolution={finest:g} Å is not finer than max_resolution={coarsest:g} Å"
        )


def _plan(volume: Volume, method: str) -> str:
    """What a run will do and need, in one sentence."""
    seconds = START_SECONDS + volume.data.size * SECONDS_PER_VOXEL[method]
    memory = LIBRARY_MEMORY + volume.data.size * BYTES_PER_VOXEL
    size = f"map of {volume.size} voxels of {volume.voxel_size:g} Å"
    return f"{size}; method {method}; {needs(seconds, memory)}"


def estimate_half_map_resolution(
    half1: MapLike | None,
    half2: MapLike | None,
    *,
    method: str,
    volume: Any = None,
    mask: Any = None,
    min_resolution: float | None = None,
    max_resolution: float | None = None,
    significance: float = 0.95,
    window: float | None = None,
    exclude: Any = None,
    claimed: float | None = None,
    voxel_size: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
    announced: bool = True,
) -> Result:
    """Local resolution where the signal meets the noise; written nowhere.

    volume : Volume, or None with half maps
    mask : Volume, array, path or a function that finds one in a Volume; None finds one by a rule
    exclude : as mask, or None
    announced : say first what the run will need; a command of which it is a part has its own word
    Others, and what is returned, as in `run_half_map_resolution`.
    """
    start = time.perf_counter()
    notify = notify or (lambda line: None)
    notes: list[str] = []
    halves = None
    if half1 is not None:
        first, second, notes = read_halves(half1, half2, voxel_size, independent=True)
        halves = first, second
        full = half_sum(first, second)
        volume = full if volume is None else volume
        check_one_grid(
            volume, full, "the map has", "the half maps", "give the map of these half maps, or none"
        )
        apart = origins_apart(volume, full)
        if apart > APART * full.voxel_size:
            notes.append(
                f"the map lies {apart:.4g} Å beside its half maps, by its origin: it is shown "
                "where they are"
            )
            volume = replace(full, data=volume.data, unit=volume.unit)
        rim = None
    else:
        rim = quiet_rim(volume)
        full = filled(volume, rim)
        notes += [rim.sentence] if rim else []
    if announced:
        notify(_plan(full, method))
    if mask is None:
        inside = mask_of_halves(*halves) if halves else within_rim(automatic_mask(full), rim)
    else:
        weights, _, more = mask_weights(mask, full)
        inside, notes = weights > 0.5, notes + more
    excluded = None if exclude is None else checked_mask(exclude, full)[1]
    curve = estimate_within(*halves, inside)[1] if halves else None
    notes += check_map(
        full if halves else volume, inside, signal=curve is not None and curve.signal
    )
    possible = finest_possible(full if halves else volume)
    notes += filter(None, [finest_warning(full, possible)])
    numbers, coarsest = _limits(full, min_resolution, max_resolution, possible)
    found: dict[str, Any] = {"significance": significance}
    whole: float | None = None
    gaps: list[tuple[float, float]] = []
    if curve is not None:
        whole = curve.resolution()
        if whole is None:
            raise InputError(f"{NO_SIGNAL}; no resolution follows from them, give other half maps")
        found["fsc_resolution"] = round(whole, 4)
        notes += curve_notes(curve)
        gaps = _gaps(curve, max(whole, numbers["min_resolution"]))
        notify(f"resolution of the whole map {in_words(whole, full.voxel_size)} (FSC 0.143)")
    for note in notes:
        notify(f"warning: {note}")
    estimating = time.perf_counter()
    if method == "localfsc":
        assert halves is not None and whole is not None  # `_check_inputs` has seen to it
        window = window or WINDOW * whole
        notify(f"window of {window:.1f} Å (edge of a box of the same volume)")
        values, unseen = local_fsc(
            *halves, inside, global_resolution=whole, window=window, gaps=gaps, progress=progress,
            **numbers,
        )  # fmt: skip
        found = {"fsc_resolution": found["fsc_resolution"], "window": round(window, 3)}
    else:
        difference = half_difference(*halves) if halves else None
        estimate: Callable[..., tuple[np.ndarray, float]] = monogenic_resolution
        level = {"significance": significance}
        if method == "sinusoid":
            estimate, level = sinusoid_resolution, {"p_value": 1 - significance}
        values, unseen = estimate(
            full, inside, difference, excluded=excluded, gaps=gaps, progress=progress, **level,
            **numbers,
        )  # fmt: skip
    np.maximum(values, np.float32(possible), out=values, where=inside)
    finest = numbers["min_resolution"]
    most = float((values[inside] <= finest * 1.02).mean())
    later = []
    if most > AT_FINEST:
        later.append(
            f"{most:.0%} of the voxels lie within 2 % of {finest:.3g} Å, the finest that is looked "
            "at: "
            + (
                "signal may reach beyond"
                if halves
                else "noise that is stronger in the molecule than beside it passes for signal, "
                "which half maps would tell"
            )
        )
    if unseen > 0.5:
        later.append(
            f"{unseen:.0%} of the mask shows no signal above the noise at any frequency"
            + (f" from {coarsest:g} Å on" if coarsest else "")
            + "; its voxels hold the coarsest resolution looked at"
        )
    for line in later:
        notify(f"warning: {line}")
    stats = {
        **resolution_stats(values[inside]),
        **finest_stats(full, possible),
        "method": method,
        **found,
        "from": "half maps" if halves else "one map",
        "min_resolution": numbers["min_resolution"],
        "max_resolution": coarsest,
        "without_signal": round(unseen, 4),
        "identical_half_maps": False,  # those are refused
        "claimed": claimed,
        "voxel_size": full.voxel_size,
        "voxel_size_given": voxel_size is not None,
        "mask": mask_source(mask),
        "warnings": notes + later,
        "seconds": {"estimate": round(time.perf_counter() - estimating, 3)},
    }
    stats["seconds"]["total"] = round(time.perf_counter() - start, 3)
    volumes = {"resolution": full.with_data(values), "mask": full.with_data(inside)}
    return Result(volumes, stats, volume)


def _gaps(curve: FscCurve, finest: float) -> list[tuple[float, float]]:
    """Resolutions (coarser, finer; Å) at which the whole map holds no signal: no voxel ends there.

    Voxels are followed from the coarsest resolution on, and end where they hold no signal.
    """
    begins = curve.signal_from()
    empty = [(np.inf, begins)] if begins and begins > LEAST_RANGE * finest else []
    return empty + curve.dips() + curve.dips(kind="unmasked")  # a mask may fill a dip


def _limits(full: Volume, finest: float | None, coarsest: float | None, possible: float):
    """Finest and coarsest resolution as given, where the map allows it.

    possible : Å, as `finest_possible` gives it
    """
    nyquist, half = 2 * full.voxel_size, min(full.shape) * full.voxel_size / 2
    if coarsest is not None and coarsest <= LEAST_RANGE * possible:
        holds = "voxels hold" if possible <= nyquist * 1.001 else "map's spectrum holds"
        raise SettingError(
            f"max_resolution={coarsest:g} Å leaves nothing above the {possible:.4g} Å that the "
            f"{holds}: give a coarser one"
        )
    if coarsest is not None and coarsest > half:
        raise SettingError(
            f"max_resolution={coarsest:g} Å is more than the box tells, half its edge: give "
            f"{half:g} Å at most"
        )
    finest = max(finest or 0.0, possible)
    if finest >= half:
        raise SettingError(
            f"min_resolution={finest:g} Å leaves nothing below the {half:g} Å that the box tells, "
            "half its edge: give a finer one"
        )
    return {"min_resolution": finest, "max_resolution": coarsest}, coarsest
