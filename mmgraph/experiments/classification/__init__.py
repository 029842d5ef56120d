"""Ready models: a Bayesian network that classifies, cross-validated."""
