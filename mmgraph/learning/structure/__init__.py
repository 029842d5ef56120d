"""Learning the graph of a Bayesian network from a table."""
