"""Targets that are numbers: bins of them, and normal densities that are multiplied."""
