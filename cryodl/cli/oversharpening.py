"""`cryodl oversharpening`: the B-factor with which a map shows what its half maps hold."""

from __future__ import annotations

import argparse

from cryodl.cli.common import (
    Progress,
    add_compute_options,
    add_output_options,
    apply_compute_options,
    say,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("map", metavar="MAP", nargs="?", help="unsharpened map (MRC or CCP4, also .gz and .bz2); "
        "the mean of the half maps by default")  # fmt: skip
    add("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    add("--half1", metavar="FILE", help="first half map, for the signal-to-noise resolution")
    add("--half2", metavar="FILE", help="second half map")
    add(
        "--method",
        choices=["localfsc", "monogenic"],
        default="localfsc",
        help="how half maps tell the signal-to-noise resolution",
    )
    add(
        "--criterion",
        choices=["auto", "correlation", "crossing"],
        default="auto",
        help="what is recommended: the B-factor with which the map is expected to be most like its "
        "atoms (correlation; needs half maps), or that at which aspect and signal-to-noise "
        "resolution meet (crossing); auto takes the first where it can",
    )
    add("--resolution-map", metavar="RES", help="signal-to-noise resolution by any package, a map "
        "in Å or a folder of results, instead of the half maps'")  # fmt: skip
    add("--sharpened", metavar="FILE", help="map on the same grid, sharpened in any way, to judge")
    add("--mask", metavar="FILE", help="where resolutions are compared; without it one is found")
    add(
        "--bfactors",
        metavar="B,B,...",
        help="in Å², from 0 downwards, written --bfactors=0,-50,-100; by default 0 to -200 in "
        "steps of 25, and once more at the recommended one",
    )
    add(
        "--range",
        choices=["auto", "low", "high"],
        default="auto",
        help="of the network; low: 2.5-13 Å, high: 1.5-6 Å, auto: by the voxel size",
    )
    add("--bundle", metavar="NAME_OR_FOLDER", help="trained network to use instead of the range's")
    add("--voxel-size", metavar="Å", type=float, help="where the maps' headers are wrong")
    add_compute_options(parser)
    add_output_options(parser)


def run(args: argparse.Namespace) -> None:
    from cryodl.methods.oversharpening import run_oversharpening

    print(f"cryodl oversharpening {args.map or args.half1 or ''}", flush=True)
    apply_compute_options(args)
    with Progress() as progress:
        stats = run_oversharpening(
            args.map,
            half1=args.half1,
            half2=args.half2,
            method=args.method,
            criterion=args.criterion,
            resolution_map=args.resolution_map,
            sharpened=args.sharpened,
            mask=args.mask,
            bfactors=None if args.bfactors is None else args.bfactors.split(","),
            bundle=args.bundle,
            range=args.range,
            voxel_size=args.voxel_size,
            batch_size=args.batch_size,
            device=args.device,
            output=args.output,
            overwrite=args.overwrite,
            progress=progress,
            notify=say,
        ).stats
    met = stats["crossing_bfactor"]
    where = "nowhere in the scan" if met is None else f"at {met:g} Å²"
    print(
        f"recommended B-factor {stats['best_bfactor']:g} Å² (by {stats['criterion']}); aspect and "
        f"signal-to-noise resolution meet {where}; {stats['seconds']['total']:.1f} s"
    )
    print(f"wrote {args.output}")
