"""Sampling by Markov chains, and annealing."""
