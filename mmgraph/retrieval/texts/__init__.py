"""Captions and queries as numbers."""
