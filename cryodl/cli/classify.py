"""`cryodl classify`: is the resolution of these maps high, medium or low, from the maps alone."""

from __future__ import annotations

import argparse
from typing import Any

from cryodl.cli.common import (
    Progress,
    add_compute_options,
    add_output_options,
    add_thorough_option,
    apply_compute_options,
    say,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("map", metavar="MAP", nargs="*", help="density maps (MRC or CCP4, also .gz and .bz2)")
    add("--model", choices=["cnn", "dnn"], default="cnn", help="cnn reads the texture of the map; "
        "dnn a description of it in a hundred numbers, and is faster")  # fmt: skip
    add("--claimed", metavar="Å", type=float, help="resolution claimed for the maps")
    add("--json", metavar="FILE", help="write what is found as a list of objects")
    add("--table", metavar="TSV", help="tab-separated list with file and resolution_A, instead of "
        "maps: prints the confusion matrix, sensitivity, specificity, PPV and NPV too")  # fmt: skip
    add("--mask", metavar="FILE", help="mask on the grid of a single map, or 'network': the one "
        "that cryodl mask finds; without it a simple rule finds one")  # fmt: skip
    add("--bundle", metavar="NAME_OR_FOLDER", help="trained network to use instead of the model's")
    add("--voxel-size", metavar="Å", type=float, help="where the maps' headers are wrong")
    add_thorough_option(parser, "probabilities")
    add_compute_options(parser, tiles=False)
    add_output_options(parser, replace="the file of --json")


def run(args: argparse.Namespace) -> None:
    from cryodl.errors import SettingError
    from cryodl.methods.resolution_class.run import check_list, classify_maps, write_list

    apply_compute_options(args)
    maps, claimed, voxels = args.map, args.claimed, args.voxel_size
    if args.table:
        if args.map or args.claimed or args.voxel_size:
            raise SettingError(
                "--table names maps, their claims and voxel sizes: leave MAP, --claimed and "
                "--voxel-size out"
            )
        from cryodl.evaluation.claims import read_table

        rows = read_table(args.table)
        maps, claimed, voxels = ([row[i] for row in rows] for i in range(3))
    if not maps:
        raise SettingError("no map is given: give MAP, one or more, or --table")
    if args.json:
        check_list(args.json, args.overwrite, *maps, args.mask)
    with Progress("rotation" if args.thorough else "map") as progress:
        found = classify_maps(
            maps,
            args.model,
            bundle=args.bundle,
            claimed=claimed,
            mask=args.mask,
            voxel_size=voxels,
            thorough=args.thorough,
            device=args.device,
            progress=progress if len(maps) > 1 or args.thorough else None,
            notify=say,
        )
    for entry in found:
        print(sentence(entry))
    if args.table:
        print_tables(found)
    if args.json:  # last: what was found is told, whatever becomes of the file
        write_list(args.json, found, args.overwrite)
        print(f"wrote {args.json}")


def sentence(entry: dict[str, Any]) -> str:
    """What was found of one map, in a line."""
    shares = ", ".join(f"{name} {100 * p:.0f} %" for name, p in entry["probabilities"].items())
    low, high = entry["interval"]
    text = (
        f"{entry['map']}: {entry['class']} ({shares}); {entry['resolution']:.1f} Å "
        f"(90 %: {low:.1f}-{high:.1f})"
    )
    words = {"agrees": "agrees with", "worse": "looks worse than", "better": "looks better than"}
    if entry["verdict"]:
        text += f"; {words[entry['verdict']]} the claimed {entry['claimed']:g} Å"
    return text


def print_tables(found: list[dict[str, Any]]) -> None:
    """Tables 2 to 5 of the paper, of maps with claims."""
    for name, rows in class_tables(found).items():
        from cryodl.cli.streams import markdown

        print(f"\n{name}\n\n{markdown(rows)}", end="")


def class_tables(found: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of Tables 2 (maps), 3 and 4 (confusion matrix) and 5 (measures of each class)."""
    from pathlib import Path

    from cryodl.methods.resolution_class.evaluate import (
        agreement,
        confusion,
        confusion_rows,
        measures,
    )
    from cryodl.resolution_maps.statistics import CLASSES, class_of

    published = [int(class_of(entry["claimed"])) for entry in found]
    predicted = [CLASSES.index(entry["class"]) for entry in found]
    maps = [
        {
            "map": Path(entry["map"]).name,
            "claimed": entry["claimed"],
            "published": CLASSES[truth],
            "predicted": entry["class"],
            "resolution": entry["resolution"],
            "interval": "{:.1f}-{:.1f}".format(*entry["interval"]),
        }
        for entry, truth in zip(found, published)
    ]
    matrix = confusion(published, predicted)
    total = {"maps": len(found), "agreement_percent": agreement(matrix)}
    return {
        "maps": maps,
        "confusion": confusion_rows(matrix),
        "measures": measures(matrix),
        "agreement": [total],
    }
