"""The Interchange Format for Bayesian networks."""
