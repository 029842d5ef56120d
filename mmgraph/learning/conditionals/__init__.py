"""Conditional distributions learned from tables."""
