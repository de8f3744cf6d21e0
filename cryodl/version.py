"""The version of cryodl. `setup.py` reads this file as text, so it holds nothing else."""

__version__ = "0.2.0"
