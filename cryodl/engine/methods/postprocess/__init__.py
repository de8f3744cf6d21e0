"""Post-processing in the manner of DeepEMhancer (Sanchez-Garcia et al. 2021, Commun. Biol. 4)."""

from .audit import Audit, Evidence, agreement, audit, find_evidence
from .run import MODELS, Enhanced, Enhancer

__all__ = [
    "MODELS", "Audit", "Enhanced", "Enhancer", "Evidence", "agreement", "audit", "find_evidence",
]  # fmt: skip
