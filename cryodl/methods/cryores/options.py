"""What `run_single_map_resolution` and `cryodl localres --method cryores` take."""

from cryodl.methods.options import BUNDLE, ONE_MAP, OVERWRITE, PALETTE

OPTIONS = (*ONE_MAP, BUNDLE, OVERWRITE, PALETTE)
