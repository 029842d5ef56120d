"""Particle filters: weighted samples of a hidden process that move with its rows."""
