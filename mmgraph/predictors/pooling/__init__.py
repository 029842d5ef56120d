"""Leaves of a target whose likelihoods are pooled, each with a power."""
