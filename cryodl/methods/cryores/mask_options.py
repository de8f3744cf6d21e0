"""What `run_mask` and `cryodl mask` take."""

from cryodl.methods.options import (
    BUNDLE,
    MAP,
    NETWORK,
    OUTPUT,
    OVERWRITE,
    VOXEL_SIZE,
    Option,
)

OPTIONS = (
    MAP,
    OUTPUT._replace(help="file to write, such as mask.mrc", metavar="MASK"),
    Option("threshold", 0.5, "probability above which a voxel is in the molecule", float,
        above=0, below=1, metavar="P", label="Threshold"),
    Option("dilate", 0.0, "widen the mask, or below 0 narrow it", float, -100, 100, unit="Å",
        label="Widen by"),
    Option("soft", 0.0, "width of a soft edge outside it; without one the mask is 0 or 1", float,
        0, 100, unit="Å", label="Soft edge"),
    BUNDLE,
    VOXEL_SIZE,
    *NETWORK,
    OVERWRITE._replace(help="replace a file that exists"),
)  # fmt: skip
