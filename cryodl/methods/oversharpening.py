"""The B-factor that sharpens a map just enough: scanned, recommended, drawn and written."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import LOW_PASSED
from cryodl.checks.input import check_map, check_one_grid
from cryodl.errors import SettingError
from cryodl.filters.sharpen import apply_bfactor
from cryodl.half_maps.pair import (
    check_half_maps,
    half_sum,
    identical,
    on_one_scale,
    optimal_b_factor,
    signal_and_noise,
)
from cryodl.maps.inputs import input_map, mask_source
from cryodl.maps.result import Result
from cryodl.maps.volume import Volume, as_given
from cryodl.methods.options import declared
from cryodl.methods.output import finish, results_folder
from cryodl.methods.oversharpening_options import OPTIONS
from cryodl.methods.registry import mask_or_finder
from cryodl.resolution_maps.load import load_resolution
from cryodl.resolution_maps.local_filter import low_pass
from cryodl.resolution_maps.sharpness import (
    BFACTORS,
    KEY,
    PERCENTILE,
    check_bfactors,
    judge,
    recommend,
)

MapLike = Volume | str | Path


def from_halves(halves, volume, method, mask, progress, tell):
    """Unsharpened map, mask, signal-to-noise resolutions inside it, and what is known of them."""
    from cryodl.methods.half_map_resolution import estimate_half_map_resolution

    result = estimate_half_map_resolution(
        *halves, method=method, volume=None if volume is None else input_map(volume, None),
        mask=mask_or_finder(mask, progress=progress, notify=tell), progress=progress, notify=tell,
        announced=False,
    )  # fmt: skip
    inside = result.volumes["mask"].data != 0
    told = {
        "snr_method": method,
        "fsc_resolution": result.stats["fsc_resolution"],
        "warnings": result.stats["warnings"],
    }
    return input_map(result.density, None), inside, result.volumes["resolution"].data[inside], told


def from_resolution_map(halves, volume, resolution_map, mask, voxel_size, tell):
    notes = check_half_maps(*halves) if halves else []
    unsharpened = volume
    if volume is None:
        unsharpened = half_sum(halves[0], on_one_scale(*halves))
    if halves:
        check_one_grid(halves[0], unsharpened, "the half maps have", "the unsharpened map")
    found = load_resolution(resolution_map, density=unsharpened, mask=mask, voxel_size=voxel_size)
    notes = [*notes, *check_map(unsharpened, found.mask), *found.warnings]
    for note in notes:
        tell(f"warning: {note}")
    told = {"snr_method": "given map", "fsc_resolution": None, "warnings": notes}
    return unsharpened, found.mask, found.values, told


def check_sources(volume, half1, half2, resolution_map) -> list[MapLike]:
    """The half maps, or none."""
    if (half1 is None) != (half2 is None):
        raise SettingError("one half map is given: give both, as half1= and half2=")
    if half1 is None and resolution_map is None:
        raise SettingError(
            "nothing tells the signal-to-noise resolution: give half1= and half2=, or "
            "resolution_map="
        )
    if half1 is None and volume is None:
        raise SettingError("no map is given: give volume=, unsharpened, or half1= and half2=")
    return [] if half1 is None else [half1, half2]


#: Resolutions (Å) inside a mask (z, y, x), of a map with a B-factor (Å²) applied, None for as it is
Estimate = Callable[[Volume, np.ndarray, "float | None"], np.ndarray]


@declared(OPTIONS)
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
    if criterion == "correlation" and not halves:
        raise SettingError("criterion correlation needs the half maps: give half1= and half2=")
    inputs = (volume, half1, half2, resolution_map, sharpened, mask)
    with results_folder(
        output, *inputs, overwrite=overwrite, volumes=("sharpened", "mask")
    ) as work:
        both = [input_map(half, voxel_size) for half in halves]
        density = None if volume is None else input_map(volume, voxel_size)
        judged = None if sharpened is None else input_map(sharpened, voxel_size)
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
            # as those of the scan: what lies beyond is noise, which looks sharp
            found = _summary(estimate(low_pass(judged, cutoff), inside, None))
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
            "mask": mask_source(mask),
            "warnings": list(dict.fromkeys([*warnings, *later])),
        }
        stats["seconds"] = {"total": round(time.perf_counter() - start, 3)}
        volumes = {
            "sharpened": as_given(apply_bfactor(filtered, best)),
            "mask": unsharpened.with_data(inside),
        }
        result = Result(volumes, stats, unsharpened)
        draw = partial(_draw, stats, source=volume or half1)
        finish(
            result, work, start, draw, tell=tell,
            write=lambda folder: _write_csv(scan, folder / "scan.csv"),
        )  # fmt: skip
    return result


def summary(stats: dict[str, Any]) -> list[str]:
    met = stats["crossing_bfactor"]
    where = "nowhere in the scan" if met is None else f"at {met:g} Å²"
    return [
        f"recommended B-factor {stats['best_bfactor']:g} Å² (by {stats['criterion']}); aspect and "
        f"signal-to-noise resolution meet {where}; {stats['seconds']['total']:.1f} s"
    ]


class _Network:
    """Aspect resolution by the network; loaded once, on one device."""

    def __init__(self, volume, bundle, range, batch_size, device, progress) -> None:
        from cryodl.methods.deepres.config import choose_bundle

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
        common = [line for line in first if all(line in other for other in others)]
        return [line for line in common if not line.startswith(LOW_PASSED)]  # here, and it is said

    def __call__(self, volume: Volume, mask: np.ndarray, bfactor: float | None) -> np.ndarray:
        from cryodl.methods.deepres.run import run_local_resolution

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
    return optimal_b_factor(signal_and_noise(volume, halves[0], second, inside, cutoff))


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
    from cryodl.report.half_map_curves import draw_oversharpening

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
