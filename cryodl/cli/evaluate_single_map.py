"""`cryodl evaluate single-map-resolution`: simulated experiments and tables of real maps."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryodl.cli.streams import picture, write_tables
from cryodl.files.folder import whole_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--experiments", metavar="SET", help="folder that 'cryodl experiments' wrote, on "
        "structures that were not trained on")  # fmt: skip
    add("--first", metavar="N", type=int, default=0, help="number of the first experiment taken")
    add("--every", metavar="N", type=int, default=1, help="take one in so many")
    add("--count", metavar="N", type=int, help="experiments to take at most")
    add("--halves", metavar="N", type=int, default=30, help="of them also judged by the methods of "
        "half maps, which take longer")  # fmt: skip
    add("--maps", metavar="TABLE",
        help="tab-separated table with file and resolution_A: runs these maps")  # fmt: skip
    add("--bundle", metavar="BUNDLE", default="cryores-single", help="the network")
    add("-o", "--output", metavar="OUT", required=True, help="folder for tables")
    add("--overwrite", action="store_true", help="replace tables that exist")


def run(args: argparse.Namespace) -> None:
    from cryodl.compute.device import prepare_device
    from cryodl.errors import SettingError
    from cryodl.networks.bundle import load_bundle

    if not args.experiments and not args.maps:
        raise SettingError("nothing to evaluate on: give --experiments, --maps, or both")
    tables: dict[str, list[dict]] = {}
    with whole_folder(args.output, overwrite=args.overwrite, clear=False) as folder:
        prepare_device("auto")
        bundle = load_bundle(args.bundle)
        if args.experiments:
            tables.update(_simulated(args, bundle))
        if args.maps:
            tables.update(_real(args, bundle, folder))
        write_tables(folder, tables.items())


def _simulated(args, bundle) -> dict[str, list[dict]]:
    from cryodl.methods.cryores import evaluate as tests
    from cryodl.simulation.experiment_set import open_experiment_set
    from cryodl.training.augment import molecular_target

    experiments = open_experiment_set(args.experiments)[args.first :: args.every][: args.count]
    rows = []
    for number, experiment in enumerate(experiments):
        target = molecular_target(experiment)
        halves = number < args.halves
        rows += tests.judge_experiment(experiment, bundle, target, halves=halves)
        print(f"{number + 1} of {len(experiments)} experiments", flush=True)
    compared = {r["experiment"] for r in rows if r["method"] != "cryores"}
    same = [r for r in rows if r["experiment"] in compared]
    tables = {"single_map": tests.compare([r for r in rows if r["method"] == "cryores"])}
    if same:
        tables["single_map_methods"] = tests.compare(same)
        tables["single_map_bands"] = tests.by_band(same)
    tables["single_map_copies"] = tests.copies(rows)
    return tables


def _real(args, bundle, folder: Path) -> dict[str, list[dict]]:
    from cryodl.methods.cryores.evaluate import real_maps, summarise_real
    from cryodl.report.curves import draw_scatter
    from cryodl.report.slices import draw_slices

    rows = real_maps(args.maps, bundle)
    for row in rows:
        result = row.pop("result")
        mask = result.volumes["mask"].data > 0
        name = f"{row['map'].split('.')[0]}.png"
        with picture(name):
            draw_slices(
                result.density.data, result.volumes["resolution"].data, mask, folder / name,
                voxel_size=result.density.voxel_size, origin=result.density.origin,
                title=row["map"],
            )  # fmt: skip
    with picture("real_maps.png"):
        draw_scatter(
            [r["claimed"] for r in rows],
            [r["median"] for r in rows],
            folder / "real_maps.png",
            "Claimed resolution (Å)",
            "Median local resolution (Å)",
        )
    return {"single_map_real": rows, "single_map_real_summary": summarise_real(rows)}
