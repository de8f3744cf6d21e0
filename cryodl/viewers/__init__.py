"""Scipion viewers: they read the files that a run has written and compute nothing."""

from .viewer_resolution import CryodlResolutionViewer

__all__ = ["CryodlResolutionViewer"]
