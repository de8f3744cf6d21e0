"""Training of the post-processing networks (Sanchez-Garcia et al. 2021, section Methods)."""
