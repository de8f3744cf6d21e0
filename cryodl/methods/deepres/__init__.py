"""Local resolution of one map, with its uncertainty, from the texture around every voxel.

After Ramírez-Aportela, Mota, Conesa, Carazo and Sorzano, "DeepRes: a new deep-learning- and
aspect-based local resolution method for electron-microscopy maps", IUCrJ 6, 1054 (2019).
"""
