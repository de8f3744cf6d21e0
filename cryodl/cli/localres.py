"""`cryodl localres`: local resolution of a map or two half maps, written with its figures."""

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

CLASSES = ("unet-monores", "unet-resmap")
NETWORKS = ("deepres", "cryores", *CLASSES)
NOISE = ("monogenic", "sinusoid", "localfsc")
SIGNIFICANCE = 0.95
# Options that belong to some methods, and their defaults: given to another they would do nothing.
ONLY = {
    "range": (("deepres",), "auto"),
    "sharpen": (("deepres",), "none"),
    "probabilities": (CLASSES, False),
    "bundle": (NETWORKS, None),
    "thorough": (NETWORKS, False),
    "batch_size": (NETWORKS, 1),
    "min_resolution": (NOISE, None),
    "max_resolution": (NOISE, None),
    "significance": (("monogenic", "sinusoid"), SIGNIFICANCE),
    "window": (("localfsc",), None),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("map", metavar="MAP", nargs="?", help="density map (MRC or CCP4, also .gz and .bz2); with "
        "half maps, the one to show")  # fmt: skip
    add("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    add("--mask", metavar="FILE", help="mask on the map's grid, or 'network': the one that cryodl "
        "mask finds, which cryores and noise methods of one map take in any case; without it "
        "a simple rule finds one")  # fmt: skip
    add(
        "--method",
        choices=[*NETWORKS, *NOISE],
        default="deepres",
        help="deepres: by a network, from how the map looks; cryores: by a network, from one map, "
        "in the sense of signal to noise; unet-monores, unet-resmap: ten classes, by a network, "
        "from one map, as MonoRes or ResMap would have them; monogenic: where the amplitude meets "
        "the noise, from half maps or outside the mask (after MonoRes); sinusoid: where a sinusoid "
        "is no likelier than noise (after ResMap); localfsc: FSC of half maps in a window",
    )  # fmt: skip
    add("--half1", metavar="FILE", help="first half map, for the methods of half maps")
    add("--half2", metavar="FILE", help="second half map")
    add("--min-resolution", metavar="Å", type=float, help="finest that these methods look at; "
        "Nyquist by default")  # fmt: skip
    add("--max-resolution", metavar="Å", type=float, help="coarsest that they look at")
    add(
        "--significance",
        metavar="P",
        type=float,
        default=SIGNIFICANCE,
        help="of monogenic and sinusoid: share of noise that a voxel must exceed",
    )
    add("--window", metavar="Å", type=float, help="of localfsc: edge of the box whose volume the "
        "window has; seven times the FSC resolution by default")  # fmt: skip
    add(
        "--range",
        choices=["auto", "low", "high"],
        default="auto",
        help="of deepres; low: 2.5-13 Å, on a 1.0 Å grid; high: 1.5-6 Å, on 0.5 Å; auto: by the "
        "voxel size",
    )
    add(
        "--sharpen",
        metavar="none|auto|B",
        default="none",
        help="of deepres: judge the map as it is, with its spectrum flattened, or with a B-factor "
        "applied (Å², negative sharpens)",
    )
    add("--probabilities", action="store_true", help="of the unet methods: write the probability "
        "of every class")  # fmt: skip
    add("--claimed", metavar="Å", type=float, help="resolution claimed for the map")
    add("--bundle", metavar="NAME_OR_FOLDER", help="trained network to use instead of the range's")
    add("--voxel-size", metavar="Å", type=float, help="where the map's header is wrong")
    add_thorough_option(parser, "a network's answer")
    add_compute_options(parser)
    add_output_options(parser, palette=True)


def run(args: argparse.Namespace) -> None:
    print(f"cryodl localres {args.map or args.half1 or ''}", flush=True)
    _check_options(args)
    apply_compute_options(args)
    estimate = {
        "deepres": _by_network,
        "cryores": _by_single_map,
        "unet-monores": _by_classes,
        "unet-resmap": _by_classes,
    }.get(args.method, _by_noise)
    with Progress() as progress:
        result = estimate(
            args,
            output=args.output,
            overwrite=args.overwrite,
            palette=args.palette,
            mask=args.mask,
            claimed=args.claimed,
            voxel_size=args.voxel_size,
            progress=progress,
            notify=say,
        )
    print(_summary(result.stats))
    print(f"wrote {args.output}")


def _check_options(args: argparse.Namespace) -> None:
    from cryodl.errors import SettingError

    for name, (methods, default) in ONLY.items():
        if args.method not in methods and getattr(args, name) != default:
            raise SettingError(
                f"--{name.replace('_', '-')} does nothing with method {args.method}: it belongs to "
                f"{' and '.join(methods)}; leave it out, or choose another --method"
            )


def _by_network(args: argparse.Namespace, **shared):
    from cryodl.methods.deepres.run import run_local_resolution

    return run_local_resolution(
        _one_map(args),
        args.bundle,
        range=args.range,
        sharpen=args.sharpen,
        thorough=args.thorough,
        batch_size=args.batch_size,
        device=args.device,
        **shared,
    )


def _by_single_map(args: argparse.Namespace, **shared):
    from cryodl.methods.cryores.run import run_single_map_resolution

    return run_single_map_resolution(
        _one_map(args), args.bundle, thorough=args.thorough, batch_size=args.batch_size,
        device=args.device, **shared,
    )  # fmt: skip


def _by_classes(args: argparse.Namespace, **shared):
    from cryodl.methods.local_classes.run import run_local_classes

    return run_local_classes(
        _one_map(args), args.bundle or args.method, probabilities=args.probabilities,
        thorough=args.thorough,
        batch_size=args.batch_size, device=args.device, **shared,
    )  # fmt: skip


def _one_map(args: argparse.Namespace) -> str:
    """The map of a method that reads one and no halves."""
    from cryodl.errors import SettingError

    if args.half1 or args.half2:
        raise SettingError(
            f"method {args.method} takes one map: choose monogenic, localfsc or sinusoid for halves"
        )
    if not args.map:
        raise SettingError("no map is given: give MAP, or half maps and their --method")
    return args.map


def _by_noise(args: argparse.Namespace, **shared):
    from cryodl.methods.half_map_resolution import run_half_map_resolution

    return run_half_map_resolution(
        args.half1,
        args.half2,
        method=args.method,
        device=args.device,
        volume=args.map,
        min_resolution=args.min_resolution,
        max_resolution=args.max_resolution,
        significance=args.significance,
        window=args.window,
        **shared,
    )


def _summary(stats: dict) -> str:
    low, high = stats["percentiles"]["2.5"], stats["percentiles"]["97.5"]
    uncertainty = stats.get("uncertainty_median")
    sure = "" if uncertainty is None else f", uncertainty ±{uncertainty:.2f} Å"
    whole = stats.get("global_resolution")
    first = "" if whole is None else f"global {whole:.2f} Å, "
    return (
        f"{first}median {stats['median']:.2f} Å (2.5-97.5 %: {low:.2f}-{high:.2f} Å{sure}) in "
        f"{stats['voxels']} voxels; {stats['seconds']['total']:.1f} s"
    )
