"""Continuous leaves: densities of a variable given its discrete parents."""
