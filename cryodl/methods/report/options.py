"""What `run_report` and `cryodl report` take."""

from cryodl.methods.options import (
    CLAIMED,
    HALF1,
    HALF2,
    MAP,
    MASK,
    OUTPUT,
    OVERWRITE,
    PROCESSOR,
    Option,
)

OPTIONS = (
    MAP._replace(required=False, help="density map; without it the mean of the half maps"),
    OUTPUT,
    HALF1,
    HALF2,
    Option("model", metavar="FILE", help="fitted atomic model (PDB or mmCIF, also .gz)",
        label="Atomic model"),
    MASK._replace(help="mask on the map's grid; without it a simple rule finds one"),
    CLAIMED,
    Option("resolution_maps", flag="resolution-map", metavar="FILE", many="repeat",
        label="Local resolution maps", help="local resolution of another package, to be compared; "
        "may be repeated"),
    *PROCESSOR,
    OVERWRITE,
)  # fmt: skip
