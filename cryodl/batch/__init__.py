"""Thousands of maps: rows of a table, each judged as a single command would, on Dask's workers."""
