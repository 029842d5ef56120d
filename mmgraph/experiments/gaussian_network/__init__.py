"""Ready models: continuous measurements under experiments, as conditional Gaussian networks."""
