"""The forms: each collects parameters, runs `cryodl` as a process and registers what it wrote."""

from .protocol_base import CryodlProtBase, CryodlProtResolutionBase
from .protocol_compare_resolution import CryodlProtCompareResolution
from .protocol_enhance import CryodlProtEnhance
from .protocol_half_map_resolution import CryodlProtHalfMapResolution
from .protocol_import_resolution import CryodlProtImportResolution
from .protocol_local_classes import CryodlProtLocalClasses
from .protocol_local_filter import CryodlProtLocalFilter
from .protocol_local_resolution import CryodlProtLocalResolution
from .protocol_oversharpening import CryodlProtOversharpening
from .protocol_resolution_class import CryodlProtResolutionClass
from .protocol_single_map_resolution import CryodlProtSingleMapResolution
from .protocol_train_local_classes import CryodlProtTrainLocalClasses

__all__ = [
    "CryodlProtBase",
    "CryodlProtCompareResolution",
    "CryodlProtEnhance",
    "CryodlProtHalfMapResolution",
    "CryodlProtImportResolution",
    "CryodlProtLocalClasses",
    "CryodlProtLocalFilter",
    "CryodlProtLocalResolution",
    "CryodlProtOversharpening",
    "CryodlProtResolutionBase",
    "CryodlProtResolutionClass",
    "CryodlProtSingleMapResolution",
    "CryodlProtTrainLocalClasses",
]
