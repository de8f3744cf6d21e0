"""Post-processing in the manner of DeepEMhancer (Sanchez-Garcia et al. 2021, Commun. Biol. 4)."""
