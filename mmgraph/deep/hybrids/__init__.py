"""Nets that speak to a network or a random field, trained through its inference."""
