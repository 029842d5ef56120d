"""Measurements as states: where the intervals of a column are cut, and what they stand for."""
