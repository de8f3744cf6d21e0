"""Resolution of a whole map, from the map alone: high, medium or low, and a number.

After Avramov, Vyenielo, Gomez-Blanco, Adinarayanan, Vargas and Si, "Deep learning for validating
and estimating resolution of cryo-electron microscopy density maps", Molecules 24, 1181 (2019).
"""
