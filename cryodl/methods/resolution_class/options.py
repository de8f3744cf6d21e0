"""What `classify_maps` and `cryodl classify` take."""

from cryodl.methods.options import (
    BUNDLE,
    CLAIMED,
    MAPS,
    MASK,
    OVERWRITE,
    PROCESSOR,
    THOROUGH,
    VOXEL_SIZES,
    Option,
)

MODEL = Option("model", "cnn", "cnn reads the texture of the map; dnn a description of it in a "
    "hundred numbers, and is faster", choices=("cnn", "dnn"), label="Network")  # fmt: skip
CLAIMED = CLAIMED._replace(help="resolution claimed for the maps", each=True)

OPTIONS = (
    Option("maps", flag="map", metavar="MAP", argument=True, many="list", required=True,
        label="Input Volumes", help=f"density maps {MAPS}"),
    MODEL,
    CLAIMED,
    Option("json_file", flag="json", metavar="FILE",
        help="write what is found as a list of objects"),
    MASK._replace(help="mask on the grid of a single map, or 'network': the one that cryodl mask "
        "finds; without it a simple rule finds one"),
    BUNDLE._replace(help="trained network to use instead of the model's"),
    VOXEL_SIZES._replace(each=True),
    THOROUGH._replace(help=THOROUGH.help.replace("the network's answer", "probabilities")),
    *PROCESSOR,
    OVERWRITE._replace(help="replace the file of --json"),
)  # fmt: skip
