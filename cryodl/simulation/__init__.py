"""From atomic models to maps whose resolution is known: the one source of training labels."""
