"""Enhancement of half maps: what a network adds to the map that filters made of them."""
