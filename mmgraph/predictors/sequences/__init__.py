"""Predictors of sequences: a label for each step, with durations."""
