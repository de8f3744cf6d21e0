"""One package for each question that is asked of a map."""
