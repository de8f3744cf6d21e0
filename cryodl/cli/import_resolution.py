"""`cryodl import`: a local-resolution map of another package, in our conventions."""

from __future__ import annotations

import argparse

from cryodl.cli.common import add_output_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("res", metavar="RES", help="local-resolution map of any package, in Å")
    add("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    add("--map", metavar="FILE", help="density that was judged: gives the origin, and is drawn")
    add("--mask", metavar="FILE", help="mask on the same grid; what is outside is dropped")
    add(
        "--background",
        metavar="auto|VALUE",
        default="auto",
        help="value that stands for unknown; auto knows 0, NaN, about 100 and any one value that "
        "covers the borders of the box",
    )
    add("--voxel-size", metavar="Å", type=float, help="where the headers are wrong")
    add("--claimed", metavar="Å", type=float, help="resolution claimed for the map")
    add_output_options(parser, palette=True)


def run(args: argparse.Namespace) -> None:
    from cryodl.methods.import_resolution import run_import_resolution

    print(f"cryodl import {args.res}", flush=True)
    stats = run_import_resolution(
        args.res,
        map=args.map,
        mask=args.mask,
        background=args.background,
        voxel_size=args.voxel_size,
        claimed=args.claimed,
        output=args.output,
        overwrite=args.overwrite,
        palette=args.palette,
    ).stats
    print(stats["note"])
    for line in stats["warnings"]:
        print(f"warning: {line}")
    low, high = stats["percentiles"]["2.5"], stats["percentiles"]["97.5"]
    print(
        f"median {stats['median']:.2f} Å (2.5-97.5 %: {low:.2f}-{high:.2f} Å) in "
        f"{stats['voxels']} voxels; {stats['seconds']['total']:.1f} s"
    )
    print(f"wrote {args.output}")
