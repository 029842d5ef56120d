"""Markov random fields, and conditional ones that learn from labelled images."""
