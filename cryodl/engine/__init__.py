"""The engine: everything that computes. It never imports Scipion."""
