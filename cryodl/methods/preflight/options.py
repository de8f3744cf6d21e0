"""What `run_preflight` and `cryodl preflight` take."""

from cryodl.methods.options import (
    JUDGED,
    OVERWRITE,
    THREADS,
    VOXEL_SIZES,
    Option,
)

HELP = {
    "volume": "primary map, as it is to be deposited",
    "half1": "first half map, unfiltered, unmasked and unsharpened",
    "half2": "second half map",
    "mask": "mask that is deposited too, on the maps' grid",
}
OPTIONS = (
    *(one._replace(help=HELP.get(one.name, one.help),
        required=one.required or one.name in ("volume", "half1", "half2")) for one in JUDGED),
    Option("level", help="contour level that is recommended; without it a rule finds one",
        kind=float, metavar="L"),
    VOXEL_SIZES,
    Option("fix", False, "write corrected copies of what can be mended without touching a density "
        "(header, origin, voxel size) into OUT/fixed", bool, label="Correct"),
    THREADS,
    OVERWRITE,
)  # fmt: skip
