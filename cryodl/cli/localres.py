"""`cryodl localres`: local resolution of one map, written with its figures."""

from __future__ import annotations

import argparse

from .common import PARAMS_HELP, Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("map", metavar="MAP", help="density map (MRC or CCP4, also .gz and .bz2)")
    add("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    add("--mask", metavar="FILE", help="mask on the map's grid; without it one is found")
    add("--method", choices=["deepres"], default="deepres", help="how to estimate it")
    add(
        "--range",
        choices=["auto", "low", "high"],
        default="auto",
        help="low: 2.5-13 Å, on a 1.0 Å grid; high: 1.5-6 Å, on 0.5 Å; auto: by the voxel size",
    )
    add(
        "--sharpen",
        metavar="none|auto|B",
        default="none",
        help="judge the map as it is, with its spectrum flattened, or with a B-factor applied "
        "(Å², negative sharpens)",
    )
    add("--claimed", metavar="Å", type=float, help="resolution claimed for the map")
    add("--bundle", metavar="NAME_OR_FOLDER", help="trained network to use instead of the range's")
    add("--voxel-size", metavar="Å", type=float, help="where the map's header is wrong")
    add("--device", choices=["auto", "cpu", "gpu"], default="auto", help="where to compute")
    add("--batch-size", metavar="N", type=int, default=1, help="tiles predicted at a time")
    add("--overwrite", action="store_true", help="replace results of an earlier run")
    add("--palette", default="viridis", help="colours of the figures")
    add("--params", metavar="FILE", help=PARAMS_HELP)


def run(args: argparse.Namespace) -> None:
    from ..api.local_resolution import run_local_resolution

    print(f"cryodl localres {args.map}", flush=True)
    progress = Progress()
    try:
        result = run_local_resolution(
            args.map,
            args.bundle,
            output=args.output,
            overwrite=args.overwrite,
            palette=args.palette,
            mask=args.mask,
            range=args.range,
            sharpen=args.sharpen,
            claimed=args.claimed,
            voxel_size=args.voxel_size,
            batch_size=args.batch_size,
            device=args.device,
            progress=progress,
            notify=lambda line: print(line, flush=True),
        )
    finally:
        progress.close()
    print(_summary(result.stats))
    print(f"wrote {args.output}")


def _summary(stats: dict) -> str:
    low, high = stats["percentiles"]["2.5"], stats["percentiles"]["97.5"]
    return (
        f"median {stats['median']:.2f} Å (2.5-97.5 %: {low:.2f}-{high:.2f} Å, "
        f"uncertainty ±{stats['uncertainty_median']:.2f} Å) in {stats['voxels']} voxels; "
        f"{stats['seconds']['total']:.1f} s"
    )
