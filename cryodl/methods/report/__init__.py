"""All that a map, its half maps and its model allow to be said of it, and the page of it."""
