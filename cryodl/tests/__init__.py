"""Tests: those of the plugin here (also for `scipion tests`), those of the engine in engine/."""
