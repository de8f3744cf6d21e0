"""Pictures, colour keys and ChimeraX scripts: arrays and statistics in, files out.

Nothing is imported here, so that importing the package costs nothing:

- ``palette``: the colour scale every picture shares
- ``histogram``: distribution of local resolution
- ``slices``: orthogonal slices of density, local resolution and its uncertainty
- ``chimerax``: script that shows a map coloured by local resolution
- ``curves``: learning curves, claimed against measured values
"""
