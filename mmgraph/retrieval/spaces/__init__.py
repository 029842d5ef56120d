"""Spaces in which pictures and texts that belong together lie close."""
