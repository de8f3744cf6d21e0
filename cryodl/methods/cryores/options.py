"""What `run_single_map_resolution` and `cryodl localres --method cryores` take."""

from cryodl.methods.options import BUNDLE, ONE_MAP, OVERWRITE, PALETTE

DEFAULT = "cryores-backbone"  # the shipped network that is used by itself
OPTIONS = (*ONE_MAP, BUNDLE, OVERWRITE, PALETTE)
