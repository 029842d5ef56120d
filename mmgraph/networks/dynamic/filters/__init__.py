"""Filters of models of sequences: what is known after each row."""
