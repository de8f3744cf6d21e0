"""All methods on experiments from particles, with known truth: simulated, or RELION's.

An evaluation keeps what it has judged, a line of JSON each, and goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from cryodl.files.folder import cannot_write, whole_file
from cryodl.files.record import file_sha256, files_of, write_json
from cryodl.methods.options import Option, declared, option
from cryodl.methods.registry import LOCALRES
from cryodl.methods.training_options import OPTIONS as TRAINING
from cryodl.methods.training_options import TABLES
from cryodl.networks.spec import SPEC_FILE, find_bundle, read_spec
from cryodl.training.run import print_line
from cryodl.version import __version__

# "aspect" is aspect resolution by cryores, "aspect-deepres" by deepres, of maps as they are;
# "linear" and "refined" are enhancement by the models of these names
METHODS = (
    "cryores", "deepres", "aspect", "aspect-deepres", "unet-monores", "unet-resmap", "monogenic",
    "localfsc", *ENHANCING,
)  # fmt: skip
HALF_MAPS = "monogenic", "localfsc"
ROWS, LOCK = "rows.jsonl", ".lock"
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
    bundled = {name: _identity_of_bundle(chosen.get(name)) for name in names}
    keys = {
        (stored.folder.name, name, chosen.get(name)): _key(stored.folder, bundled[name])
        for stored in found
        for name in names
    }
    with _alone(folder):
        rows = read_judged(folder / ROWS) if (folder / ROWS).is_file() else []
        rows = [row for row in rows if keys.get(_place(row), row.get("key")) == row.get("key")]
        judged = set(map(_place, rows))
        jobs = []
        for stored in found:
            of_methods = {name: (stored.folder.name, name, chosen.get(name)) for name in names}
            left = {name: keys[at] for name, at in of_methods.items() if at not in judged}
            if left:
                jobs.append((stored, left, chosen))
        with whole_file(folder / ROWS, overwrite=True) as part:  # without a line that was cut off
            part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        say(f"{len(found)} experiments, {len(found) - len(jobs)} of them judged before")
        with open(folder / ROWS, "a", encoding="utf-8") as file:
            if workers > 1:
                with Workers(workers) as pool:
                    rows += _keep(pool.map(_judge, jobs), len(jobs), file, counted)
            else:
                rows += _keep(map(_judge, jobs), len(jobs), file, counted)
        return write_summaries(folder, [row for row in rows if _place(row) in keys], say)


def _place(row: Mapping[str, Any]) -> tuple[str, str, str | None]:
    return row["experiment"], row["method"], row.get("bundle")


def _identity_of_bundle(bundle: str | None) -> str | None:
    """Checksum of a network's record, which holds those of its files; of a shipped one the version
    of cryodl tells."""
    if bundle is None:
        return None
    folder = find_bundle(bundle)
    read_spec(folder)
    return file_sha256(folder / SPEC_FILE)


def _key(experiment: Path, bundle: str | None) -> str:
    """What a row depends on: files of the experiment, network, and version."""
    paths = [experiment / name for name in sorted(files_of(experiment))]
    stats = [
        path.stat() if path.exists() else path.lstat() for path in paths
    ]  # of links to nothing
    files = [(p.name, stat.st_size, stat.st_mtime_ns) for p, stat in zip(paths, stats)]
    return hashlib.sha256(json.dumps([files, bundle, __version__]).encode()).hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A folder of rows for this evaluation alone; made where there is none.

    Raises OutputError where it holds other things, cannot be written, or another writes into it.
    """
    import fcntl

    try:
        if os.path.lexists(folder) and not folder.is_dir():
            raise OutputError(f"{folder} holds other things: give a new name")
        names = set(os.listdir(folder)) if folder.is_dir() else set()
        if names - {LOCK} and not (folder / ROWS).is_file():
            raise OutputError(f"{folder} holds other things: give a new name")
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / LOCK, "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(
                    f"another evaluation writes into {folder}: wait for it, or give another folder"
                ) from None
            yield
    except BrokenPipeError:  # of what listens to the progress
        raise
    except OSError as error:
        raise cannot_write(folder, error) from None


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
        row["key"] = names[row["method"]]
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
