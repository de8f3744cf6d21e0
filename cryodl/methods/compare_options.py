"""What `run_compare` and `cryodl compare` take."""

from cryodl.methods.options import CLAIMED, MASK, OUTPUT, OVERWRITE, PALETTE, VOXEL_SIZES, Option

OPTIONS = (
    Option("resolutions", flag="res", metavar="RES", argument=True, required=True, many="list",
        label="Local resolution maps", help="local-resolution maps, or folders of results"),
    OUTPUT,
    Option("names", flag="name", metavar="NAME", many="repeat",
        help="of a map; once for each, in their order"),
    Option("map", help="density that was judged: gives the grid, and is drawn", metavar="FILE",
        label="Density map"),
    MASK._replace(help="mask on the same grid; what is outside is left out"),
    Option("model", help="PDB or mmCIF: statistics for each of its chains too", metavar="FILE",
        label="Atomic model"),
    CLAIMED,
    VOXEL_SIZES._replace(help="where the headers are wrong"),
    OVERWRITE,
    PALETTE,
)  # fmt: skip
