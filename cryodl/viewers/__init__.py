"""Scipion viewers: they read the files that a run has written and compute nothing."""

from .viewer_compare import CryodlCompareViewer
from .viewer_enhance import CryodlEnhanceViewer
from .viewer_local_classes import CryodlLocalClassesViewer
from .viewer_resolution import CryodlResolutionViewer
from .viewer_resolution_class import CryodlResolutionClassViewer
from .viewer_training import CryodlTrainingViewer

__all__ = [
    "CryodlCompareViewer",
    "CryodlEnhanceViewer",
    "CryodlLocalClassesViewer",
    "CryodlResolutionClassViewer",
    "CryodlResolutionViewer",
    "CryodlTrainingViewer",
]
