"""Local-resolution maps of any package: taken over, compared, and used to filter a map."""
