"""What `run_fsc` and `cryodl fsc` take."""

from cryodl.methods.options import (
    HALF1,
    HALF2,
    MAPS,
    OUTPUT,
    OVERWRITE,
    PROCESSOR,
    VOXEL_SIZES,
    Option,
)

OPTIONS = (
    HALF1._replace(help=f"first half map {MAPS}", metavar="HALF1", argument=True, required=True),
    HALF2._replace(help="second half map, of the same refinement", metavar="HALF2", argument=True,
        required=True),
    OUTPUT,
    Option("mask", metavar="FILE", label="Binary Mask", help="mask on the maps' grid, or "
        "'network': the one that cryodl mask finds; a binary one gets a soft edge; without it a "
        "rule finds one"),
    Option("directional", False, "FSC in cones too: whether the map is as good in all directions",
        bool, label="In directions"),
    VOXEL_SIZES,
    *PROCESSOR,
    OVERWRITE,
)  # fmt: skip
