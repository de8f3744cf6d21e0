"""Tests by room, as the package; `scipion tests` finds those here and in protocols and viewers."""
