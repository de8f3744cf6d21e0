"""`cryodl classify`: is the resolution of these maps high, medium or low, from the maps alone."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cryodl.cli.command import PARAMS
from cryodl.cli.common import SOME_FAILED, Progress, apply_compute_options, say
from cryodl.errors import SettingError
from cryodl.methods import options as declared
from cryodl.methods.options import Option, as_flags, keywords
from cryodl.methods.resolution_class.options import OPTIONS

TABLE = Option("table", metavar="TSV", process=True, help="tab-separated list with file and "
    "resolution_A, instead of maps: prints the confusion matrix, sensitivity, specificity, PPV and "
    "NPV too")  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    maps, *others = OPTIONS
    options = (maps._replace(required=False), TABLE, *others, PARAMS)  # a table stands for maps
    declared.add_arguments(parser, options)
    parser.set_defaults(options=options)


def run(args: argparse.Namespace) -> int:
    from cryodl.methods.resolution_class.run import check_list, classify_maps, write_list

    apply_compute_options(args)
    values = keywords(OPTIONS, args)
    path, overwrite = values.pop("json_file"), values.pop("overwrite")
    if args.table:
        if args.map or args.claimed or args.voxel_size:
            raise SettingError(
                "--table names maps, their claims and voxel sizes: leave MAP, --claimed and "
                "--voxel-size out"
            )
        from cryodl.evaluation.tables import read_table

        rows = read_table(args.table)
        for i, name in enumerate(("maps", "claimed", "voxel_size")):
            values[name] = [row[i] for row in rows]
    if not values["maps"]:
        raise SettingError("no map is given: give MAP, one or more, or --table")
    if path:
        check_list(path, overwrite, *values["maps"], args.mask)
    with Progress("rotation" if args.thorough else "map") as progress:
        shown = progress if len(values["maps"]) > 1 or args.thorough else None

        def tell(entry: dict[str, Any]) -> None:
            progress.close()
            if "error" in entry:
                print(f"cryodl: {as_flags(entry['error'], OPTIONS)}", file=sys.stderr)
            else:
                say(sentence(entry))

        found = classify_maps(**values, progress=shown, notify=say, judged=tell)
    judged = [entry for entry in found if "error" not in entry]
    if args.table:
        print_tables(judged)
    if path:  # last: what was found is told, whatever becomes of the file
        write_list(path, found, overwrite)
        print(f"wrote {path}")
    return 0 if len(judged) == len(found) else SOME_FAILED


def sentence(entry: dict[str, Any]) -> str:
    """What was found of one map, in a line."""
    shares = ", ".join(f"{name} {100 * p:.0f} %" for name, p in entry["probabilities"].items())
    low, high = entry["interval"]
    sure = f"(90 %: {low:.1f}-{high:.1f})" if low < high else "or better (its voxels hold no more)"
    text = f"{entry['map']}: {entry['class']} ({shares}); {entry['resolution']:.1f} Å {sure}"
    words = {"agrees": "agrees with", "worse": "looks worse than", "better": "looks better than"}
    if entry["verdict"]:
        text += f"; {words[entry['verdict']]} the claimed {entry['claimed']:g} Å"
    return text


def print_tables(found: list[dict[str, Any]]) -> None:
    """Tables 2 to 5 of the paper, of maps with claims."""
    from cryodl.evaluation.tables import markdown
    from cryodl.methods.resolution_class.evaluate import class_tables

    for name, rows in class_tables(found).items():
        print(f"\n{name}\n\n{markdown(rows)}", end="")
