"""What `run_quality` and `cryodl quality` take."""

from cryodl.methods.options import (
    CLAIMED,
    MAP,
    MODEL,
    OUTPUT,
    OVERWRITE,
    THREADS,
    VOXEL_SIZE,
    Option,
)

LEVEL = Option("level", help="contour level of the map, for atom inclusion; without it a rule "
    "finds one", kind=float, metavar="L", label="Contour level")  # fmt: skip
SIGMA = Option("sigma", 0.6, "of the Gaussian that an atom is compared with; 0.6 as MapQ, and 0.4 "
    "is what the EMDB lists", float, least=0.1, most=2, unit="Å", label="Sigma")  # fmt: skip
RESOLUTION_MAP = Option("resolution_map", metavar="FILE", label="Local resolution",
    help="local-resolution map of any package, or a folder of cryodl's results, read at each "
    "residue")  # fmt: skip

OPTIONS = (
    MAP,
    MODEL._replace(argument=True, required=True, metavar="MODEL"),
    OUTPUT,
    CLAIMED,
    LEVEL,
    RESOLUTION_MAP,
    SIGMA,
    VOXEL_SIZE,
    THREADS,
    OVERWRITE,
)
