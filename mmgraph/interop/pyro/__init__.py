"""Pyro: models as its programs and back, nodes with any distribution, NUTS and SVI."""
