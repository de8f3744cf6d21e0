"""What `run_report` and `cryodl report` take."""

from cryodl.methods.options import JUDGED, OVERWRITE, PROCESSOR, VOXEL_SIZES, Option

OPTIONS = (
    *JUDGED,
    Option("resolution_maps", flag="resolution-map", metavar="FILE", many="repeat",
        label="Local resolution maps", help="local resolution of another package, to be compared; "
        "may be repeated"),
    VOXEL_SIZES,
    *PROCESSOR,
    OVERWRITE,
)  # fmt: skip
