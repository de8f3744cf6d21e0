"""What `run_local_classes` and `cryodl localres --method unet-monores|unet-resmap` take."""

from cryodl.methods.options import BUNDLE, ONE_MAP, OVERWRITE, PALETTE, Option

PROBABILITIES = Option("probabilities", False, "write the probability of every class", bool,
    label="Write probabilities")  # fmt: skip

OPTIONS = (
    *ONE_MAP,
    BUNDLE._replace(default="unet-monores"),
    PROBABILITIES,
    OVERWRITE,
    PALETTE,
)  # fmt: skip
