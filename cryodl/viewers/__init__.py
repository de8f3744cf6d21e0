"""Scipion viewers: they read the files that a run has written and compute nothing."""
