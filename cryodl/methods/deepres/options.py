"""What `run_local_resolution` and `cryodl localres --method deepres` take."""

from cryodl.methods.options import BUNDLE, ONE_MAP, OVERWRITE, PALETTE, Option

RANGE = Option("range", "auto", "low: 2.5-13 Å, on a 1.0 Å grid; high: 1.5-6 Å, on 0.5 Å; auto: by "
    "the voxel size", choices=("auto", "low", "high"), label="Resolution range")  # fmt: skip
SHARPEN = Option("sharpen", "none", "judge the map as it is, with its spectrum flattened, or with "
    "a B-factor applied (Å², negative sharpens)", metavar="none|auto|B",
    label="Judge the map")  # fmt: skip

OPTIONS = (
    *ONE_MAP,
    BUNDLE._replace(help="trained network to use instead of the range's"),
    RANGE,
    SHARPEN,
    OVERWRITE,
    PALETTE,
)  # fmt: skip
