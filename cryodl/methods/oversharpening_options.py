"""What `run_oversharpening` and `cryodl oversharpening` take."""

from cryodl.methods.options import (
    BATCH_SIZE,
    BUNDLE,
    HALF1,
    HALF2,
    MAP,
    MAPS,
    MASK,
    OUTPUT,
    OVERWRITE,
    PROCESSOR,
    VOXEL_SIZES,
    Option,
)

OPTIONS = (
    MAP._replace(required=False, label="Volume", help=f"unsharpened map {MAPS}; the mean of the "
        "half maps by default"),
    OUTPUT,
    HALF1._replace(help="first half map, for the signal-to-noise resolution"),
    HALF2,
    Option("method", "localfsc", "how half maps tell the signal-to-noise resolution",
        choices=("localfsc", "monogenic"), label="Signal-to-noise resolution by"),
    Option("criterion", "auto", "what is recommended: the B-factor with which the map is expected "
        "to be most like its atoms (correlation; needs half maps), or that at which aspect and "
        "signal-to-noise resolution meet (crossing); auto takes the first where it can",
        choices=("auto", "correlation", "crossing"), label="Recommend by"),
    Option("resolution_map", help="signal-to-noise resolution by any package, a map in Å or a "
        "folder of results, instead of the half maps'", metavar="RES",
        label="Local resolution map"),
    Option("sharpened", help="map on the same grid, sharpened in any way, to judge; low-passed "
        "as the scanned ones are", metavar="FILE", label="Sharpened volume"),
    MASK._replace(help="where resolutions are compared; without it one is found"),
    Option("bfactors", help="in Å², from 0 downwards, written --bfactors=0,-50,-100; by default 0 "
        "to -200 in steps of 25, and once more at the recommended one", metavar="B,B,...",
        many="commas", label="B-factors"),
    Option("range", "auto", "of the network; low: 2.5-13 Å, high: 1.5-6 Å, auto: by the voxel size",
        choices=("auto", "low", "high")),
    BUNDLE._replace(help="trained network to use instead of the range's"),
    VOXEL_SIZES,
    *PROCESSOR,
    BATCH_SIZE,
    OVERWRITE,
)  # fmt: skip
