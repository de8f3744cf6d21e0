"""`cryodl mask`: the molecule in a map, written as a mask."""

from __future__ import annotations

import argparse

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
    add("map", metavar="MAP", help="density map (MRC or CCP4, also .gz and .bz2)")
    add("-o", "--output", metavar="MASK", required=True, help="file to write, such as mask.mrc")
    add("--threshold", metavar="P", type=float, default=0.5, help="probability above which a voxel "
        "is in the molecule")  # fmt: skip
    add("--dilate", metavar="Å", type=float, default=0.0, help="widen the mask, or below 0 narrow "
        "it")  # fmt: skip
    add("--soft", metavar="Å", type=float, default=0.0, help="width of a soft edge outside it; "
        "without one the mask is 0 or 1")  # fmt: skip
    add("--bundle", metavar="NAME_OR_FOLDER", help="trained network to use instead of the shipped")
    add("--voxel-size", metavar="Å", type=float, help="where the map's header is wrong")
    add_thorough_option(parser, "the network's answer")
    add_compute_options(parser)
    add_output_options(parser, replace="a file that exists")


def run(args: argparse.Namespace) -> None:
    from cryodl.methods.mask import run_mask

    print(f"cryodl mask {args.map}", flush=True)
    apply_compute_options(args)
    with Progress() as progress:
        stats = run_mask(
            args.map,
            args.bundle,
            threshold=args.threshold,
            dilate=args.dilate,
            soft=args.soft,
            output=args.output,
            overwrite=args.overwrite,
            voxel_size=args.voxel_size,
            thorough=args.thorough,
            batch_size=args.batch_size,
            device=args.device,
            progress=progress,
            notify=say,
        ).stats
    print(
        f"{stats['voxels']} voxels ({stats['share_of_box']:.1%} of the box), "
        f"{stats['volume']} Å³; {stats['seconds']['total']:.1f} s"
    )
    print(f"wrote {args.output}")
