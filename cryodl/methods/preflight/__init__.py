"""Whether a map with its half maps is ready to be deposited."""
