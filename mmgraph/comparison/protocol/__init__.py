"""Nested folds, their fits in processes of one thread, and what of them is kept."""
