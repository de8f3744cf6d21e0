"""Names shared by the plugin, its protocols and its viewers."""

# Scipion configuration variable: the root of a Python environment that holds the engine, for
# installations that keep TensorFlow apart from Scipion. Empty: the engine is in Scipion's own.
CRYODL_HOME = "CRYODL_HOME"

# What `scipion installb` calls that environment; no "-", or the target is not found.
ENGINE_PACKAGE = "cryodlenv"
