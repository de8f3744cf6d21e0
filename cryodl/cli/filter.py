"""`cryodl filter`: a map low-passed to its local resolution."""

from __future__ import annotations

import argparse

from cryodl.cli.common import add_output_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("map", metavar="MAP", help="density map (MRC or CCP4, also .gz and .bz2)")
    add(
        "--resolution",
        metavar="RES",
        required=True,
        help="its local resolution, by any package: a map in Å, or a folder of results",
    )
    add("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    add("--mask", metavar="FILE", help="mask on the same grid; what is outside counts as solvent")
    add(
        "--background",
        metavar="auto|VALUE",
        default="auto",
        help="value that stands for unknown in RES; auto knows 0, NaN, about 100 and any one value "
        "that covers the borders of the box",
    )
    add("--voxel-size", metavar="Å", type=float, help="where the headers are wrong")
    add_output_options(parser, palette=True)


def run(args: argparse.Namespace) -> None:
    from cryodl.methods.filter import run_filter

    print(f"cryodl filter {args.map}", flush=True)
    stats = run_filter(
        args.map,
        args.resolution,
        mask=args.mask,
        background=args.background,
        voxel_size=args.voxel_size,
        output=args.output,
        overwrite=args.overwrite,
        palette=args.palette,
    ).stats
    print(stats["note"])
    for line in stats["warnings"]:
        print(f"warning: {line}")
    print(
        f"filtered at {len(stats['cutoffs'])} cut-offs from {stats['cutoffs'][0]:.2f} to "
        f"{stats['cutoffs'][-1]:.2f} Å, solvent to {stats['outside']:.2f} Å; "
        f"{stats['seconds']['total']:.1f} s"
    )
    print(f"wrote {args.output}")
