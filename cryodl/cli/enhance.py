"""`cryodl enhance`: a map or two half maps post-processed by a network, with an audit."""

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
    add("map", metavar="MAP", nargs="?", help="map to enhance, best neither sharpened nor masked "
        "(MRC or CCP4, also .gz and .bz2); or else half maps")  # fmt: skip
    add("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    add("--half1", metavar="FILE", help="first half map; the mean of both is "
        "enhanced, and each for the audit")  # fmt: skip
    add("--half2", metavar="FILE", help="second half map")
    add(
        "--model",
        choices=["tight", "wide", "highres"],
        default="tight",
        help="tight: masks closely; wide: leaves a margin; highres: for maps of 4 Å and better",
    )
    add(
        "--normalisation",
        choices=["auto", "stats", "mask"],
        default="auto",
        help="how the noise is found: by itself, from its statistics, or outside a mask",
    )
    add("--noise-mean", metavar="X", type=float, help="mean of the noise, in the map's unit")
    add("--noise-std", metavar="X", type=float, help="standard deviation of the noise")
    add("--mask", metavar="FILE", help="mask on the map's grid, outside which there is noise, or "
        "'network': the one that cryodl mask finds")  # fmt: skip
    add("--protect", metavar="FILE", help="mask of what is kept as it is in the input, sharpened "
        "to match, such as a ligand, a glycan or lipids")  # fmt: skip
    add("--clean", metavar="FRACTION", type=float, default=0.0, help="remove pieces smaller than "
        "this fraction of the largest one")  # fmt: skip
    add("--bundle", metavar="NAME_OR_FOLDER", help="trained network to use instead of the model's")
    add("--voxel-size", metavar="Å", type=float, help="where the maps' headers are wrong")
    add_thorough_option(parser, "the network's answer")
    add_compute_options(parser)
    add_output_options(parser)


def run(args: argparse.Namespace) -> None:
    from cryodl.methods.enhance.run import run_enhance

    print(f"cryodl enhance {args.map or args.half1 or ''}", flush=True)
    apply_compute_options(args)
    with Progress() as progress:
        result = run_enhance(
            args.map,
            half1=args.half1,
            half2=args.half2,
            model=args.model,
            bundle=args.bundle,
            normalisation=args.normalisation,
            noise_mean=args.noise_mean,
            noise_std=args.noise_std,
            mask=args.mask,
            protect_mask=args.protect,
            clean=args.clean,
            voxel_size=args.voxel_size,
            thorough=args.thorough,
            batch_size=args.batch_size,
            device=args.device,
            output=args.output,
            overwrite=args.overwrite,
            progress=progress,
            notify=say,
        )
    print(_summary(result.stats))
    print(f"wrote {args.output}")


def _summary(stats: dict) -> str:
    words = (
        f"density added without evidence {stats['density_added']:.1%}, clear density removed "
        f"{stats['density_removed']:.1%}"
    )
    if "fsc" in stats:
        before, after = (stats["fsc"][f"{name}_0.143"] for name in ("before", "after"))
        words += "; halves agree to " + " and ".join(
            f"{'none' if r is None else f'{r:.2f} Å'} {name}"
            for r, name in ((before, "before"), (after, "after"))
        )
    return f"{words}; {stats['seconds']['total']:.1f} s"
