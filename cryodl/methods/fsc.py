"""Fourier shell correlation of two half maps: estimated, drawn and written."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.input import check_map
from cryodl.half_maps.directional import SURE, DirectionalFsc, directional_fsc
from cryodl.half_maps.fsc import (
    THRESHOLDS,
    FscCurve,
    curve_notes,
    estimate_fsc,
    estimate_within,
    in_words,
    mask_of_halves,
)
from cryodl.half_maps.pair import (
    IDENTICAL,
    NO_SIGNAL,
    half_sum,
    on_one_scale,
    read_halves,
)
from cryodl.maps.inputs import mask_source, mask_weights
from cryodl.maps.mrc import write_map
from cryodl.maps.result import Result
from cryodl.maps.volume import Volume
from cryodl.methods.fsc_options import OPTIONS
from cryodl.methods.options import declared
from cryodl.methods.output import figure_of, finish, names_of, results_folder, warnings
from cryodl.methods.registry import mask_or_finder


@dataclass(frozen=True)
class FscResult(Result):
    """A Result with the mask as its volume, and the curves.

    curve : FscCurve, arrays over shells
    directional : DirectionalFsc, or None where it was not asked for
    """

    curve: FscCurve
    directional: DirectionalFsc | None = None


@declared(OPTIONS)
def run_fsc(
    half1: Volume | str | Path,
    half2: Volume | str | Path,
    *,
    mask: Volume | np.ndarray | str | Path | None = None,
    directional: bool = False,
    voxel_size: float | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    device: str = "auto",
    notify: Callable[[str], None] | None = None,
) -> FscResult:
    """Resolution of two half maps by Fourier shell correlation, and what `cryodl fsc` writes.

    Parameters
    ----------
    half1, half2 : paths, or Volumes of shape (z, y, x)
    mask : on their grid, from 0 to 1; a binary one gets a soft edge; "network" has it found as
        `run_mask` does; None finds one by a rule
    directional : FSC in cones too, which tells whether the map is as good in all directions
    voxel_size : Å, where the headers are wrong
    output : folder for stats.json, fsc.csv, fsc.xml (as the EMDB takes it), fsc.png and .svg,
        mask.mrc, and directional.csv (Å of each direction), .mrc (FSC by frequency, 0 in the
        middle), .png and .svg; None writes nothing
    overwrite : replace results of an earlier run
    device : "auto", "cpu" or "gpu", of a network that is asked for the mask
    notify : called with each line worth telling of that

    Returns
    -------
    FscResult : .stats with "resolution_0.143" and "resolution_0.5" (Å, within the mask, corrected
        by phase randomisation; None where there is no common signal), "signal_from" (Å, where
        coarser shells hold no signal and were left out, else None) and "dips" ([from, to], Å, below
        0.143 with signal beyond), .volumes "mask", .curve; "directional" with "area_ratio" (of
        cones: cFAR), "sphericity", "uneven" (RMS by side of the logarithm of signal over noise),
        "certainty" (that over chance), "anisotropic", "finest", "coarsest" (Å) and "worst" (axes x,
        y, z and Å), and .directional

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    start = time.perf_counter()
    with results_folder(output, half1, half2, mask, overwrite=overwrite, volumes=("mask",)) as work:
        mask = mask_or_finder(mask, device=device, notify=notify)
        result = _estimate(half1, half2, mask, voxel_size, directional)
        draw = partial(_draw, result, title=names_of(half1, half2))
        finish(result, work, start, draw, write=partial(_write_tables, result))
    return result


def summary(stats: dict[str, Any]) -> list[str]:
    within, without = (_resolutions(stats, suffix) for suffix in ("", "_unmasked"))
    lines = [*warnings(stats), f"resolution {within}; without a mask {without}"]
    if "directional" in stats:  # before the last line, which says what was asked first
        lines.insert(-1, _directions(stats["directional"]))
    return lines


def _directions(found: dict[str, Any]) -> str:
    spread = f"directions: {found['finest']:.2f} to {found['coarsest']:.2f} Å"
    if any(one["resolution"] is None for one in found["worst"]):
        spread += ", and some without signal"
    if found["certainty"] <= SURE:
        return f"{spread}, not more than chance"
    return f"{spread}, more than chance" + ("" if found["anisotropic"] else ", but little")


def _resolutions(stats: dict[str, Any], suffix: str) -> str:
    found = [(t, stats[f"resolution_{t}{suffix}"]) for t in ("0.143", "0.5")]
    voxel = stats["voxel_size"]
    return ", ".join(f"{in_words(r, voxel) if r else 'none'} (FSC {t})" for t, r in found)


def _estimate(half1, half2, mask, voxel_size, directional) -> FscResult:
    start = time.perf_counter()
    first, second, notes = read_halves(half1, half2, voxel_size)
    second = on_one_scale(first, second, alike=0.0)
    full = half_sum(first, second)
    kind, soft = "automatic", False
    if mask is None:
        weights = mask_of_halves(first, second)
    else:
        weights, soft, more = mask_weights(mask, full)
        notes += more
        kind = mask_source(mask) + ("" if soft else ", softened")
    if soft:
        curve = estimate_fsc(first, second, weights)
    else:
        weights, curve = estimate_within(first, second, weights != 0)
    notes += check_map(full, weights > 0.5, signal=curve.signal) + curve_notes(curve)
    if not curve.signal:
        notes.append(NO_SIGNAL)
    elif IDENTICAL not in notes and not np.any(curve.corrected < THRESHOLDS[0]):
        notes.append(
            f"the FSC stays above 0.143 up to the Nyquist frequency ({2 * full.voxel_size:g} Å): "
            "the resolution is limited by the voxel size"
        )
    stats: dict[str, Any] = {
        f"resolution_{threshold:g}{suffix}": (
            None if IDENTICAL in notes else _rounded(curve.resolution(threshold, kind_of))
        )
        for kind_of, suffix in (("corrected", ""), ("masked", "_masked"), ("unmasked", "_unmasked"))
        for threshold in THRESHOLDS
    }
    stats.update(
        method="fsc",
        phases_randomised_from=_rounded(curve.randomised_from),
        signal_from=_rounded(curve.signal_from()),
        dips=[[_rounded(end) for end in dip] for dip in curve.dips()],
        identical_half_maps=IDENTICAL in notes,
        voxel_size=full.voxel_size,
        mask=kind,
        mask_share=round(float(weights.mean()), 4),
        warnings=notes,
    )
    cones = None
    if directional:
        if not curve.signal or IDENTICAL in notes:
            notes.append("without a resolution there is none in cones either")
        else:
            cones = directional_fsc(first, second, weights, curve)
            stats["directional"] = _in_directions(cones, notes)
    stats["seconds"] = {"total": round(time.perf_counter() - start, 3)}
    return FscResult({"mask": full.with_data(weights)}, stats, full, curve, cones)


def _in_directions(cones: DirectionalFsc, notes: list[str]) -> dict[str, Any]:
    """What cones say, for stats.json; a note where they differ."""
    finest, coarsest = np.nanmin(cones.resolutions), np.nanmax(cones.resolutions)
    found: dict[str, Any] = {
        "area_ratio": round(cones.area_ratio, 4),
        "spread": round(float(cones.areas.std() / cones.areas.mean()), 4),
        "spread_by_chance": round(cones.chance / float(cones.areas.mean()), 4),
        "sphericity": round(cones.sphericity, 4),
        "uneven": round(cones.uneven, 4),
        "certainty": round(cones.certainty, 2),
        "anisotropic": cones.anisotropic,
        "finest": _rounded(float(finest)),
        "coarsest": _rounded(float(coarsest)),
        "worst": cones.worst(),
    }
    if cones.anisotropic:
        worst = found["worst"][0]
        axis = ", ".join(f"{value:.2f}" for value in worst["axis"])
        there = f"{worst['resolution']:.1f} Å" if worst["resolution"] else "no signal"
        notes.append(
            f"anisotropic: {there} along ({axis}), {finest:.1f} Å at best; "
            "views from some side may be rare: do not trust detail along that direction"
        )
    return found


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)


CSV, DIRECTIONAL_CSV, DIRECTIONAL_MAP = "fsc.csv", "directional.csv", "directional.mrc"
CURVES = ("unmasked", "masked", "randomised", "corrected")


def _write_tables(result: FscResult, folder: Path) -> None:
    _write_csv(result.curve, folder / CSV)
    (folder / "fsc.xml").write_text(result.curve.xml(), encoding="utf-8")
    if result.directional:
        with open(folder / DIRECTIONAL_CSV, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["x", "y", "z", "resolution_angstrom", "area_per_angstrom"])
            cones = result.directional
            for axis, resolution, area in zip(cones.directions, cones.resolutions, cones.areas):
                axis = (f"{value:.4f}" for value in axis[::-1])
                table.writerow([*axis, f"{resolution:.4f}", f"{area:.5f}"])
        write_map(folder / DIRECTIONAL_MAP, cones.volume(), kind="float16")


def _write_csv(curve: FscCurve, path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["frequency_per_angstrom", "resolution_angstrom", *CURVES])
        columns = [getattr(curve, name) for name in CURVES]
        for frequency, *values in zip(curve.frequencies, *columns):
            resolution = f"{1 / frequency:.4f}" if frequency else "inf"
            table.writerow([f"{frequency:.6f}", resolution, *(f"{value:.5f}" for value in values)])


def _draw(result: FscResult, work: Path, *, title: str) -> None:
    if result.directional:
        from cryodl.report.half_map_curves import draw_directional

        cones = result.directional
        with figure_of(result.stats, "directional"):
            draw_directional(
                cones.directions, cones.resolutions, cones.frequencies, cones.fsc,
                work / "directional", title=title,
            )  # fmt: skip
    from cryodl.report.half_map_curves import draw_fsc

    curve = result.curve
    draw_fsc(
        curve.frequencies,
        {name: getattr(curve, name) for name in CURVES},
        work / "fsc",
        resolutions={t: result.stats[f"resolution_{t:g}"] for t in THRESHOLDS},
        randomised_from=curve.randomised_from,
        title=title,
    )
