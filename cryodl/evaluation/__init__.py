"""Measure what the networks reach: the papers' tests, on structures and maps never trained on."""
