"""All that applies to a map, its half maps and its model, each part by itself, and the page."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cryodl.errors import CryodlError, OutputError, SettingError, is_shortage, one_line
from cryodl.files.record import file_sha256, sealed, write_json
from cryodl.half_maps.pair import half_sum, read_halves
from cryodl.maps.inputs import checked_mask, input_map
from cryodl.maps.mask import automatic_mask
from cryodl.maps.result import Result
from cryodl.maps.volume import Volume, as_given
from cryodl.methods import registry
from cryodl.methods.options import declared
from cryodl.methods.output import figure_of, results_folder
from cryodl.methods.report import words
from cryodl.methods.report.display import NAMES, make_display, method_rows, pictures
from cryodl.methods.report.options import OPTIONS
from cryodl.version import __version__

SCHEMA = "cryodl-report/1"  # of report.json; the number rises when a key changes its meaning
PAGE, RECORD = "report.html", "report.json"
DONE = "done"
PARTS = "fsc", "preflight", "localfsc", "enhance", "cryores", "compare", "quality"  # a folder each
KEPT = "resolution", "mask", "enhanced"  # of the maps of a part


@declared(OPTIONS)
def run_report(
    volume: Volume | str | Path | None = None,
    *,
    half1: Volume | str | Path | None = None,
    half2: Volume | str | Path | None = None,
    model: str | Path | None = None,
    mask: Volume | np.ndarray | str | Path | None = None,
    claimed: float | None = None,
    resolution_maps: Sequence[Volume | str | Path] | None = None,
    voxel_size: float | None = None,
    device: str = "auto",
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Result:
    """Say all that can be said of a map, and write one page of it.

    What applies is done: with half maps their FSC, by direction too, local FSC, and the map as its
    FSC asks to be filtered; of the map, a network's local resolution; how all local resolutions
    compare, those of other packages too; with a model, its fit; with map and half maps as files,
    whether they are ready to be deposited. A part that fails is named on the page, and the others
    stay.

    Parameters
    ----------
    volume : path of a map, or a Volume; None takes the mean of the half maps
    half1, half2 : half maps, both or none
    model : PDB or mmCIF file of the fitted model
    mask : on the map's grid; None finds one by a rule
    claimed : Å, resolution of the map; None takes that of the half maps for the model's fit
    resolution_maps : local resolutions of other packages, Å, on the map's grid
    voxel_size : Å, where the maps' headers are wrong
    device : "auto", "cpu" or "gpu", of the network
    output : folder for report.html (one file, which needs no network), report.json, stats.json and
        a folder for each part; None writes nothing
    overwrite : replace results of an earlier run
    progress : called with (stage, steps done, steps in all)
    notify : called with each line worth telling

    Returns
    -------
    Result : .volumes "resolution" and "mask" where there are any; .stats with "verdict" (four
        lines), "parts" (what became of each), "warnings"

    Raises
    ------
    CryodlError : a file cannot be read, or nothing was given; nothing is written then
    """
    start = time.perf_counter()
    if (half1 is None) != (half2 is None):
        raise SettingError("one half map was given: give half1= and half2=, or neither")
    if volume is None and half1 is None:
        raise SettingError("there is nothing to report on: give a map, or half1= and half2=")
    given = {"map": volume, "half1": half1, "half2": half2, "model": model, "mask": mask}
    others = list(resolution_maps or ())
    with results_folder(output, *given.values(), *others, overwrite=overwrite, files=PARTS) as work:
        halves = read_halves(half1, half2, voxel_size) if half1 is not None else None
        if halves and volume is None:
            density = half_sum(*halves[:2])
        else:
            density = input_map(volume, voxel_size)  # type: ignore[arg-type]
        inside = automatic_mask(density) if mask is None else checked_mask(mask, density)[1]
        say = notify or print
        run = _Run(work, say)
        size = {"voxel_size": voxel_size}
        names = {k: str(v) for k, v in given.items() if isinstance(v, (str, Path))}
        quiet: Callable[[str], None] = lambda line: None  # noqa: E731
        fsc = None
        if halves:
            fsc = run("fsc", registry.COMMANDS["fsc"], half1, half2, mask=mask, directional=True,
                **size)  # fmt: skip
        if {"map", "half1", "half2"} <= set(names):
            extra: dict[str, Any] = {k: given[k] for k in ("mask", "model") if k in names}
            extra |= {"curve": fsc.curve if fsc else None, **size}
            line = registry.COMMANDS["preflight"]
            found = run("preflight", line, volume, half1, half2, claimed=claimed, **extra)
            if found is None and extra.pop("model", None):  # the maps can be judged without it
                run("preflight", line, volume, half1, half2, claimed=claimed, **extra)
        if halves:
            found = fsc.volumes["mask"] if fsc and mask is None else mask
            shown = volume if density.shape == halves[0].shape else None  # else the halves' mean
            run("localfsc", registry.LOCALRES["localfsc"], half1, half2,
                volume=shown, mask=found, claimed=claimed, progress=progress, **size)  # fmt: skip
            run("enhance", registry.COMMANDS["enhance"], half1=half1, half2=half2, model="linear",
                mask=mask, notify=quiet, **size)  # fmt: skip
        judged = density if volume is None else volume
        named = run.readable(dict(zip(_names(others), others)), density, size)
        run("cryores", registry.LOCALRES["cryores"], judged, claimed=claimed, device=device,
            progress=progress, notify=quiet, **size)  # fmt: skip
        ours = [name for name in NAMES if name in run.results]
        if len(ours) + len(named) > 1:
            known = [run.results[name].volumes["resolution"] for name in ours]
            called = [NAMES[name] for name in ours] + list(named)
            run("compare", registry.COMMANDS["compare"], [*known, *named.values()], names=called,
                map=judged, mask=mask, claimed=claimed, **size)  # fmt: skip
        if model is not None:
            local = run.results.get("localfsc") or run.results.get("cryores")
            resolution = claimed or (fsc.stats["resolution_0.143"] if fsc else None)
            run("quality", registry.COMMANDS["quality"], judged, model, claimed=resolution,
                progress=progress, **size,
                resolution_map=local.volumes["resolution"] if local else None)  # fmt: skip
        result = _gather(run, density, claimed, names)
        result.stats["seconds"]["total"] = round(time.perf_counter() - start, 3)
        if work is not None:
            _write(run, result, inside, names, volume is None, work)
    return result


def summary(stats: dict[str, Any]) -> list[str]:
    failed = [f"{name}: {one['error']}" for name, one in stats["parts"].items() if one["error"]]
    lines = [f"{one['question']} {one['answer']}" for one in stats["verdict"]]
    return [*(f"warning: failed: {line}" for line in failed), *lines, f"look at {PAGE}"]


def _names(others: Sequence[Any]) -> list[str]:
    """What local resolutions of other packages are called: by their files, each differently."""
    found: list[str] = []
    for number, one in enumerate(others, 1):
        name = Path(one).name.split(".")[0] if isinstance(one, (str, Path)) else f"map {number}"
        found.append(f"{name} ({number})" if name in found else name)
    return found


class _Part(NamedTuple):
    """What is kept of a part's result: its other maps are in its folder.

    volumes : "resolution", "mask" and "enhanced" where it has them;  atoms : of a model, or None
    curve : FscCurve, or None
    """

    stats: dict[str, Any]
    volumes: dict[str, Volume]
    atoms: Any
    curve: Any


class _Run:
    """The parts that were run: their results, or why there are none."""

    def __init__(self, work: Path | None, say: Callable[[str], Any]) -> None:
        self.work, self.say = work, say
        self.results: dict[str, _Part] = {}
        self.errors: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, line: registry.Method, *given: Any, **options: Any) -> Any:
        """What a method found, written into a folder of its name; None where it fails."""
        began = time.perf_counter()
        output = None if self.work is None else self.work / name
        try:
            result = line.load()(*given, output=output, **{**line.sets, **options})
            kept = {k: v for k, v in result.volumes.items() if k in KEPT}
            self.errors.pop(name, None)  # of an earlier try
            self.results[name] = _Part(
                result.stats, kept, getattr(result, "atoms", None), getattr(result, "curve", None)
            )
            self.say(f"{name}: {'; '.join(line.summary(result.stats)[-1:])}")
            return self.results[name]
        except OutputError:  # the others write to the same disk
            raise
        except Exception as error:  # of a part: the others shall not be lost by it
            if is_shortage(error):
                why = "memory or threads ran out"
            else:
                known = isinstance(error, CryodlError)
                why = one_line(error if known else f"{type(error).__name__}: {error}")
            self.errors[name] = why
            self.say(f"{name} failed: {why}")
            return None
        finally:
            self.seconds[name] = round(time.perf_counter() - began, 3)

    def readable(self, maps: dict[str, Any], density: Volume, size: dict[str, Any]):
        """Those resolution maps that can be compared, by their names; of others, why not is kept:
        one shall not lose the comparison of all."""
        from cryodl.resolution_maps.load import load_resolution

        found = {}
        for name, one in maps.items():
            try:
                load_resolution(one, density=density, **size)
                found[name] = one
            except CryodlError as error:
                part = f"resolution map {name}"
                self.errors[part], self.seconds[part] = one_line(error), 0.0
                self.say(f"{part} failed: {self.errors[part]}")
        return found

    def stats(self) -> dict[str, Any]:
        return {name: result.stats for name, result in self.results.items()}


def _gather(run: _Run, density: Volume, claimed, names) -> Result:
    parts = run.stats()
    lines = words.verdict(parts, claimed, run.errors)
    best = run.results.get("localfsc") or run.results.get("cryores")
    volumes = {key: best.volumes[key] for key in ("resolution", "mask")} if best else {}
    stats: dict[str, Any] = {
        "method": "report",
        "schema": SCHEMA,
        "verdict": [{"question": q, "answer": a, "bad": bad} for q, a, bad in lines],
        "parts": {
            name: {
                "result": DONE if name in parts else "failed",
                "error": run.errors.get(name),
                "seconds": seconds,
            }
            for name, seconds in run.seconds.items()
        },
        "claimed": claimed,
        "inputs": {
            key: {"file": Path(name).name, "sha256": file_sha256(Path(name))}
            for key, name in names.items()
        },
        "warnings": [text for text, _ in words.warnings(parts, {})],
        "seconds": {},
    }
    return Result(volumes, stats, as_given(density))


def _write(
    run: _Run, result: Result, inside: np.ndarray, names, of_halves: bool, work: Path
) -> None:
    from cryodl.report.page import Page, write_page

    stats, parts = result.stats, run.stats()
    display = None
    filtered = run.results["enhance"].volumes["enhanced"] if "enhance" in run.results else None
    with figure_of(stats, "the view of the map"):
        display = make_display(
            result, inside, parts.get("quality"), run.results.get("quality"),
            filtered if of_halves else None,
        )  # fmt: skip
    claim = {"claimed": f"{stats['claimed']:g}"} if stats["claimed"] else {}
    warnings = words.warnings(parts, {**names, **claim})
    page = Page(
        title=_title(names),
        subtitle=f"cryodl {__version__}, {time.strftime('%Y-%m-%d')}; {result.density.size} voxels "
        f"of {result.density.voxel_size:g} Å",
        verdict=[(one["question"], one["answer"], one["bad"]) for one in stats["verdict"]],
        display=display,
        pictures=pictures(run.results, work),
        rows=method_rows(parts),
        standing=words.standing(parts.get("quality")),
        warnings=[*((f"{n} failed: {why}", "") for n, why in run.errors.items()),
            *(one for one in warnings if not words.is_note(one[0]))],
        notes=[text for text, _ in warnings if words.is_note(text)],
        methods=words.methods_text(parts, __version__),
        bibtex=words.citations(parts),
        parts=[(name, run.errors.get(name, DONE), run.seconds[name]) for name in run.seconds],
        facts=[*_versions(), *((f"{k}: {v['file']}", v["sha256"])
            for k, v in stats["inputs"].items())],
    )  # fmt: skip
    write_page(work / PAGE, page)
    record = {
        **stats,
        "versions": dict(_versions()),
        "warnings": [
            {"text": text, "command": command}
            for text, command in [*page.warnings, *((note, "") for note in page.notes)]
        ],
        "results": parts,
    }
    write_json(work / RECORD, record, indent=2, allow_nan=False)
    stats["files"] = sorted(path.name for path in work.iterdir())
    stats.update(sealed(stats, "stats.json", work))
    result.save_stats(work)


def _title(names: dict[str, str]) -> str:
    """The file of the map, or those of the half maps whose mean was judged."""
    files = {key: Path(name).name for key, name in names.items()}
    if "map" in files:
        return files["map"]
    return f"Mean of {files['half1']} and {files['half2']}" if "half2" in files else "a map"


def _versions() -> list[tuple[str, str]]:
    from importlib.metadata import PackageNotFoundError, version

    found = [("cryodl", __version__), ("Python", platform.python_version())]
    for name in ("numpy", "scipy", "mrcfile", "matplotlib", "gemmi", "openvino", "keras"):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return [*found, ("NGL (in the page)", "2.5.0"), ("system", sys.platform)]
