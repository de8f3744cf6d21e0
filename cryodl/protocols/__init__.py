"""Scipion protocols: one form per file, each of which runs one `cryodl` command."""
