"""What `run_preflight` and `cryodl preflight` take."""

from cryodl.methods.options import (
    CLAIMED,
    HALF1,
    HALF2,
    MAP,
    MASK,
    OUTPUT,
    OVERWRITE,
    THREADS,
    Option,
)

FIX = Option("fix", False, "write corrected copies of what can be mended without touching a "
    "density (header, origin, voxel size) into OUT/fixed", bool, label="Correct")  # fmt: skip

OPTIONS = (
    MAP._replace(help="primary map, as it is to be deposited"),
    HALF1._replace(required=True, help="first half map, unfiltered, unmasked and unsharpened"),
    HALF2._replace(required=True, help="second half map"),
    OUTPUT,
    MASK._replace(help="mask that is deposited too, on the maps' grid"),
    Option("model", metavar="FILE", help="fitted atomic model (PDB or mmCIF, also .gz)"),
    CLAIMED,
    Option("level", help="contour level that is recommended; without it a rule finds one",
        kind=float, metavar="L"),
    FIX,
    THREADS,
    OVERWRITE,
)  # fmt: skip
