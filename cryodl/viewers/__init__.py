"""Scipion viewers: they read the files that a run has written and compute nothing."""

from cryodl.viewers.viewer_changed import (
    CryodlEnhanceViewer,
    CryodlFilterViewer,
    CryodlOversharpeningViewer,
)
from cryodl.viewers.viewer_classes import (
    CryodlLocalClassesViewer,
    CryodlResolutionClassViewer,
    CryodlTrainingViewer,
)
from cryodl.viewers.viewer_compare import CryodlCompareViewer
from cryodl.viewers.viewer_half_maps import CryodlFscViewer, CryodlMaskViewer
from cryodl.viewers.viewer_resolution import CryodlResolutionViewer
from cryodl.viewers.viewer_validation import CryodlValidationViewer

__all__ = [
    "CryodlCompareViewer",
    "CryodlEnhanceViewer",
    "CryodlFilterViewer",
    "CryodlFscViewer",
    "CryodlLocalClassesViewer",
    "CryodlMaskViewer",
    "CryodlOversharpeningViewer",
    "CryodlResolutionClassViewer",
    "CryodlResolutionViewer",
    "CryodlTrainingViewer",
    "CryodlValidationViewer",
]
