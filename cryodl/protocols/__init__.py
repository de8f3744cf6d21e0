"""The forms: each collects parameters, runs `cryodl` as a process and registers what it wrote."""

from cryodl.protocols.protocol_base import CryodlProtBase, CryodlProtResolutionBase
from cryodl.protocols.protocol_compare_resolution import CryodlProtCompareResolution
from cryodl.protocols.protocol_enhance import CryodlProtEnhance
from cryodl.protocols.protocol_find_mask import CryodlProtFindMask
from cryodl.protocols.protocol_fsc import CryodlProtFsc
from cryodl.protocols.protocol_half_map_resolution import CryodlProtHalfMapResolution
from cryodl.protocols.protocol_import_resolution import CryodlProtImportResolution
from cryodl.protocols.protocol_local_classes import CryodlProtLocalClasses
from cryodl.protocols.protocol_local_filter import CryodlProtLocalFilter
from cryodl.protocols.protocol_local_resolution import CryodlProtLocalResolution
from cryodl.protocols.protocol_oversharpening import CryodlProtOversharpening
from cryodl.protocols.protocol_resolution_class import CryodlProtResolutionClass
from cryodl.protocols.protocol_single_map_resolution import CryodlProtSingleMapResolution
from cryodl.protocols.protocol_train_local_classes import CryodlProtTrainLocalClasses
from cryodl.protocols.protocol_validate_map import CryodlProtValidateMap

__all__ = [
    "CryodlProtBase",
    "CryodlProtCompareResolution",
    "CryodlProtEnhance",
    "CryodlProtFindMask",
    "CryodlProtFsc",
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
    "CryodlProtValidateMap",
]
