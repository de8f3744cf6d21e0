"""`cryodl evaluate local-resolution`: the paper's simulated tests, and tables of real maps."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryodl.cli.streams import picture, write_tables
from cryodl.files.folder import whole_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--structures", metavar="DIR",
        help="folder of unseen PDB or mmCIF files, or a packed set: runs the simulated tests",
    )  # fmt: skip
    parser.add_argument(
        "--maps", metavar="TABLE",
        help="tab-separated table with file and resolution_A: runs these maps",
    )  # fmt: skip
    parser.add_argument("--low", metavar="BUNDLE", default="deepres-low", help="for 2.5-13 Å")
    parser.add_argument("--high", metavar="BUNDLE", default="deepres-high", help="for 1.5-6 Å")
    parser.add_argument("--count", metavar="N", type=int, default=4, help="structures per test")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="folder for tables")
    parser.add_argument("--overwrite", action="store_true", help="replace tables that exist")


def run(args: argparse.Namespace) -> None:
    from cryodl.compute.device import prepare_device
    from cryodl.errors import SettingError

    if not args.structures and not args.maps:
        raise SettingError("nothing to evaluate on: give --structures, --maps, or both")
    tables: dict[str, list[dict]] = {}
    with whole_folder(args.output, overwrite=args.overwrite, clear=False) as folder:
        prepare_device("auto")
        if args.structures:
            tables.update(_simulated(args))
        if args.maps:
            tables.update(_real(args, folder))
        write_tables(folder, tables.items())


def _simulated(args) -> dict[str, list[dict]]:
    from cryodl.methods.deepres import evaluate as experiments
    from cryodl.methods.deepres import evaluate as tests
    from cryodl.networks.bundle import load_bundle
    from cryodl.training.structures import load_structures

    structures, _ = load_structures(args.structures)
    low, high = load_bundle(args.low), load_bundle(args.high)
    pick = {
        kind: tests.choose_structures(structures, kind, args.count)
        for kind in ("tetramer", "rna", "protein")
    }
    rows = tests.tetramers(pick["tetramer"], low)
    rows += tests.uniform_maps(pick["protein"], low)
    rows += tests.uniform_maps(pick["rna"], high, cutoffs=(2.0, 4.0), voxel_size=0.5, name="RNA")
    rows += tests.phase_randomised(pick["rna"], high)
    tables = {"simulated": rows, "simulated_summary": tests.summarise(rows)}
    tables["b_factors"] = tests.b_factors(pick["protein"][:2], low)
    if pick["protein"]:
        tables["invariances"] = tests.invariances(pick["protein"][0], low)
    many = tests.choose_structures(structures, "protein", 4 * args.count)
    if many:
        tables["experiments"] = experiments.experiments(many, low)
        tables["experiments_summary"] = experiments.summarise_experiments(tables["experiments"])
    tables["intervals"] = [
        {"bundle": b.spec["name"], **{k: v for k, v in b.spec["metrics"].items() if k != "bands"}}
        for b in (low, high)
    ]
    return tables


def _real(args, folder: Path) -> dict[str, list[dict]]:
    from cryodl.methods.deepres.evaluate import real_maps, summarise_real
    from cryodl.report.curves import draw_scatter

    rows = real_maps(args.maps, {"low": args.low, "high": args.high})
    with picture("real_maps.png"):
        draw_scatter(
            [r["claimed"] for r in rows],
            [r["flattened"] for r in rows],
            folder / "real_maps.png",
            "Claimed resolution (Å)",
            "Median local resolution, flattened (Å)",
        )
    return {"real_maps": rows, "real_maps_summary": summarise_real(rows)}
