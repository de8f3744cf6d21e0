"""Scipion viewers: they read the files that a run has written and compute nothing."""

from cryodl.viewers.viewer_compare import CryodlCompareViewer
from cryodl.viewers.viewer_enhance import CryodlEnhanceViewer
from cryodl.viewers.viewer_local_classes import CryodlLocalClassesViewer
from cryodl.viewers.viewer_resolution import CryodlResolutionViewer
from cryodl.viewers.viewer_resolution_class import CryodlResolutionClassViewer
from cryodl.viewers.viewer_training import CryodlTrainingViewer

__all__ = [
    "CryodlCompareViewer",
    "CryodlEnhanceViewer",
    "CryodlLocalClassesViewer",
    "CryodlResolutionClassViewer",
    "CryodlResolutionViewer",
    "CryodlTrainingViewer",
]
