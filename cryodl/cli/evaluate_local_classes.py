"""`cryodl evaluate local-classes`: both networks on both label sources, maps held out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from cryodl.cli.streams import write_tables
from cryodl.files.folder import whole_folder

LABELS = "monogenic", "sinusoid"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--experiments", metavar="SET", required=True,
        help="set of simulated experiments on unseen structures, with both labels")  # fmt: skip
    add("--monores", metavar="BUNDLE", default="unet-monores", help="as MonoRes")
    add("--resmap", metavar="BUNDLE", default="unet-resmap", help="as ResMap")
    add("--count", metavar="N", type=int, default=20, help="experiments")
    add("-o", "--output", metavar="OUT", required=True, help="folder for tables")
    add("--overwrite", action="store_true", help="replace tables that exist")


def run(args: argparse.Namespace) -> None:
    from cryodl.errors import InputError
    from cryodl.networks.bundle import load_bundle
    from cryodl.simulation.experiment_set import open_experiment_set

    every = open_experiment_set(args.experiments)
    labelled = [e for e in every if all(e.has(label) for label in LABELS)]
    if not labelled:
        raise InputError(
            f"no experiment of '{args.experiments}' holds both labels, {' and '.join(LABELS)}: "
            "'cryodl train local-classes --label-first' adds them"
        )
    chosen = labelled[:: max(1, len(labelled) // args.count)][: args.count]
    bundles = {"unet-monores": load_bundle(args.monores), "unet-resmap": load_bundle(args.resmap)}
    with whole_folder(args.output, overwrite=args.overwrite, clear=False) as folder:
        write_tables(folder, _tables(chosen, bundles))


def _tables(chosen, bundles) -> Iterator[tuple[str, list[dict]]]:
    """Names and rows, each as soon as it is measured."""
    from cryodl.methods.local_classes.evaluate import MAPS, ceiling, compare

    yield "estimators", ceiling(chosen, LABELS)
    for maps in MAPS:
        yield f"table_6_{maps}", compare(chosen, bundles, LABELS, maps=maps)
