"""Files: read with their size known first, written whole or not at all."""
