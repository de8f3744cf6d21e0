"""Tests: those of the plugin here, also for `scipion tests`; the others by room, as the package."""
