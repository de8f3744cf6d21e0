"""The forms: each collects parameters, runs `cryodl` as a process and registers what it wrote."""

from .protocol_base import CryodlProtBase, CryodlProtResolutionBase
from .protocol_compare_resolution import CryodlProtCompareResolution
from .protocol_half_map_resolution import CryodlProtHalfMapResolution
from .protocol_import_resolution import CryodlProtImportResolution
from .protocol_local_filter import CryodlProtLocalFilter
from .protocol_local_resolution import CryodlProtLocalResolution
from .protocol_oversharpening import CryodlProtOversharpening

__all__ = [
    "CryodlProtBase",
    "CryodlProtCompareResolution",
    "CryodlProtHalfMapResolution",
    "CryodlProtImportResolution",
    "CryodlProtLocalFilter",
    "CryodlProtLocalResolution",
    "CryodlProtOversharpening",
    "CryodlProtResolutionBase",
]
