"""Ten classes of local resolution from a map alone, as a half-map estimator would give them.

After Avramov, Vyenielo, Gomez-Blanco, Adinarayanan, Vargas and Si, "Deep learning for validating
and estimating resolution of cryo-electron microscopy density maps", Molecules 24, 1181 (2019),
section 4.5.
"""
