"""Conditional tables that a few parameters describe."""
