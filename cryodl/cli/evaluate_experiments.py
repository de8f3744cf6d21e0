"""`cryodl evaluate experiments`: all methods on experiments from particles, with known truth."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from cryodl.cli.streams import markdown
from cryodl.cli.training import count
from cryodl.files.record import write_json

METHODS = (
    "cryores", "deepres", "unet-monores", "unet-resmap", "monogenic", "localfsc", "enhance",
)  # fmt: skip
HALF_MAPS = "monogenic", "localfsc"
ROWS = "rows.jsonl"
Answer = tuple[Any, Any]  # Å, shape (z, y, x); half-width of its interval, or None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("experiments", metavar="FOLDER", nargs="+",
        help="sets that 'cryodl experiments' wrote, or folders of reconstructions by RELION with "
        "half1, half2, signal, model and mask (.mrc) and experiment.json")  # fmt: skip
    add("-o", "--output", metavar="OUT", required=True,
        help="folder for tables; experiments that it has judged are kept")  # fmt: skip
    add("--methods", metavar="NAME,...", type=_methods, default=METHODS,
        help=f"of {', '.join(METHODS)} (default: all)")  # fmt: skip
    add("--count", metavar="N", type=count, help="experiments to take at most")
    add("--longest", metavar="LENGTH", type=float, default=float("inf"),
        help="leave out reconstructions of longer boxes in Å, which take minutes each")  # fmt: skip
    add("--bundle", metavar="METHOD=FOLDER", action="append", default=[], type=_bundle,
        help="measure this network of a method, not the shipped one; may be repeated")  # fmt: skip
    add("--workers", metavar="N", type=count, default=1, help="processes that judge")


def run(args: argparse.Namespace) -> None:
    from cryodl.cli.common import Progress
    from cryodl.compute.parallel import Workers
    from cryodl.errors import OutputError, SettingError
    from cryodl.evaluation.reconstructions import open_experiments, read_judged
    from cryodl.files.folder import whole_file

    found = [e for e in open_experiments(args.experiments) if e.length <= args.longest]
    found = found[: args.count]
    if not found:
        raise SettingError(f"no reconstruction has a box of at most {args.longest:g} Å")
    folder = Path(args.output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not (folder / ROWS).is_file():
            raise OutputError(f"{folder} holds other things: give a new name")
    rows = read_judged(folder / ROWS) if (folder / ROWS).is_file() else []
    bundles, jobs = dict(args.bundle), []
    judged = {(row["experiment"], row["method"], row.get("bundle")) for row in rows}
    for stored in found:
        left = [
            name
            for name in args.methods
            if (stored.folder.name, name, bundles.get(name)) not in judged
        ]
        if left:
            jobs.append((stored, left, bundles))
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / ROWS, overwrite=True) as part:  # without a line that was cut off
        part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{len(found)} experiments, {len(found) - len(jobs)} of them judged before", flush=True)
    with Progress() as progress, open(folder / ROWS, "a", encoding="utf-8") as file:
        if args.workers > 1:
            with Workers(args.workers) as pool:
                rows += _keep(pool.map(_judge, jobs), len(jobs), file, progress)
        else:
            rows += _keep(map(_judge, jobs), len(jobs), file, progress)
    names = {stored.folder.name for stored in found}
    asked = {(name, bundles.get(name)) for name in args.methods}
    rows = [row for row in rows if (row["method"], row.get("bundle")) in asked]
    _write(folder, [row for row in rows if row["experiment"] in names])


def _keep(judged, total: int, file, progress) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for done, found in enumerate(judged, 1):
        rows += found
        file.write("".join(json.dumps(row) + "\n" for row in found))
        file.flush()
        progress("experiments", done, total)
    return rows


def _judge(job) -> list[dict[str, Any]]:
    from cryodl.evaluation.reconstructions import Method, judge, load
    from cryodl.methods.enhance.evaluate import judge_enhanced

    stored, names, bundles = job
    experiment = load(stored)
    single: dict[str, Method] = {}
    halves: dict[str, Method] = {}
    for name in names:
        if name in HALF_MAPS:
            halves[name] = partial(_half_maps, name)
        elif name != "enhance":
            single[name] = partial(_single, name, bundles.get(name))
    rows = list(judge(experiment, single, halves))
    if "enhance" in names:
        rows.append(judge_enhanced(experiment, partial(_enhance, bundles.get("enhance"))))
    for row in rows:
        if row["method"] in bundles:
            row["bundle"] = bundles[row["method"]]
    return rows


def _single(name: str, bundle: str | None, volume) -> Answer:
    """The answer to a map as it is: nothing is told."""
    from cryodl.methods.cryores.run import run_single_map_resolution
    from cryodl.methods.deepres.run import run_local_resolution
    from cryodl.methods.local_classes.run import run_local_classes

    if name == "cryores":
        result = run_single_map_resolution(volume, bundle)
    elif name == "deepres":
        result = run_local_resolution(volume, bundle, sharpen="auto")
    else:
        result = run_local_classes(volume, bundle or name)
    width = result.volumes.get("uncertainty")
    return result.volumes["resolution"].data, None if width is None else width.data


def _half_maps(name: str, half1, half2) -> Answer:
    from cryodl.methods.half_map_resolution import run_half_map_resolution

    result = run_half_map_resolution(half1, half2, method=name)
    return result.volumes["resolution"].data, None


def _enhance(bundle: str | None, half1, half2):
    from cryodl.methods.enhance.run import run_enhance

    return run_enhance(half1=half1, half2=half2, bundle=bundle).volumes["enhanced"].data


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    from cryodl.evaluation.reconstructions import tables
    from cryodl.files.folder import whole_file
    from cryodl.methods.enhance.evaluate import enhanced_table

    found = tables([r for r in rows if r["method"] != "enhance"])
    found["enhance"] = enhanced_table([r for r in rows if r["method"] == "enhance"])
    written = {name: table for name, table in found.items() if table}
    for name, table in written.items():
        text = markdown(table)
        print(f"\n{name}\n\n{text}", flush=True)
        with whole_file(folder / f"{name}.md", overwrite=True) as part:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
    with whole_file(folder / "tables.json", overwrite=True) as part:
        write_json(part, written, indent=1)


def _bundle(text: str) -> tuple[str, str]:
    name, _, folder = text.partition("=")
    networks = [method for method in METHODS if method not in HALF_MAPS]
    if name not in networks or not folder:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not METHOD=FOLDER, with a method of {', '.join(networks)}"
        )
    return name, folder


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in METHODS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(METHODS)}")
    return names
