"""`cryodl evaluate resolution-class`: the tables of the paper, boundaries and invariances."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from cryodl.cli.streams import write_tables
from cryodl.files.folder import whole_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--structures", metavar="DIR",
        help="folder of unseen PDB or mmCIF files, or a packed set: simulated maps")  # fmt: skip
    add("--experiments", metavar="SET", action="append", default=[],
        help="set of simulated experiments on unseen structures")  # fmt: skip
    add("--maps", metavar="TABLE",
        help="tab-separated table with file and resolution_A: Tables 2 to 5")  # fmt: skip
    add("--model", choices=["cnn", "dnn"], default="cnn", help="which of the two")
    add("--bundle", metavar="NAME_OR_FOLDER", help="trained network to use instead of the model's")
    add("--count", metavar="N", type=int, default=30, help="structures, and experiments of a set")
    add("-o", "--output", metavar="OUT", required=True, help="folder for tables")
    add("--overwrite", action="store_true", help="replace tables that exist")


def run(args: argparse.Namespace) -> None:
    from cryodl.errors import SettingError
    from cryodl.methods.resolution_class.estimate import Classifier

    if not (args.structures or args.experiments or args.maps):
        raise SettingError("nothing to evaluate on: give --structures, --experiments or --maps")
    with whole_folder(args.output, overwrite=args.overwrite, clear=False) as folder:
        classifier = Classifier(args.model, args.bundle)
        write_tables(folder, _tables(args, classifier), f"{args.model}_")


def _tables(args, classifier) -> Iterator[tuple[str, list[dict]]]:
    """Names and rows, each as soon as it is measured."""
    if args.maps:
        yield from _real(args)
    if args.structures:
        yield from _simulated(args, classifier)
    if args.experiments:
        yield from _experiments(args, classifier)


def _simulated(args, classifier) -> Iterator[tuple[str, list[dict]]]:
    import numpy as np

    from cryodl.methods.resolution_class import evaluate as tests
    from cryodl.training.structures import load_structures

    structures, _ = load_structures(args.structures)
    structures = [s for s in structures if len(s) >= 500] or structures
    chosen = structures[:: max(1, len(structures) // max(args.count, 28))]
    yield "paper_resolutions", tests.paper_resolutions(chosen[: args.count], classifier)
    yield "boundaries", tests.boundaries(chosen[: max(3, args.count // 5)], classifier)
    yield "table_1", tests.table_1(chosen, classifier)
    compact = min(structures, key=lambda s: float(np.ptp(s.positions, axis=0).max()))
    volume = tests.simulated(compact, 4.5, 0, noise=0.1, box=96)
    yield "invariances", tests.invariances(volume, classifier)


def _experiments(args, classifier) -> Iterator[tuple[str, list[dict]]]:
    from cryodl.maps.volume import Volume
    from cryodl.methods.resolution_class import evaluate as tests
    from cryodl.simulation.experiment_set import open_experiment_set

    found = []
    for place in args.experiments:
        every = open_experiment_set(place)
        found += every[:: max(1, len(every) // args.count)][: args.count]
    rows = tests.experiments(found, classifier, tests.deposited)
    yield "experiments", rows
    yield "experiments_summary", tests.summarise(rows)
    volume = Volume(found[0].load("map"), found[0].info["voxel_size"])
    yield "invariances_experiment", tests.invariances(volume, classifier)


def _real(args) -> Iterator[tuple[str, list[dict]]]:
    from cryodl.cli.classify import class_tables
    from cryodl.evaluation.claims import read_table
    from cryodl.methods.resolution_class.run import classify_maps

    rows = read_table(args.maps)
    maps, claimed, voxels = ([row[i] for row in rows] for i in range(3))
    found = classify_maps(maps, args.model, bundle=args.bundle, claimed=claimed, voxel_size=voxels)
    for name, table in class_tables(found).items():
        yield f"real_{name}", table
