"""Searches for the graph of best score, and constraint-based ones."""
