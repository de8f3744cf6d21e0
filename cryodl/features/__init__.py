"""What the networks read of a map besides its density."""
