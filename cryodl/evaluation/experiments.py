"""All methods on experiments from particles, with known truth: simulated, or RELION's.

An evaluation keeps what it has judged, a line of JSON each, and goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cryodl.errors import OutputError, SettingError
from cryodl.evaluation.enhancement import enhancement_tables, judge_enhanced
from cryodl.evaluation.reconstructions import (
    ENHANCING,
    Method,
    judge,
    load,
    open_experiments,
    read_judged,
    tables,
)
from cryodl.evaluation.tables import markdown
from cryodl.files.folder import whole_file
from cryodl.files.record import write_json
from cryodl.methods.options import Option, declared, option
from cryodl.methods.registry import LOCALRES
from cryodl.methods.training_options import OPTIONS as TRAINING
from cryodl.methods.training_options import TABLES
from cryodl.training.run import print_line

# "aspect" is aspect resolution by cryores, "aspect-deepres" by deepres, of maps as they are;
# "linear" and "refined" are enhancement by the models of these names
METHODS = (
    "cryores", "deepres", "aspect", "aspect-deepres", "unet-monores", "unet-resmap", "monogenic",
    "localfsc", *ENHANCING,
)  # fmt: skip
HALF_MAPS = "monogenic", "localfsc"
ROWS = "rows.jsonl"
Prediction = tuple[Any, Any]  # Å, shape (z, y, x); half-width of its interval, or None

OPTIONS = (
    Option("experiments", help="sets that 'cryodl experiments' wrote, or folders of "
        "reconstructions by RELION with half1, half2, signal, model and mask (.mrc) and "
        "experiment.json, and atoms.cif for Q-scores", metavar="FOLDER", argument=True,
        required=True, many="list"),
    option(TABLES, "output", help="folder for tables; experiments that it has judged are kept"),
    Option("methods", help=f"of {', '.join(METHODS)} (default: all)", metavar="NAME,...",
        many="commas"),
    Option("count", None, "experiments to take at most", int, least=1, metavar="N"),
    Option("longest", None, "leave out reconstructions of longer boxes in Å, which take minutes "
        "each", float, above=0, metavar="LENGTH"),
    Option("bundles", flag="bundle", help="measure this network of a method, not the shipped one; "
        "may be repeated", metavar="METHOD=FOLDER", many="repeat"),
    option(TRAINING, "workers", least=1, help="processes that judge"),
)  # fmt: skip


@declared(OPTIONS)
def evaluate_experiments(
    experiments: Sequence[str | Path] | str | Path,
    output: str | Path,
    *,
    methods: str | Sequence[str] | None = None,
    count: int | None = None,
    longest: float | None = None,
    bundles: Mapping[str, str] | Sequence[str] | None = None,
    workers: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
    log: Callable[[str], object] | None = print_line,
) -> dict[str, list[dict]]:
    """Measure every method on experiments from particles, simulated or reconstructed by RELION.

    What `cryodl evaluate experiments` does.

    Parameters
    ----------
    experiments : sets that 'cryodl experiments' wrote, or folders of reconstructions by RELION with
        half1, half2, signal, model and mask (.mrc) and experiment.json
    output : folder for tables; experiments that it has judged are kept
    methods : of METHODS; None takes all
    count : experiments to take at most
    longest : Å, of a box; None takes all
    bundles : method -> folder of a network to measure instead of the shipped one
    workers : processes that judge
    progress : called with "experiments", how many are judged and how many there are
    log : called with each line of progress and each table; None is silent

    Returns the tables by name, lists of rows; they are also written, as Markdown and as JSON.

    Raises
    ------
    CryodlError : one line with what was received and what to do
    """
    from cryodl.compute.parallel import Workers

    names, chosen = _methods(methods), _bundles(bundles)
    say, counted = log or (lambda line: None), progress or (lambda stage, done, total: None)
    places = [experiments] if isinstance(experiments, (str, Path)) else experiments
    found = [e for e in open_experiments(places) if longest is None or e.length <= longest]
    found = found[:count]
    if not found:
        size = "" if longest is None else f" with a box of at most {longest:g} Å"
        raise SettingError(f"there is no reconstruction{size}: give folders that hold some")
    folder = Path(output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not (folder / ROWS).is_file():
            raise OutputError(f"{folder} holds other things: give a new name")
    rows = read_judged(folder / ROWS) if (folder / ROWS).is_file() else []
    jobs = []
    judged = {(row["experiment"], row["method"], row.get("bundle")) for row in rows}
    for stored in found:
        left = [n for n in names if (stored.folder.name, n, chosen.get(n)) not in judged]
        if left:
            jobs.append((stored, left, chosen))
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / ROWS, overwrite=True) as part:  # without a line that was cut off
        part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    say(f"{len(found)} experiments, {len(found) - len(jobs)} of them judged before")
    with open(folder / ROWS, "a", encoding="utf-8") as file:
        if workers > 1:
            with Workers(workers) as pool:
                rows += _keep(pool.map(_judge, jobs), len(jobs), file, counted)
        else:
            rows += _keep(map(_judge, jobs), len(jobs), file, counted)
    taken = {stored.folder.name for stored in found}
    asked = {(name, chosen.get(name)) for name in names}
    rows = [row for row in rows if (row["method"], row.get("bundle")) in asked]
    return write_summaries(folder, [row for row in rows if row["experiment"] in taken], say)


def _methods(methods: str | Sequence[str] | None) -> tuple[str, ...]:
    names = METHODS if methods is None else methods
    names = tuple(names.split(",")) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in METHODS:
            raise SettingError(f"methods={name!r} is none of {', '.join(METHODS)}")
    return names


def _bundles(bundles: Mapping[str, str] | Sequence[str] | None) -> dict[str, str]:
    """Folders by method, of a mapping or of words METHOD=FOLDER."""
    words = bundles or ()
    if isinstance(words, Mapping):
        words = [f"{name}={folder}" for name, folder in words.items()]
    networks = [method for method in METHODS if method not in (*HALF_MAPS, "linear")]
    found = {}
    for text in words:
        name, _, folder = text.partition("=")
        if name not in networks or not folder:
            raise SettingError(
                f"bundles={text!r} is not METHOD=FOLDER, with a method of {', '.join(networks)}"
            )
        found[name] = folder
    return found


def _keep(judged, total: int, file, progress) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for done, found in enumerate(judged, 1):
        rows += found
        file.write("".join(json.dumps(row) + "\n" for row in found))
        file.flush()
        progress("experiments", done, total)
    return rows


def _judge(job) -> list[dict[str, Any]]:
    stored, names, bundles = job
    experiment = load(stored)
    single: dict[str, Method] = {}
    halves: dict[str, Method] = {}
    for name in names:
        if name in HALF_MAPS:
            halves[name] = partial(_half_maps, name)
        elif name not in ENHANCING:
            single[name] = partial(_single, name, bundles.get(name))
    rows = list(judge(experiment, single, halves))
    for name in ENHANCING:
        if name in names:
            model = "tight" if name == "enhance" else name
            enhance = partial(_enhance, model, bundles.get(name))
            rows += judge_enhanced(experiment, enhance, name)
    for row in rows:
        if row["method"] in bundles:
            row["bundle"] = bundles[row["method"]]
    return rows


def _single(name: str, bundle: str | None, volume) -> Prediction:
    """The prediction of a map as it is, which deepres flattens first."""
    method = LOCALRES["cryores" if name == "aspect" else name.replace("aspect-", "")]
    given: dict[str, Any] = {**method.sets, **({"bundle": bundle} if bundle else {})}
    result = method.load()(volume, **given, **({"sharpen": "auto"} if name == "deepres" else {}))
    if name == "aspect":
        return result.volumes["aspect"].data, None
    width = result.volumes.get("uncertainty")
    return result.volumes["resolution"].data, None if width is None else width.data


def _half_maps(name: str, half1, half2) -> Prediction:
    method = LOCALRES[name]
    return method.load()(half1, half2, **method.sets).volumes["resolution"].data, None


def _enhance(model: str, bundle: str | None, *maps):
    """The enhanced density and, of what has one, its trust; Volumes. To what it was filtered, Å."""
    from cryodl.methods.enhance.run import run_enhance

    names = ("volume",) if len(maps) == 1 else ("half1", "half2")
    result = run_enhance(**dict(zip(names, maps)), model=model, bundle=bundle)
    return result.volumes["enhanced"], result.volumes.get("trust"), result.stats.get("filtered_to")


def write_summaries(
    folder: Path, rows: list[dict[str, Any]], say: Callable[[str], object] = print
) -> dict[str, list[dict]]:
    """Say and write the tables of rows; returns them by name."""
    found = tables([r for r in rows if r["method"] not in ENHANCING])
    found |= enhancement_tables([r for r in rows if r["method"] in ENHANCING])
    written = {name: table for name, table in found.items() if table}
    for name, table in written.items():
        text = markdown(table)
        say(f"\n{name}\n\n{text}")
        with whole_file(folder / f"{name}.md", overwrite=True) as part:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
    with whole_file(folder / "tables.json", overwrite=True) as part:
        write_json(part, written, indent=1)
    return written
