"""`cryodl fsc`: resolution of two half maps by Fourier shell correlation."""

from __future__ import annotations

import argparse

from cryodl.cli.common import add_compute_options, add_output_options, apply_compute_options, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("half1", metavar="HALF1", help="first half map (MRC or CCP4, also .gz and .bz2)")
    add("half2", metavar="HALF2", help="second half map, of the same refinement")
    add("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    add("--mask", metavar="FILE", help="mask on the maps' grid, or 'network': the one that cryodl "
        "mask finds; a binary one gets a soft edge; without it a rule finds one")  # fmt: skip
    add("--voxel-size", metavar="Å", type=float, help="where the maps' headers are wrong")
    add_compute_options(parser, tiles=False)
    add_output_options(parser)


def run(args: argparse.Namespace) -> None:
    from cryodl.methods.fsc import run_fsc

    apply_compute_options(args)
    stats = run_fsc(
        args.half1,
        args.half2,
        mask=args.mask,
        voxel_size=args.voxel_size,
        output=args.output,
        overwrite=args.overwrite,
        device=args.device,
        notify=say,
    ).stats
    for note in stats["warnings"]:
        print(f"warning: {note}")
    within, without = (_resolutions(stats, suffix) for suffix in ("", "_unmasked"))
    print(f"resolution {within}; without a mask {without}")
    print(f"wrote {args.output}")


def _resolutions(stats: dict, suffix: str) -> str:
    found = [(t, stats[f"resolution_{t}{suffix}"]) for t in ("0.143", "0.5")]
    return ", ".join(f"{r:.2f} Å (FSC {t})" if r else f"none (FSC {t})" for t, r in found)
