"""What `run_filter` and `cryodl filter` take."""

from cryodl.methods.options import (
    MAP,
    MASK,
    OUTPUT,
    OVERWRITE,
    PALETTE,
    VOXEL_SIZES,
    Option,
)

OPTIONS = (
    MAP._replace(name="map"),
    Option("resolution", required=True, metavar="RES", label="Local resolution map",
        help="its local resolution, by any package: a map in Å, or a folder of results"),
    OUTPUT,
    MASK._replace(help="mask on the same grid; what is outside counts as solvent"),
    Option("background", "auto", "value that stands for unknown in RES; auto knows 0, NaN, about "
        "100 and any one value that covers the borders of the box", metavar="auto|VALUE"),
    VOXEL_SIZES._replace(help="where the headers are wrong"),
    OVERWRITE,
    PALETTE,
)  # fmt: skip
