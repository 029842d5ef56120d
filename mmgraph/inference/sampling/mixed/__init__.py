"""Gibbs sampling of mixed networks: all discrete variables at once, then all continuous ones."""
