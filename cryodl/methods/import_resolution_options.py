"""What `run_import_resolution` and `cryodl import` take."""

from cryodl.methods.options import CLAIMED, MASK, OUTPUT, OVERWRITE, PALETTE, VOXEL_SIZES, Option

BACKGROUND = Option("background", "auto", "value that stands for unknown; auto knows 0, NaN, about "
    "100 and any one value that covers the borders of the box", metavar="auto|VALUE",
    label="Background")  # fmt: skip

OPTIONS = (
    Option("resolution", flag="res", metavar="RES", argument=True, required=True,
        label="Local resolution map", help="local-resolution map of any package, in Å"),
    OUTPUT,
    Option("map", help="density that was judged: gives the origin, and is drawn", metavar="FILE",
        label="Density map"),
    MASK._replace(help="mask on the same grid; what is outside is dropped"),
    BACKGROUND,
    VOXEL_SIZES._replace(help="where the headers are wrong"),
    CLAIMED,
    OVERWRITE,
    PALETTE,
)  # fmt: skip
