"""Pictures, colour keys and ChimeraX scripts: arrays and statistics in, files out.

Nothing is imported here, so that importing the package costs nothing:

- ``figure``, ``palette``: the look and the colour scale that every picture shares; tables
- ``histogram``: local resolution as a histogram, and by distance from the centre
- ``slices``: three orthogonal slices of density, local resolution and its uncertainty
- ``slice_grid``: slices across one axis, of one map or of several below each other
- ``comparison``: several local-resolution maps; a map before and after local filtering
- ``enhancement``: a map before and after post-processing
- ``classes``: classes of local resolution, and of the resolution of whole maps
- ``half_map_curves``: FSC; resolution against the B-factor applied
- ``curves``: learning curves, claimed against measured values
- ``chimerax``: scripts that show a map coloured by local resolution
- ``along_sequence``: values of residues along each chain
- ``surface``: a shaded picture of a map's surface
- ``browser``: the slices and the chart of the results window
- ``page``, ``batch_summary``: a map's page, and the table of many
"""
