"""Measure what the networks reach: the papers' own tests, on structures and maps never trained on."""
