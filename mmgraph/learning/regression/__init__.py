"""Linear Gaussian distributions from rows: statistics, priors, fits and posteriors."""
