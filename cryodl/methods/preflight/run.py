"""Is a map with its half maps ready for the EMDB? Checked, and what a deposition needs written."""

from __future__ import annotations

import csv
import re
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.input import beside, size_warning
from cryodl.checks.voxel_size import voxel_size_warning
from cryodl.errors import counted
from cryodl.half_maps.fsc import (
    FscCurve,
    estimate_fsc,
    estimate_within,
    in_words,
    mask_of_halves,
)
from cryodl.half_maps.pair import on_one_scale
from cryodl.maps.mask import automatic_mask
from cryodl.maps.mrc import write_map
from cryodl.maps.normalise import block_mean
from cryodl.maps.result import Result
from cryodl.maps.volume import Volume
from cryodl.methods.options import declared
from cryodl.methods.output import (
    figure_of,
    finish,
    names_of,
    results_folder,
    said_of,
    warnings,
)
from cryodl.methods.preflight import checks
from cryodl.methods.preflight.checks import (
    FAULT,
    HALVES,
    MASK,
    OK,
    PRIMARY,
    WARNING,
    Check,
    File,
)
from cryodl.methods.preflight.options import OPTIONS

READY, FAULTY = 0, 1  # exit status; 2, of every command, means that something cannot be read
FAR_FINER = 0.8  # below which it is a fault
FINER = 0.95  # times the FSC's resolution, below which a claim is finer than what is there
COARSER, FAR_COARSER = 1.5, 3.0  # likewise, above which a claim falls short, and is a slip
FIXED = "fixed"  # folder of mended copies
SHOWN = 256  # voxels along an edge of what is drawn
POOR = 0.05  # share of the mask that a raised level shows: no picture of it
INCLUDED = 0.5  # share of a fitted model's atoms above the level, with which it needs no more proof
# Å, and times the mean density that far beside it: 1.4 to 12 on twelve maps of 2 to 10 Å by RELION,
# and 1.1 at most where the model was moved by 5 Å or more.
BESIDE, DENSER = 10.0, 1.2


@declared(OPTIONS)
def run_preflight(
    volume: str | Path,
    half1: str | Path,
    half2: str | Path,
    *,
    mask: str | Path | None = None,
    model: str | Path | None = None,
    claimed: float | None = None,
    level: float | None = None,
    voxel_size: float | None = None,
    fix: bool = False,
    output: str | Path | None = None,
    overwrite: bool = False,
    curve: FscCurve | None = None,
) -> Result:
    """Say whether a map with its half maps is ready to be deposited in the EMDB.

    Parameters
    ----------
    volume : path of the primary map;  half1, half2 : of the half maps;  mask : of the mask
    model : PDB or mmCIF file of the fitted model
    claimed : Å, resolution to be stated; None takes that of the half maps
    level : contour level to be recommended; None finds one by a rule
    voxel_size : Å, the true one, where headers say another or none
    fix : write copies with corrected headers and origins into "fixed"
    output : folder for stats.json, form.txt, fsc.xml, fsc.csv, image.png and copies; None writes
        nothing
    overwrite : replace results of an earlier run
    curve : FSC of these half maps within this mask, where it is known; None has it taken

    Returns
    -------
    Result : without volumes; .stats with "verdict" ("ready" or "faults"), "exit_status" (0 or 1),
        "checks" (each with name, verdict, evidence, remedy), "levels", "resolution_0.143"

    Raises
    ------
    CryodlError : a file cannot be read; nothing is written then
    """
    start = time.perf_counter()
    paths = dict(zip((PRIMARY, *HALVES), (volume, half1, half2)))
    if mask is not None:
        paths[MASK] = mask
    inputs, copies = (*paths.values(), model), (FIXED,) * fix
    with results_folder(output, *inputs, overwrite=overwrite, files=copies) as work:
        files = {name: checks.read_file(path, voxel_size) for name, path in paths.items()}
        found = [*checks.check_grids(files, voxel_size), *checks.check_values(files)]
        found += checks.check_headers(files)
        stats: dict[str, Any] = {
            "method": "preflight", "claimed": claimed, "voxel_size_given": voxel_size,
        }  # fmt: skip
        fsc = None
        if checks.comparable(files):
            maps = {name: checks.plain(files[name]) for name in (PRIMARY, *HALVES)}
            spectra = checks.Spectra.of(*maps.values())
            found += checks.check_halves(maps[HALVES[0]], maps[HALVES[1]], spectra)
            faulty = {one.name for one in found if one.verdict == FAULT}
            if not faulty & checks.NO_PAIR:  # else no sum of theirs can be the primary map
                found.append(checks.check_primary(spectra))
            del spectra
            inside, whose = automatic_mask(maps[PRIMARY]), "molecule"
            masked = [] if mask is None else [_mask(files[MASK].volume, inside)]
            if masked and masked[0].verdict == OK:
                inside, whose = files[MASK].volume.data > 0.5, "mask"
            stats["levels"], levelled = _levels(files, maps, inside, whose, level)
            found += [levelled, _voxel_size(maps[PRIMARY]), *masked]
            if model is not None:
                found.append(_model(model, files[PRIMARY].volume, stats["levels"][PRIMARY]))
            fsc = _fsc(maps, files, found, curve)
        else:
            found.append(Check("contents", WARNING, "not compared, since maps differ in box or "
                "hold values that are no densities", "mend these first"))  # fmt: skip
        stats.update(_stated(fsc, claimed, found, mask is not None))
        if fix:
            found = [
                one._replace(remedy=one.remedy.replace("--fix writes", "fixed/ holds"))
                for one in found
            ]
        faults = [one for one in found if one.verdict == FAULT]
        first = files[PRIMARY].volume
        stats.update(
            verdict="faults" if faults else "ready",
            exit_status=FAULTY if faults else READY,
            checks=[one._asdict() for one in found],
            voxel_size=first.voxel_size,
            box=first.size,
            fixed=[],
            warnings=[said_of(one._asdict()) for one in found if one.verdict == WARNING],
            seconds={},
        )
        result = Result({}, stats, first.with_data(np.nan_to_num(first.data)))
        write = partial(_write, files=files, stats=stats, curve=fsc, fix=fix)
        draw = partial(_draw, result, fsc, title=names_of(half1, half2))
        finish(result, work, start, draw, write=write)
    return result


def summary(stats: dict[str, Any]) -> list[str]:
    lines = [f"{one['verdict']}: {said_of(one)}" for one in stats["checks"] if one["verdict"] != OK]
    lines += [line for line in warnings(stats) if line not in lines]  # of what was not drawn
    count = sum(one["verdict"] == FAULT for one in stats["checks"])
    resolution = stats["resolution_0.143"]
    reached = in_words(resolution, stats["voxel_size"]) if resolution else ""
    said = f"resolution {reached} (FSC 0.143)" if resolution else "no resolution"
    ready = "ready to be deposited" if not count else f"{counted(count, 'fault')} found"
    return [*lines, f"{ready}; {len(stats['checks'])} checks; {said}"]


def _levels(
    files, maps, inside: np.ndarray, whose: str, level: float | None
) -> tuple[dict[str, float], Check]:
    """A contour level for each map, in the units of its file.

    inside : ndarray, shape (z, y, x), bool, the mask or the molecule;  whose : which of the two
    """
    from cryodl.report.chimerax import SPECKS, contour_level

    levels, how = {}, "given"
    for name, volume in maps.items():
        if name == PRIMARY and level is not None:
            levels[name] = float(f"{level:.4g}")
            continue
        found, raised = contour_level(volume.data, inside)
        levels[name] = float(f"{found * volume.unit:.4g}")
        if name == PRIMARY:
            how = f"half-way from the solvent to the mean of the {whose}"
            if raised:
                how += f", raised until {SPECKS:.0%} as many voxels are outside as inside"
    said = ", ".join(f"{name} {value:.4g}" for name, value in levels.items())
    data = files[PRIMARY].volume.data
    if not data.min() < levels[PRIMARY] < data.max():
        return levels, Check("contour level", FAULT, f"{said}; the primary map has values from "
            f"{data.min():.4g} to {data.max():.4g}", "give a level between them")  # fmt: skip
    shown = maps[PRIMARY].data >= levels[PRIMARY] / maps[PRIMARY].unit
    within, beyond = int((shown & inside).sum()), int((shown & ~inside).sum())
    poor = "raised" in how and within < POOR * int(inside.sum())
    if beyond > within or poor:
        share = f", {within / inside.sum():.1%} of it" * poor
        return levels, Check("contour level", WARNING, f"{said} ({how}); that of the primary map "
            f"shows {counted(beyond, 'voxel')} outside the {whose} and {within} inside{share}",
            "give a level that shows less" if level is not None else
            "deposit a map that is filtered to its resolution, or masked")  # fmt: skip
    return levels, Check("contour level", OK, f"{said} ({how})")


def _voxel_size(primary: Volume) -> Check:
    said = size_warning(primary.voxel_size)
    if said:
        return Check("plausible voxel size", FAULT, said.split(":")[0], "give the true one")
    said = voxel_size_warning(primary)
    if said:
        return Check("plausible voxel size", WARNING, said, "check the calibration of the pixel")
    return Check("plausible voxel size", OK, f"{primary.voxel_size:.5g} Å")


def _mask(mask: Volume, molecule: np.ndarray) -> Check:
    low, high = float(mask.data.min()), float(mask.data.max())
    if low < -0.01 or high > 1.01 or high < 0.5:
        return Check("mask", FAULT, f"values from {low:.4g} to {high:.4g}",
            "give a mask from 0 to 1")  # fmt: skip
    inside = float(mask.data[molecule].mean())
    if beside(mask.data > 0.5, molecule) is not None:
        return Check("mask", FAULT, f"it holds {inside:.0%} of the molecule found in the map",
            "give the mask of this map")  # fmt: skip
    return Check("mask", OK, f"{low:.3g} to {high:.3g}, holds {inside:.0%} of the molecule")


def _model(model: str | Path, primary: Volume, level: float) -> Check:
    from scipy.ndimage import map_coordinates

    from cryodl.simulation.structure import read_structure

    positions = read_structure(model).positions
    places = ((positions - np.asarray(primary.origin)) / primary.voxel_size)[:, ::-1]
    inside = np.all((places >= 0) & (places <= np.array(primary.shape) - 1), axis=1).mean()

    background = float(np.median(primary.data))

    def density(shift) -> np.ndarray:
        there = (places + shift).T
        return map_coordinates(primary.data, there, order=1, cval=background) - background

    here = density(0.0)
    above = float((here >= level - background).mean())
    said = f"{inside:.0%} of its atoms lie in the box, {above:.0%} above the contour level"
    misplaced = inside < 1
    if not misplaced and above < INCLUDED:  # also of coarse maps: their density tells
        steps = np.concatenate([np.eye(3), -np.eye(3)]) * BESIDE / primary.voxel_size
        ratio = float(here.mean()) / max(*(density(step).mean() for step in steps), 1e-30)
        said += f"; the density at its atoms is {ratio:.2f} times that {BESIDE:g} Å beside them"
        misplaced = ratio < DENSER
    if misplaced:
        return Check("model in the map", FAULT, said, "fit the model into the primary map, or "
            "check the origin")  # fmt: skip
    return Check("model in the map", OK, said)


def _fsc(maps, files, found: list[Check], known: FscCurve | None) -> FscCurve | None:
    """The FSC of the half maps within the mask, or the one that is found; where there is one."""
    first, second = (maps[name] for name in HALVES)
    faulty = {one.name for one in found if one.verdict == FAULT}
    if faulty & {checks.INDEPENDENT, checks.KIND}:
        return None
    if known is not None and "mask" not in faulty:
        return known
    second = on_one_scale(first, second, alike=0.0)
    if MASK in files and "mask" not in faulty:
        weights = files[MASK].volume.data
        if len(np.unique(weights[:: max(1, len(weights) // 8)])) > 2:
            return estimate_fsc(first, second, weights.clip(0, 1))
        return estimate_within(first, second, weights > 0.5)[1]
    return estimate_within(first, second, mask_of_halves(first, second))[1]


def _stated(
    fsc: FscCurve | None, claimed: float | None, found: list[Check], masked: bool
) -> dict[str, Any]:
    resolution = fsc.resolution() if fsc else None
    voxel = 0.5 / float(fsc.frequencies[-1]) if fsc else 0.0
    if claimed and resolution and claimed < FINER * resolution:
        verdict = FAULT if claimed < FAR_FINER * resolution else WARNING
        said = f"{claimed:g} Å is claimed, and the half maps' FSC gives "
        said += in_words(resolution, voxel) + " within the mask" * masked
        remedy = "state that" + ("" if masked else ", or give the mask it was found with")
        found.append(Check("resolution", verdict, said, remedy))
    elif claimed and resolution and claimed > COARSER * resolution:
        verdict = FAULT if claimed > FAR_COARSER * resolution else WARNING
        said = f"{claimed:g} Å is claimed, {claimed / resolution:.1f} times as coarse as the "
        said += f"{in_words(resolution, voxel)} of the half maps' FSC"
        found.append(Check("resolution", verdict, said, "state that, or check the number"))
    elif resolution:
        found.append(Check("resolution", OK, f"{in_words(resolution, voxel)} (FSC 0.143)"))
    coarser = fsc.resolution(0.5) if fsc else None
    return {
        "resolution_0.143": resolution and round(resolution, 4),
        "resolution_0.5": coarser and round(coarser, 4),
    }


def _write(
    work: Path, *, files: dict[str, File], stats: dict[str, Any], curve: Any, fix: bool
) -> None:
    (work / "form.txt").write_text(_form(files, stats), encoding="utf-8")
    if curve is not None:
        (work / "fsc.xml").write_text(curve.xml(), encoding="utf-8")
        with open(work / "fsc.csv", "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["frequency_per_angstrom", "unmasked", "masked", "corrected"])
            columns = (curve.frequencies, curve.unmasked, curve.masked, curve.corrected)
            table.writerows([[f"{value:.6f}" for value in row] for row in zip(*columns)])
    if fix:
        (work / FIXED).mkdir()
        copies = checks.mended(files, stats["voxel_size_given"])
        names = _names_of_copies(files)
        for name, volume in copies.items():
            write_map(work / FIXED / names[name], volume)
        stats["fixed"] = sorted(f"{FIXED}/{names[name]}" for name in copies)


def _names_of_copies(files: dict[str, File]) -> dict[str, str]:
    """Names as the files have, led by what they are where two files have one name."""
    names = {key: re.sub(r"\.(gz|bz2)$", "", file.path.name) for key, file in files.items()}
    count = Counter(name.casefold() for name in names.values())
    return {
        key: f"{key.replace(' ', '_')}_{name}" if count[name.casefold()] > 1 else name
        for key, name in names.items()
    }


def _form(files: dict[str, File], stats: dict[str, Any]) -> str:
    """What is to be typed into the form of a deposition."""
    first = files[PRIMARY].volume
    resolution = stats["resolution_0.143"] or stats["claimed"]  # the method is named beside it
    levels = stats.get("levels", {})
    lines = [
        "EMDB deposition: what to type", "",
        f"Resolution              {f'{resolution:.2f} Å' if resolution else '-'}",
        "Resolution method       FSC 0.143 CUT-OFF",
        f"Voxel size (x, y, z)    {', '.join([f'{first.voxel_size:.5g}'] * 3)} Å",
        f"Box (x, y, z)           {first.size} voxels",
        f"Origin (x, y, z)        {', '.join(f'{value:.5g}' for value in first.origin)} Å", "",
    ]  # fmt: skip
    for name, file in files.items():
        level = f"contour level {levels[name]:.4g}" if name in levels else ""
        lines.append(f"{name:23s} {file.path.name}  {level}".rstrip())
    lines += ["", "FSC curve               fsc.xml", "Image (500 x 500)       image.png", ""]
    return "\n".join(lines)


def _draw(result: Result, fsc: FscCurve | None, work: Path, *, title: str) -> None:
    from cryodl.report.half_map_curves import draw_fsc
    from cryodl.report.surface import draw_surface

    levels = result.stats.get("levels")
    if levels:
        with figure_of(result.stats, "image.png"):
            data = result.density.data
            factor = -(-max(data.shape) // SHOWN)
            shown, level = block_mean(data, factor), levels[PRIMARY]
            if shown.max() < level:
                result.stats["warnings"].append(
                    f"nothing of the primary map lies above the level {level:g}: image.png is not "
                    "made; give a lower level"
                )
            else:
                draw_surface(shown, level, work / "image.png")
    if fsc is not None:
        with figure_of(result.stats, "fsc.png"):
            draw_fsc(
                fsc.frequencies,
                {name: getattr(fsc, name) for name in ("unmasked", "masked", "corrected")},
                work / "fsc",
                resolutions={t: fsc.resolution(t) for t in (0.143, 0.5)},
                title=title,
            )
