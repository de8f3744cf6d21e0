"""`cryodl evaluate postprocess`: figures 1 to 3 of the DeepEMhancer paper, as tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryodl.cli.streams import write_tables
from cryodl.files.folder import whole_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--experiments", metavar="SET", help="folder that 'cryodl experiments' wrote, on "
        "structures that were not trained on")  # fmt: skip
    add("--first", metavar="N", type=int, default=0, help="number of the first experiment taken")
    add("--count", metavar="N", type=int, help="experiments to take at most")
    add("--best", metavar="Å", type=float, default=2.2, help="resolution of the best taken")
    add("--worst", metavar="Å", type=float, default=7.0, help="resolution of the worst taken")
    add("--deepres", metavar="N", type=int, default=0, help="experiments, of which the local "
        "resolution is also estimated, before and after")  # fmt: skip
    add("--maps", metavar="TABLE", help="tab-separated table with file, resolution_A and "
        "model_file (fitted): compares these maps with their models")  # fmt: skip
    add("--model", choices=["tight", "wide", "highres"], default="tight", help="network to measure")
    add("--bundle", metavar="BUNDLE", help="network to measure instead")
    add("-o", "--output", metavar="OUT", required=True, help="folder for tables")
    add("--overwrite", action="store_true", help="replace tables that exist")


def run(args: argparse.Namespace) -> None:
    from cryodl.compute.device import prepare_device
    from cryodl.errors import SettingError
    from cryodl.methods.enhance.estimate import Enhancer

    if not args.experiments and not args.maps:
        raise SettingError("nothing to evaluate on: give --experiments, --maps, or both")
    tables: dict[str, list[dict]] = {}
    with whole_folder(args.output, overwrite=args.overwrite, clear=False) as folder:
        prepare_device("auto")
        enhancer = Enhancer(args.model, args.bundle)
        if args.experiments:
            tables.update(_simulated(args, enhancer))
        if args.maps:
            tables["postprocess_real"] = _real(args, enhancer)
        write_tables(folder, tables.items())


def _simulated(args, enhancer) -> dict[str, list[dict]]:
    from cryodl.methods.enhance import evaluate as tests
    from cryodl.simulation.experiment_set import open_experiment_set

    experiments = [
        e
        for e in open_experiment_set(args.experiments)[args.first :]
        if args.best <= e.resolution <= args.worst
    ][: args.count]
    rows, aspect = [], []
    for number, experiment in enumerate(experiments):
        rows.append(tests.experiment_row(experiment, enhancer))
        if number < args.deepres:
            aspect.append(tests.deepres_row(experiment, enhancer))
        print(f"{number + 1} of {len(experiments)} experiments", flush=True)
    tables = {"postprocess": rows, "postprocess_summary": tests.summarise(rows)}
    if aspect:
        tables["postprocess_deepres"] = aspect
    return tables


def _real(args, enhancer) -> list[dict]:
    from cryodl.errors import InputError
    from cryodl.evaluation.claims import read_table
    from cryodl.files.reading import read_rows
    from cryodl.maps.inputs import input_map
    from cryodl.methods.enhance.evaluate import real_row

    table = Path(args.maps)
    entries = read_table(table)
    models = {Path(row["file"]).name: row.get("model_file") for row in read_rows(table, "file")}
    rows = []
    for path, claimed, voxel in entries:
        if models.get(path.name) in (None, "", "-"):
            continue
        try:
            model = path.parent / models[path.name]
            row = real_row(path, model, claimed, input_map(path, voxel), enhancer)
        except InputError as error:
            row = {"map": path.name, "claimed": claimed, "left_out": str(error)}
        rows.append(row)
    if not rows:
        raise InputError(f"'{table}' names no model, in a column model_file, for any of its maps")
    return rows
