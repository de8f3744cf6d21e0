"""The B-factor with which a map shows what its half maps hold, and no more: scanned and written.

After Ramírez-Aportela et al., IUCrJ 6, 1054 (2019), section 3.4 and figure 5.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.comparison.local_filter import low_pass
from ..engine.comparison.sharpness import (
    BFACTORS,
    KEY,
    PERCENTILE,
    check_bfactors,
    judge,
    recommend,
)
from ..engine.errors import SettingError
from ..engine.maps.check import check_one_grid
from ..engine.maps.given import given_map
from ..engine.maps.result import Result
from ..engine.maps.sharpen import apply_bfactor
from ..engine.maps.unit import as_given
from ..engine.maps.volume import Volume
from ..engine.reference.halves import identical, on_one_scale
from ..engine.reference.likeness import most_alike, signal_and_noise
from .results import finish, results_folder
from .signal_to_noise import (
    MapLike,
    check_sources,
    from_halves,
    from_resolution_map,
)

CRITERIA = ("auto", "correlation", "crossing")
#: Resolutions (Å) inside a mask (z, y, x), of a map with a B-factor (Å²) applied, None for as it is
Estimate = Callable[[Volume, np.ndarray, "float | None"], np.ndarray]


def run_oversharpening(
    volume: MapLike | None = None,
    *,
    half1: MapLike | None = None,
    half2: MapLike | None = None,
    method: str = "localfsc",
    criterion: str = "auto",
    resolution_map: MapLike | None = None,
    sharpened: MapLike | None = None,
    mask: MapLike | np.ndarray | None = None,
    bfactors: Sequence[float] | None = None,
    bundle: Any = None,
    range: str = "auto",
    voxel_size: float | None = None,
    batch_size: int = 1,
    device: str = "auto",
    estimate: Estimate | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Result:
    """Scan B-factors, and recommend the one that sharpens a map without oversharpening it.

    Aspect resolution, what a map looks like, becomes finer as the map is sharpened; signal-to-noise
    resolution, what its half maps hold, stays. Where their 20 % percentiles meet, a map looks as
    good as it is, and beyond that better. The map is first low-passed to the FSC resolution of its
    half maps: sharpening would else raise what is noise alone. Of a resolution map the 20 %
    percentile takes the place of both. Half maps tell more: how much of every shell is
    signal, and so with which B-factor the map will be most like its atoms.

    Parameters
    ----------
    volume : the unsharpened map; None takes the mean of the half maps
    half1, half2 : half maps, of which the signal-to-noise resolution is estimated
    method : "localfsc" or "monogenic", how that is done
    criterion : what is recommended: the "crossing" of the percentiles, or the B-factor of the
        highest expected "correlation" with the atoms, which needs half maps; "auto" takes the
        second where it can
    resolution_map : signal-to-noise resolution of any package, Å, instead; a map or a folder
    sharpened : a map on the same grid, sharpened in any way, to be judged
    mask : above 0.5 where resolutions are compared; None finds one
    bfactors : Å², from 0 or below downwards; None takes 0 to -200 in steps of 25, and once more
        at the crossing; that of the highest correlation is looked at in any case
    bundle, range, batch_size, device : of the network, as in `run_local_resolution`
    voxel_size : Å, where the headers are wrong
    estimate : tells aspect resolution instead of the network, for those who have another way
    output : folder for sharpened.mrc, mask.mrc, stats.json, scan.csv, oversharpening.png and .svg;
        None writes nothing
    overwrite : replace results of an earlier run
    progress, notify : called with (stage, done, total) and with each line worth telling

    Returns
    -------
    Result : .volumes "sharpened" (low-passed, at the recommended B-factor) and "mask", .stats
        with "best_bfactor" (Å²), "crossing_bfactor" and "correlation_bfactor" (Å² or None),
        "scan" and "verdict", and .density, the unsharpened map

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    start = time.perf_counter()
    tell = notify or (lambda line: None)
    scanned = check_bfactors(BFACTORS if bfactors is None else bfactors)
    halves = check_sources(volume, half1, half2, resolution_map)
    if criterion not in CRITERIA:
        raise SettingError(f"criterion {criterion!r}: give one of {', '.join(CRITERIA)}")
    if criterion == "correlation" and not halves:
        raise SettingError("criterion correlation needs the half maps: give --half1 and --half2")
    inputs = (volume, half1, half2, resolution_map, sharpened, mask)
    with results_folder(output, *inputs, overwrite=overwrite) as work:
        both = [given_map(half, voxel_size) for half in halves]
        density = None if volume is None else given_map(volume, voxel_size)
        judged = None if sharpened is None else given_map(sharpened, voxel_size)
        if judged is not None:
            check_one_grid(
                judged, density or both[0], "the sharpened map has", "the unsharpened map"
            )
        if resolution_map is None:
            unsharpened, inside, snr, told = from_halves(
                both, density, method, mask, progress, tell
            )
        else:
            unsharpened, inside, snr, told = from_resolution_map(
                both, density, resolution_map, mask, voxel_size, tell
            )
        if estimate is None:
            estimate = _Network(unsharpened, bundle, range, batch_size, device, progress)
        target = _summary(snr)
        tell(f"signal-to-noise resolution ({told['snr_method']}): {_words(target)}")

        cutoff = told["fsc_resolution"] or target[KEY]
        filtered = low_pass(unsharpened, cutoff)
        tell(f"low-passed to {cutoff:.2f} Å")

        scan: list[dict[str, float]] = []
        for bfactor in scanned:
            scan.append(_look(estimate, filtered, inside, bfactor, tell))
        best, doubt = recommend(scan, target[KEY])
        alike = _most_alike(filtered, both, inside, cutoff)
        by_correlation = alike is not None and criterion != "crossing"
        if not by_correlation and bfactors is None and doubt is None and round(best) not in scanned:
            scan.append(_look(estimate, filtered, inside, float(round(best)), tell))
            scan.sort(key=_sharpest_last)
            best, doubt = recommend(scan, target[KEY])
        crossing = best if doubt is None else None
        if alike is not None and by_correlation:
            if alike not in scanned:
                scan.append(_look(estimate, filtered, inside, alike, tell))
                scan.sort(key=_sharpest_last)
            best = alike
            if scan[0][KEY] >= target[KEY]:  # else it looks sharpened before, which stays said
                doubt = None
        verdict = None
        if judged is not None:
            found = _summary(estimate(judged, inside, None))
            verdict = judge(found, target[KEY])
            tell(verdict["text"])
        warnings = told.pop("warnings")
        later = [*getattr(estimate, "warnings", []), *([doubt] if doubt else [])]
        for line in later:
            tell(f"warning: {line}")
        stats = {
            "best_bfactor": best,
            "percentile": PERCENTILE,
            f"snr_{KEY}": target[KEY],
            "snr_median": target["median"],
            "criterion": "correlation" if by_correlation else "crossing",
            "crossing": crossing is not None,
            "crossing_bfactor": crossing,
            "correlation_bfactor": alike,
            "scan": scan,
            "verdict": verdict,
            "method": "oversharpening",
            **told,
            "low_pass": round(cutoff, 4),
            "bundle": getattr(estimate, "name", None),
            "voxels": int(inside.sum()),
            "voxel_size": unsharpened.voxel_size,
            "voxel_size_given": voxel_size is not None,
            "mask": "given" if mask is not None else "automatic",
            "warnings": list(dict.fromkeys([*warnings, *later])),
        }
        stats["seconds"] = {"total": round(time.perf_counter() - start, 3)}
        volumes = {
            "sharpened": as_given(apply_bfactor(filtered, best)),
            "mask": unsharpened.with_data(inside),
        }
        result = Result(volumes, stats, unsharpened)
        finish(result, work, start, partial(_draw, stats, source=volume or half1))
    return result


class _Network:
    """Aspect resolution by the network; loaded once, on one device."""

    def __init__(self, volume, bundle, range, batch_size, device, progress) -> None:
        from ..engine.methods.local_resolution.config import choose_bundle

        self.bundle = choose_bundle(volume.voxel_size, range, bundle)
        self.options = {"batch_size": batch_size, "device": device, "progress": progress}
        self.said: list[list[str]] = []

    @property
    def name(self) -> str:
        return self.bundle.spec["name"]

    @property
    def warnings(self) -> list[str]:
        """What was said of every map."""
        first, others = self.said[0], self.said[1:]
        return [line for line in first if all(line in other for other in others)]

    def __call__(self, volume: Volume, mask: np.ndarray, bfactor: float | None) -> np.ndarray:
        from ..engine.methods.local_resolution import run_local_resolution

        sharpen = "none" if bfactor is None else bfactor
        result = run_local_resolution(
            volume, self.bundle, mask=mask, sharpen=sharpen, **self.options
        )
        if bfactor is not None:
            self.said.append(result.stats["warnings"])
        return result.volumes["resolution"].data[mask]


def _most_alike(volume: Volume, halves: Sequence[Volume], inside, cutoff: float) -> float | None:
    """The B-factor (Å²) of the highest expected correlation; None without two different halves."""
    if not halves or identical(*halves):
        return None
    second = on_one_scale(halves[0], halves[1])
    return most_alike(signal_and_noise(volume, halves[0], second, inside, cutoff))


def _sharpest_last(entry: dict[str, float]) -> float:
    return -entry["bfactor"]


def _look(estimate: Estimate, volume, inside, bfactor: float, tell) -> dict[str, float]:
    found = _summary(estimate(volume, inside, bfactor))
    tell(f"B = {bfactor:g} Å²: {_words(found)}")
    return {"bfactor": bfactor, **found}


def _summary(values: np.ndarray) -> dict[str, float]:
    numbers = np.percentile(np.asarray(values, np.float64), (PERCENTILE, 50))
    return dict(zip((KEY, "median"), (round(float(number), 4) for number in numbers)))


def _words(found: dict[str, float]) -> str:
    return f"{found[KEY]:.2f} Å at {PERCENTILE} %, median {found['median']:.2f} Å"


def _write_csv(scan: Sequence[dict[str, float]], path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["bfactor", KEY, "median"])
        table.writeheader()
        table.writerows(scan)


def _draw(stats: dict[str, Any], work: Path, *, source: Any) -> None:
    from ..report.oversharpening import draw_oversharpening

    _write_csv(stats["scan"], work / "scan.csv")
    scan, verdict = stats["scan"], stats["verdict"]
    draw_oversharpening(
        [entry["bfactor"] for entry in scan],
        [entry[KEY] for entry in scan],
        work / "oversharpening",
        medians=[entry["median"] for entry in scan],
        snr=stats[f"snr_{KEY}"],
        best=stats["best_bfactor"],
        found=stats["crossing"] or stats["criterion"] == "correlation",
        sharpened=verdict and verdict[KEY],
        title=Path(source).name if isinstance(source, (str, Path)) else "",
    )
