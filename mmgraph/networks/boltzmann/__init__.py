"""Boltzmann machines as estimators: their parameters, labels, features and units by the data."""
