"""Networks as their papers published them, trained as their papers say: what ours stand beside."""
